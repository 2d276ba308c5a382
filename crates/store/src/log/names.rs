//! Names of the store's files.

use std::fmt;

use restante_model::Seq;

/// Name of the manifest.
pub(crate) const MANIFEST: &str = "manifest";

/// What half-made files end with.
pub(crate) const HALF_MADE: &str = ".new";

/// Boot epochs are below this: they are the high bits of sequences. Names that say otherwise are not ours.
pub(crate) const BOOTS_MAX: u32 = 1 << (u64::BITS - Seq::COUNTER_BITS);

/// Identity of a segment or state file: boot epoch and number. Never given twice, because boot epochs are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u64);

impl FileId {
    pub(crate) fn new(boot: u32, number: u32) -> FileId {
        FileId(u64::from(boot) << 32 | u64::from(number))
    }

    pub(crate) fn boot(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) fn segment_name(self) -> String {
        format!("log-{self}.seg")
    }

    pub(crate) fn index_name(self) -> String {
        format!("log-{self}.idx")
    }

    pub(crate) fn state_name(self) -> String {
        format!("state-{self}.st")
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:07}-{:08}", self.boot(), self.0 as u32)
    }
}

/// What a file in the folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Manifest,
    Segment(FileId),
    Index(FileId),
    State(FileId),
    Spare(u32),
    HalfMade,
    /// None of ours: left alone.
    Foreign,
}

/// Reads a file name.
pub(crate) fn read(name: &str) -> Named {
    if name == MANIFEST {
        return Named::Manifest;
    }
    if name.ends_with(HALF_MADE) {
        return Named::HalfMade;
    }
    parse(name).unwrap_or(Named::Foreign)
}

/// Name of a spare file.
pub(crate) fn spare_name(number: u32) -> String {
    format!("spare-{number:08}.seg")
}

fn parse(name: &str) -> Option<Named> {
    let (stem, ending) = name.split_once('.')?;
    let (kind, rest) = stem.split_once('-')?;
    let named = match (kind, ending) {
        ("spare", "seg") => Named::Spare(rest.parse().ok()?),
        ("log", "seg") => Named::Segment(id(rest)?),
        ("log", "idx") => Named::Index(id(rest)?),
        ("state", "st") => Named::State(id(rest)?),
        _ => return None,
    };
    Some(named)
}

fn id(text: &str) -> Option<FileId> {
    let (boot, number) = text.split_once('-')?;
    let boot = boot.parse().ok().filter(|&boot: &u32| boot < BOOTS_MAX)?;
    Some(FileId::new(boot, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let id = FileId::new(12, 345);
        assert_eq!(id.segment_name(), "log-0000012-00000345.seg");
        assert_eq!(read(&id.segment_name()), Named::Segment(id));
        assert_eq!(read(&id.index_name()), Named::Index(id));
        assert_eq!(read(&id.state_name()), Named::State(id));
        assert_eq!(read(&spare_name(7)), Named::Spare(7));
        assert_eq!(read("manifest"), Named::Manifest);
        assert_eq!(read("manifest.new"), Named::HalfMade);
        for foreign in [
            "",
            "log",
            "log-1.seg",
            "log-x-1.seg",
            "notes.txt",
            "spare-.seg",
            "log-1-1.txt",
            "log-9999999-99999999.seg",
            "state-1048576-00000001.st",
        ] {
            assert_eq!(read(foreign), Named::Foreign, "{foreign}");
        }
    }
}
