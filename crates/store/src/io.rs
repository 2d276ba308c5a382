//! The narrow door to the disk: everything the log store does to files goes through here, so that a simulated disk
//! can stand behind it and lose, tear and refuse things.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

/// A folder of files. Names are plain file names.
pub trait Disk: Send + Sync + 'static {
    /// Makes a new file of `len` bytes, zero-filled (really written, not only allocated: an unwritten extent costs a
    /// journal entry at each sync). Fails if it exists.
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Renames within the folder, replacing what has the new name. Durable after [`Disk::sync_folder`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_folder`].
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creates, renames and removes durable.
    fn sync_folder(&self) -> io::Result<()>;
    /// Free bytes on the file system.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Whether the folder that was opened has been removed or replaced since, or its lock has: then what is written is
    /// lost, and another process may be at work in its place.
    fn is_gone(&self) -> bool {
        false
    }
}

/// One open file.
#[allow(
    clippy::len_without_is_empty,
    reason = "whether a file is empty is of no interest here"
)]
pub trait DiskFile: Send + Sync {
    /// Reads exactly `buf.len()` bytes.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
    /// Writes all the slices one after another.
    fn write_at(&self, offset: u64, bufs: &[IoSlice<'_>]) -> io::Result<()>;
    /// fdatasync.
    fn sync(&self) -> io::Result<()>;
    /// Present length.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends.
    fn set_len(&self, len: u64) -> io::Result<()>;
}
