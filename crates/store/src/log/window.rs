//! A view into a file that is read from front to back, in large pieces. What the disk refuses to read counts as
//! zeros, so that one bad sector does not hide the rest of a file.

use std::io;

use crate::io::DiskFile;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// After a failed read, the pieces that are tried one by one.
const SMALL_PIECE: usize = 4096;

pub(crate) struct Window<'f> {
    file: &'f dyn DiskFile,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
    /// Bytes that could not be read.
    pub(crate) unreadable: u64,
}

impl<'f> Window<'f> {
    pub(crate) fn new(file: &'f dyn DiskFile) -> io::Result<Window<'f>> {
        Ok(Window {
            file,
            len: file.len()?,
            start: 0,
            bytes: Vec::new(),
            unreadable: 0,
        })
    }

    /// Length of the file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// These bytes; shorter where the file ends.
    pub(crate) fn get(&mut self, at: u64, len: usize) -> &[u8] {
        let end = at.saturating_add(len as u64).min(self.len);
        if at >= end {
            return &[];
        }
        if at < self.start || end > self.start + self.bytes.len() as u64 {
            self.load(at, end);
        }
        let from = (at - self.start) as usize;
        &self.bytes[from..from + (end - at) as usize]
    }

    fn load(&mut self, at: u64, end: u64) {
        let len = (end - at).max((PIECE as u64).min(self.len - at)) as usize;
        self.start = at;
        self.bytes.clear();
        self.bytes.resize(len, 0);
        if self.file.read_at(at, &mut self.bytes).is_ok() {
            return;
        }
        for (index, piece) in self.bytes.chunks_mut(SMALL_PIECE).enumerate() {
            let offset = at + (index * SMALL_PIECE) as u64;
            if self.file.read_at(offset, piece).is_err() {
                piece.fill(0);
                self.unreadable += piece.len() as u64;
            }
        }
    }
}
