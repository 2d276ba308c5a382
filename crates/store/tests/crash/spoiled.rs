//! The suite must be able to fail (K12): a disk whose syncs do nothing is noticed.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use restante_store::{
    io::{Disk, DiskFile},
    log::Sync,
    sim::SimDisk,
};

use crate::runs::{Wrap, crash_again_and_again, crash_everywhere};

/// What a lying disk leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    Files,
    Folder,
}

/// A disk that says it has synced and has not.
struct LyingDisk {
    disk: SimDisk,
    lie: Lie,
}

struct LyingFile(Arc<dyn DiskFile>);

impl LyingDisk {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        match self.lie {
            Lie::Files => Arc::new(LyingFile(file)),
            Lie::Folder => file,
        }
    }
}

impl Disk for LyingDisk {
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name, len).map(|file| self.file(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name).map(|file| self.file(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        match self.lie {
            Lie::Files => self.disk.sync_folder(),
            Lie::Folder => Ok(()),
        }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

impl DiskFile for LyingFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bufs: &[IoSlice<'_>]) -> io::Result<()> {
        self.0.write_at(offset, bufs)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

fn without_file_sync(disk: SimDisk) -> Arc<dyn Disk> {
    let lie = Lie::Files;
    Arc::new(LyingDisk { disk, lie })
}

fn without_folder_sync(disk: SimDisk) -> Arc<dyn Disk> {
    let lie = Lie::Folder;
    Arc::new(LyingDisk { disk, lie })
}

fn is_noticed(lie: Wrap) {
    let everywhere = (1..4).any(|seed| crash_everywhere(seed, 60, lie, Sync::Always).is_err());
    let again = (1..9).any(|seed| crash_again_and_again(seed, 10, lie).is_err());
    assert!(everywhere, "a crash at every call does not notice it");
    assert!(again, "crash after crash does not notice it");
}

#[test]
fn k12_a_disk_that_does_not_sync_its_files_is_noticed() {
    is_noticed(without_file_sync);
}

#[test]
fn k12_a_disk_that_does_not_sync_its_folder_is_noticed() {
    is_noticed(without_folder_sync);
}
