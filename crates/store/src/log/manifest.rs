//! The manifest: format version, node and boot epoch (K4).

use std::io::{self, IoSlice};

use crate::{
    contract::StoreError,
    io::Disk,
    wire::{u32_at, u64_at},
};

use super::names::{HALF_MADE, MANIFEST};

/// The newest format this program knows.
pub(crate) const FORMAT: u32 = 2;

const MAGIC: &[u8; 8] = b"RESTANTE";
const LEN: usize = 40;

/// What the manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) node: u64,
    pub(crate) boot: u32,
}

/// What stands where the manifest should be.
#[derive(Debug)]
pub(crate) enum FoundManifest {
    Good(Manifest),
    /// A file that is no manifest.
    Damaged,
    Missing,
}

impl Manifest {
    /// Reads it; a newer format is an error.
    pub(crate) fn read(disk: &dyn Disk) -> Result<FoundManifest, StoreError> {
        let failed = |source| StoreError::Io {
            action: "read the manifest",
            path: MANIFEST.into(),
            source,
        };
        let file = match disk.open(MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FoundManifest::Missing),
            Err(error) => return Err(failed(error)),
        };
        if file.len().map_err(failed)? < LEN as u64 {
            return Ok(FoundManifest::Damaged);
        }
        let mut bytes = [0; LEN];
        file.read_at(0, &mut bytes).map_err(failed)?;
        decode(&bytes)
    }

    /// Makes it durable.
    pub(crate) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        let name = format!("{MANIFEST}{HALF_MADE}");
        let file = match disk.create(&name, 0) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(&name)?;
                disk.create(&name, 0)?
            }
            other => other?,
        };
        file.write_at(0, &[IoSlice::new(&self.encode())])?;
        file.sync()?;
        disk.rename(&name, MANIFEST)?;
        disk.sync_folder()
    }

    /// Makes it durable in the place of the one before, without space for a second file. It lies in one sector, which is
    /// written as a whole; were it torn all the same, the next start would guess what it said.
    pub(crate) fn overwrite(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(&format!("{MANIFEST}{HALF_MADE}")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.open(MANIFEST)?;
        file.write_at(0, &[IoSlice::new(&self.encode())])?;
        file.sync()
    }

    fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[12..16].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.node.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.boot.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn decode(bytes: &[u8; LEN]) -> Result<FoundManifest, StoreError> {
    let fields = (
        u32_at(bytes, 8),
        u32_at(bytes, 12),
        u64_at(bytes, 16),
        u32_at(bytes, 24),
    );
    let (Some(crc), Some(format), Some(node), Some(boot)) = fields else {
        return Ok(FoundManifest::Damaged);
    };
    if &bytes[..8] != MAGIC || crc32c::crc32c(&bytes[12..]) != crc {
        return Ok(FoundManifest::Damaged);
    }
    if format > FORMAT {
        return Err(StoreError::NewerFormat {
            found: format,
            known: FORMAT,
            path: MANIFEST.into(),
        });
    }
    Ok(FoundManifest::Good(Manifest { node, boot }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::FolderDisk;

    #[test]
    fn it_comes_back_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FolderDisk::open(folder.path()).unwrap();
        assert!(matches!(Manifest::read(&disk), Ok(FoundManifest::Missing)));
        let manifest = Manifest { node: 77, boot: 3 };
        Manifest { node: 1, boot: 2 }.write(&disk).unwrap();
        manifest.write(&disk).unwrap();
        assert!(matches!(Manifest::read(&disk), Ok(FoundManifest::Good(found)) if found == manifest));
        let file = disk.open(MANIFEST).unwrap();
        file.write_at(24, &[IoSlice::new(&[9])]).unwrap();
        assert!(matches!(Manifest::read(&disk), Ok(FoundManifest::Damaged)));
        file.set_len(7).unwrap();
        assert!(matches!(Manifest::read(&disk), Ok(FoundManifest::Damaged)));
    }

    #[test]
    fn a_newer_format_is_refused_in_a_sentence() {
        let mut bytes = Manifest { node: 1, boot: 1 }.encode();
        bytes[12] = 3;
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        let error = decode(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the store was written by a newer version format=3 known=2 path=manifest"
        );
    }
}
