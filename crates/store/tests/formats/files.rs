//! What the files of a store hold, read as `docs/design/store-format.md` describes them and not by the store's own code.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Bytes of a file header, and of a block's.
const FILE_HEADER: usize = 512;
const BLOCK_HEADER: usize = 56;

/// Set in the kind of a record that a merge has moved.
const MOVED: u8 = 0x80;

/// The image that ends a checkpoint.
const MARK: u8 = 38;

/// Kinds of records of segments, and of images of state files.
const RECORDS: std::ops::RangeInclusive<u8> = 1..=19;
const IMAGES: std::ops::RangeInclusive<u8> = 32..=41;

/// Names of the files that make up the store.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| name != "lock" && !name.starts_with("spare-"))
        .collect();
    names.sort();
    names
}

/// The format version that the manifest says.
pub(crate) fn format_of(folder: &Path) -> u32 {
    u32_at(&fs::read(folder.join("manifest")).unwrap(), 12)
}

/// Whether a segment, or the segment of this index, replaces others.
pub(crate) fn is_merged(folder: &Path, name: &str) -> bool {
    let segment = PathBuf::from(name).with_extension("seg");
    fs::read(folder.join(segment)).is_ok_and(|bytes| u32_at(&bytes, 40) > 0)
}

/// Whether an image with these bytes in it, and a mark behind it, is in a state file.
pub(crate) fn checkpoints_hold(folder: &Path, needle: &[u8]) -> bool {
    names(folder)
        .iter()
        .filter(|name| name.ends_with(".st"))
        .any(|name| {
            // It may be gone by now.
            let bytes = fs::read(folder.join(name)).unwrap_or_default();
            let blocks = Blocks::of(&bytes).whole;
            let holds = |body: &&[u8]| body.windows(needle.len()).any(|bytes| bytes == needle);
            let held = blocks.iter().position(holds);
            held.is_some_and(|at| blocks[at..].iter().any(|body| records(body).contains(&MARK)))
        })
}

/// What kinds of things there are.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    records: BTreeSet<u8>,
    images: BTreeSet<u8>,
    moved: bool,
    /// Segments that replace others and have an index.
    merged: usize,
    /// Segments that end with the mark of their end, were written by commits, and have an index.
    sealed: usize,
    /// Segments in which the last block is not whole.
    torn: usize,
}

impl Kinds {
    pub(crate) fn of(folder: &Path) -> Kinds {
        let mut kinds = Kinds::default();
        let names = names(folder);
        for name in &names {
            let bytes = fs::read(folder.join(name)).unwrap();
            let blocks = Blocks::of(&bytes);
            let all = blocks.whole.iter().flat_map(|body| records(body));
            if name.ends_with(".st") {
                kinds.images.extend(all);
            } else if name.ends_with(".seg") {
                let all: Vec<u8> = all.collect();
                kinds.moved |= all.iter().any(|kind| kind & MOVED != 0);
                kinds.records.extend(all.iter().map(|kind| kind & !MOVED));
                let has_index = names.contains(&name.replace(".seg", ".idx"));
                let is_merged = is_merged(folder, name);
                kinds.merged += usize::from(is_merged && has_index);
                kinds.sealed += usize::from(blocks.ended && has_index && !is_merged);
                kinds.torn += usize::from(blocks.torn);
            }
        }
        kinds
    }

    /// Nothing that the format knows is missing.
    pub(crate) fn assert_all(&self) {
        let missing: Vec<u8> = RECORDS.filter(|kind| !self.records.contains(kind)).collect();
        assert!(missing.is_empty(), "no records of kinds {missing:?}: {self:?}");
        let missing: Vec<u8> = IMAGES.filter(|kind| !self.images.contains(kind)).collect();
        assert!(missing.is_empty(), "no images of kinds {missing:?}: {self:?}");
        assert!(
            self.moved && self.merged > 0 && self.sealed > 0 && self.torn == 1,
            "{self:?}"
        );
    }
}

/// The blocks of a segment or a state file.
#[derive(Default)]
struct Blocks<'a> {
    /// Bodies of those that are whole.
    whole: Vec<&'a [u8]>,
    /// The mark of the end stands behind them.
    ended: bool,
    /// A block that is not whole stands behind them.
    torn: bool,
}

impl Blocks<'_> {
    fn of(bytes: &[u8]) -> Blocks<'_> {
        let mut blocks = Blocks::default();
        let mut at = FILE_HEADER;
        while bytes.get(at..at + BLOCK_HEADER).is_some() && bytes[at..].starts_with(b"RBLK") {
            let (len, records) = (u32_at(bytes, at + 24) as usize, u32_at(bytes, at + 28));
            let body = &bytes[at + BLOCK_HEADER..][..len];
            if records == 0 && len == 0 {
                blocks.ended = true;
                break;
            }
            if seal(body) != Some(u32_at(bytes, at + 36)) {
                blocks.torn = true;
                break;
            }
            blocks.whole.push(body);
            at = (at + BLOCK_HEADER + len).next_multiple_of(8);
        }
        blocks
    }
}

/// The CRC over the CRCs of the records; `None` when one of them is not right.
fn seal(body: &[u8]) -> Option<u32> {
    let mut seal = 0;
    let mut at = 0;
    while at < body.len() {
        let len = body.get(at + 4..at + 8).map(|_| u32_at(body, at + 4) as usize)?;
        let record = body.get(at..at + len).filter(|record| record.len() > 8)?;
        if crc32c::crc32c(&record[4..]) != u32_at(record, 0) {
            return None;
        }
        seal = crc32c::crc32c_append(seal, &record[..4]);
        at += len;
    }
    Some(seal)
}

/// The kind bytes of the records of a body.
fn records(body: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut at = 0;
    while at < body.len() {
        kinds.push(body[at + 8]);
        at += u32_at(body, at + 4) as usize;
    }
    kinds
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}
