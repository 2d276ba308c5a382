//! The real disk: a folder of files, locked against a second process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, IoSlice, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    contract::StoreError,
    io::{Disk, DiskFile},
};

/// The file that is locked while a process has the folder.
const LOCK: &str = "lock";

/// Zeros are written in pieces of this size.
const ZEROS: usize = 1 << 20;

/// The most slices one `pwritev` takes (the system's `IOV_MAX`).
const SLICES_MAX: usize = 1024;

/// A folder on a real file system. The lock goes when this is dropped, also when the process is killed.
#[derive(Debug)]
pub struct FolderDisk {
    path: PathBuf,
    folder: File,
    lock: File,
}

impl FolderDisk {
    /// Makes the folder if it is not there, durably, and locks it.
    pub fn open(path: &Path) -> Result<FolderDisk, StoreError> {
        make_durably(path).map_err(|source| StoreError::Io {
            action: "make the data folder",
            path: path.display().to_string(),
            source,
        })?;
        FolderDisk::lock(path)
    }

    /// Locks a folder in which there is a store already; changes nothing. A copy that lacks the lock file is given one.
    pub fn open_existing(path: &Path) -> Result<FolderDisk, StoreError> {
        let folder = std::fs::read_dir(path).map_err(|source| StoreError::Io {
            action: "open the data folder",
            path: path.display().to_string(),
            source,
        })?;
        let mut names = folder.flatten().map(|entry| PathBuf::from(entry.file_name()));
        let is_ours = |name: PathBuf| {
            name.as_os_str() == "manifest"
                || name.as_os_str() == LOCK
                || name.extension().is_some_and(|kind| kind == "seg" || kind == "st")
        };
        if !names.any(is_ours) {
            return Err(StoreError::NoStore);
        }
        FolderDisk::lock(path)
    }

    fn lock(path: &Path) -> Result<FolderDisk, StoreError> {
        let failed = |action, source| StoreError::Io {
            action,
            path: path.display().to_string(),
            source,
        };
        let folder = File::open(path).map_err(|source| failed("open the data folder", source))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(|source| failed("open the lock file of the data folder", source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    path: path.display().to_string(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock the data folder", source)),
        }
        Ok(FolderDisk {
            path: path.into(),
            folder,
            lock,
        })
    }
}

/// Makes a folder and those it is in. All that will be in it is as durable as its name, and that of each folder it
/// is in: a name is durable when the folder that holds it was synced.
fn make_durably(path: &Path) -> io::Result<()> {
    let named = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let missing = named.take_while(|folder| !folder.exists()).count();
    std::fs::create_dir_all(path)?;
    let path = path.canonicalize()?;
    for holder in path.ancestors().skip(1).take(missing) {
        File::open(holder)?.sync_all()?;
    }
    if missing == 0
        && let Some(holder) = path.parent()
    {
        // It was made by somebody else, or by a start that did not come to its sync. Who may not read the folder
        // around it leaves its name to whoever made it.
        match File::open(holder).and_then(|holder| holder.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl Disk for FolderDisk {
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(self.path.join(name))?;
        let zeros = vec![0; ZEROS.min(len as usize)];
        let mut left = len;
        while left > 0 {
            let piece = left.min(ZEROS as u64) as usize;
            file.write_all(&zeros[..piece])?;
            left -= piece as u64;
        }
        Ok(Arc::new(FolderFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join(name))?;
        Ok(Arc::new(FolderFile(file)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let figures = rustix::fs::fstatvfs(&self.folder)?;
        Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
    }

    fn is_gone(&self) -> bool {
        let named = match std::fs::metadata(self.path.join(LOCK)) {
            Ok(named) => named,
            // Any other trouble proves nothing.
            Err(error) => return error.kind() == io::ErrorKind::NotFound,
        };
        let held = self.lock.metadata();
        held.is_ok_and(|held| (held.dev(), held.ino()) != (named.dev(), named.ino()))
    }
}

struct FolderFile(File);

impl DiskFile for FolderFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_at(&self, mut offset: u64, bufs: &[IoSlice<'_>]) -> io::Result<()> {
        let mut first = 0;
        let mut done = 0;
        while first < bufs.len() {
            let written = if done == 0 {
                let end = bufs.len().min(first + SLICES_MAX);
                match rustix::io::pwritev(&self.0, &bufs[first..end], offset) {
                    Ok(written) => written,
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                }
            } else {
                // The system took part of a slice only: the rest of that slice by itself.
                self.0.write_all_at(&bufs[first][done..], offset)?;
                bufs[first].len() - done
            };
            if written == 0 && bufs[first..].iter().any(|buf| !buf.is_empty()) {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            done += written;
            while first < bufs.len() && done >= bufs[first].len() {
                done -= bufs[first].len();
                first += 1;
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderDisk::open(folder.path()).unwrap();
        assert!(matches!(
            FolderDisk::open(folder.path()),
            Err(StoreError::InUse { .. })
        ));
        drop(first);
        assert!(FolderDisk::open(folder.path()).is_ok());
    }

    #[test]
    fn who_only_looks_changes_nothing_where_there_is_no_store() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("letter.txt"), "").unwrap();
        let refused = FolderDisk::open_existing(folder.path()).unwrap_err();
        assert!(matches!(refused, StoreError::NoStore), "{refused}");
        assert!(!folder.path().join(LOCK).exists());
        // A copy may come without its lock file.
        std::fs::write(folder.path().join("manifest"), "").unwrap();
        let disk = FolderDisk::open_existing(folder.path()).unwrap();
        assert!(matches!(
            FolderDisk::open(folder.path()),
            Err(StoreError::InUse { .. })
        ));
        drop(disk);
        assert!(FolderDisk::open_existing(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn a_folder_that_was_removed_or_replaced_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let disk = FolderDisk::open(&path).unwrap();
        assert!(!disk.is_gone());
        std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        assert!(disk.is_gone());
        let second = FolderDisk::open(&path).unwrap();
        assert!(disk.is_gone() && !second.is_gone());
        std::fs::remove_file(path.join(LOCK)).unwrap();
        assert!(second.is_gone());
        std::fs::write(path.join(LOCK), "").unwrap();
        assert!(second.is_gone());
    }

    #[test]
    fn folders_are_made_as_deep_as_needed() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/../c/data");
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        for _ in 0..2 {
            let disk = FolderDisk::open(&deep).unwrap();
            assert!(disk.list().unwrap().is_empty());
        }
        assert!(folder.path().join("a/c/data/lock").exists());
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = FolderDisk::open(&folder.path().join("file/data")).unwrap_err();
        assert!(error.to_string().contains("make the data folder"), "{error}");
    }

    #[test]
    fn files_hold_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FolderDisk::open(folder.path()).unwrap();
        let file = disk.create("a", (ZEROS + 5) as u64).unwrap();
        assert_eq!(file.len().unwrap(), (ZEROS + 5) as u64);
        assert!(disk.create("a", 1).is_err());
        let many: Vec<Vec<u8>> = (0..SLICES_MAX + 10).map(|i| vec![i as u8; i % 7]).collect();
        let slices: Vec<_> = many.iter().map(|bytes| IoSlice::new(bytes)).collect();
        file.write_at(100, &slices).unwrap();
        file.sync().unwrap();
        let mut back = vec![0; many.concat().len()];
        file.read_at(100, &mut back).unwrap();
        assert_eq!(back, many.concat());
        assert!(file.read_at((ZEROS + 4) as u64, &mut [0; 2]).is_err());
        disk.rename("a", "b").unwrap();
        disk.sync_folder().unwrap();
        assert_eq!(disk.list().unwrap(), ["b"]);
        assert_eq!(disk.open("b").unwrap().len().unwrap(), (ZEROS + 5) as u64);
        disk.remove("b").unwrap();
        assert!(disk.list().unwrap().is_empty());
        assert!(disk.free_bytes().unwrap() > 0);
    }
}
