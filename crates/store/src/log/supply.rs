//! Segment files: made, begun, and taken back. A file's pages are written before it is used, because unwritten ones
//! cost a journal entry at each sync (half the commit rate); so files are reused, and the next one is ready before
//! it is needed.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use parking_lot::{Condvar, Mutex};
use restante_model::Seq;

use crate::io::{Disk, DiskFile};

use super::{
    block::{BLOCK_HEADER, FILE_HEADER, FileHeader, FileKind},
    names::{FileId, spare_name},
    segment::SegmentFile,
    space::is_for_space,
};

/// Bytes of the shortest segment to begin with.
const SHORTEST: u64 = 16 << 10;

/// Where segments come from and go to.
pub(crate) struct Supply {
    pub(crate) boot: u32,
    node: u64,
    segment_bytes: u64,
    numbers: AtomicU32,
    keys: AtomicU32,
    /// Bytes of the disk that no new file may take: see [`Supply::keep_free`].
    kept_free: AtomicU64,
    /// Up to where a checkpoint is durable.
    marked: AtomicU64,
    state: Mutex<Stock>,
    /// Rung when there is a next segment, or space.
    bell: Condvar,
}

#[derive(Default)]
struct Stock {
    /// Begun, empty, durable.
    next: Option<Begun>,
    /// Numbers in the names of spare files.
    spares: Vec<u32>,
}

/// A segment file with a durable header and nothing else.
pub(crate) struct Begun {
    header: FileHeader,
    file: Arc<dyn DiskFile>,
    len: u64,
}

impl Supply {
    /// `key` is the first key that no segment has.
    pub(crate) fn new(boot: u32, node: u64, segment_bytes: u64, spares: Vec<u32>, key: u32) -> Supply {
        let number = spares.iter().max().map_or(1, |highest| highest + 1);
        Supply {
            boot,
            node,
            segment_bytes,
            numbers: AtomicU32::new(number),
            keys: AtomicU32::new(key),
            kept_free: AtomicU64::new(0),
            marked: AtomicU64::new(0),
            state: Mutex::new(Stock { next: None, spares }),
            bell: Condvar::new(),
        }
    }

    /// A new file id.
    pub(crate) fn file_id(&self) -> FileId {
        FileId::new(self.boot, self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// A checkpoint is durable up to here.
    pub(crate) fn set_marked(&self, seq: Seq) {
        self.marked.store(seq.0, Ordering::Relaxed);
    }

    /// A new file header.
    pub(crate) fn header(&self, kind: FileKind, sources: Vec<FileId>) -> FileHeader {
        FileHeader {
            kind,
            id: self.file_id(),
            salt: RandomState::new().hash_one(0),
            node: self.node,
            sources,
            len: 0,
            marked: Seq(self.marked.load(Ordering::Relaxed)),
        }
    }

    /// Whether the next segment is not ready yet.
    pub(crate) fn wants_next(&self) -> bool {
        self.state.lock().next.is_none()
    }

    /// Makes the next segment ready.
    pub(crate) fn prepare(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.wants_next() {
            let begun = self.begin(disk, self.segment_bytes)?;
            self.state.lock().next.get_or_insert(begun);
            self.bell.notify_all();
        }
        Ok(())
    }

    /// How many files stand ready: the next segment and spare ones.
    pub(crate) fn ready(&self) -> usize {
        let state = self.state.lock();
        state.spares.len() + usize::from(state.next.is_some())
    }

    /// How many spare files there are.
    pub(crate) fn spares(&self) -> usize {
        self.state.lock().spares.len()
    }

    /// New files leave so many bytes of the disk free from now on.
    pub(crate) fn keep_free(&self, bytes: u64) {
        self.kept_free.store(bytes, Ordering::Relaxed);
    }

    /// Removes spare files down to this number.
    pub(crate) fn give_up_spares(&self, disk: &dyn Disk, most: usize) {
        let beyond = {
            let mut state = self.state.lock();
            let most = most.min(state.spares.len());
            state.spares.split_off(most)
        };
        for number in beyond {
            // What cannot be removed now is a spare at the next start.
            let _ = disk.remove(&spare_name(number));
        }
        self.bell.notify_all();
    }

    /// Makes one more spare file.
    pub(crate) fn make_spare(&self, disk: &dyn Disk) -> io::Result<()> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let name = spare_name(number);
        let made = disk
            .create(&name, self.segment_bytes)
            .and_then(|file| file.sync());
        if let Err(error) = made {
            let _ = disk.remove(&name);
            return Err(error);
        }
        self.state.lock().spares.push(number);
        Ok(())
    }

    /// The next segment, with room for `bytes` of blocks at least.
    pub(crate) fn take(&self, disk: &dyn Disk, bytes: u64) -> io::Result<Arc<SegmentFile>> {
        let needed = bytes + (FILE_HEADER + BLOCK_HEADER) as u64;
        let ready = match needed <= self.segment_bytes {
            true => self.state.lock().next.take(),
            false => None,
        };
        let begun = match ready {
            Some(begun) => begun,
            None => self.begin(disk, needed.max(self.segment_bytes).next_multiple_of(4096))?,
        };
        Ok(self.use_it(begun))
    }

    /// The first segment: a shorter one where there is no space for more, so that what frees some can begin. It leaves
    /// free what a checkpoint takes, if it can.
    pub(crate) fn take_first(&self, disk: &dyn Disk, checkpoint: u64) -> io::Result<Arc<SegmentFile>> {
        let lens = || {
            let halves = std::iter::successors(Some(self.segment_bytes), |len| Some((len / 2) & !0xFFF));
            halves.take_while(|&len| len >= SHORTEST.min(self.segment_bytes))
        };
        let mut last = Err(io::ErrorKind::StorageFull.into());
        let with_room = lens().map(|len| (len, checkpoint + len / 2));
        for (len, kept) in with_room.chain(lens().map(|len| (len, 0))) {
            self.keep_free(kept);
            last = self.begin(disk, len);
            if !last.as_ref().is_err_and(is_for_space) {
                break;
            }
        }
        last.map(|begun| self.use_it(begun))
    }

    fn use_it(&self, begun: Begun) -> Arc<SegmentFile> {
        Arc::new(SegmentFile {
            key: self.keys.fetch_add(1, Ordering::Relaxed),
            id: begun.header.id,
            seed: begun.header.seed(),
            node: begun.header.node,
            file: begun.file,
            len: begun.len,
        })
    }

    /// Waits until something was prepared or given back, or a while.
    pub(crate) fn wait(&self, longest: std::time::Duration) {
        let mut state = self.state.lock();
        self.bell.wait_for(&mut state, longest);
    }

    /// Takes back segments that nobody needs, as spares while there are fewer than `spares_max`. Where this fails on the
    /// way, the rest is found at the next start.
    pub(crate) fn give_back(
        &self,
        disk: &dyn Disk,
        files: &[(FileId, u64)],
        spares_max: usize,
    ) -> io::Result<()> {
        forget(disk, files.iter().map(|&(id, _)| id))?;
        for &(id, len) in files {
            if len == self.segment_bytes && self.spares() < spares_max {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                disk.rename(&id.segment_name(), &spare_name(number))?;
                self.state.lock().spares.push(number);
            } else {
                disk.remove(&id.segment_name())?;
            }
        }
        self.bell.notify_all();
        Ok(())
    }

    /// Refuses a new file where it would take what is kept free.
    fn look_for_room(&self, disk: &dyn Disk, len: u64) -> io::Result<()> {
        let kept = self.kept_free.load(Ordering::Relaxed);
        match disk.free_bytes() {
            Ok(free) if free < len.saturating_add(kept) => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("too little space is left free_bytes={free} needed={}", len + kept),
            )),
            _ => Ok(()),
        }
    }

    /// Begins a segment: file, name and header are durable, and then that it is in use.
    fn begin(&self, disk: &dyn Disk, len: u64) -> io::Result<Begun> {
        let header = FileHeader {
            len,
            ..self.header(FileKind::Segment, Vec::new())
        };
        let name = header.id.segment_name();
        let spare = match len == self.segment_bytes {
            true => self.state.lock().spares.pop(),
            false => None,
        };
        let file = match spare {
            Some(number) => {
                disk.rename(&spare_name(number), &name)?;
                disk.open(&name)
            }
            None => self
                .look_for_room(disk, len)
                .and_then(|()| disk.create(&name, len)),
        };
        let id = header.id;
        let begun = file.and_then(|file| {
            file.write_at(0, &[IoSlice::new(&header.encode())])?;
            file.sync()?;
            disk.sync_folder()?;
            // Empty until the segment is sealed. From here on a segment that is not there has been taken away.
            disk.create(&id.index_name(), 0)?;
            disk.sync_folder()?;
            Ok(Begun { header, file, len })
        });
        if begun.is_err() {
            // What was made of it is of no use; what cannot be removed now is removed at the next start.
            let _ = discard(disk, id);
        }
        begun
    }
}

/// Removes the index files of segments that are not needed any more, for good: while one is there its segment must be.
pub(crate) fn forget(disk: &dyn Disk, ids: impl Iterator<Item = FileId>) -> io::Result<()> {
    for id in ids {
        match disk.remove(&id.index_name()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    disk.sync_folder()
}

/// Removes a segment that does not count, and its index before it.
pub(crate) fn discard(disk: &dyn Disk, id: FileId) -> io::Result<()> {
    forget(disk, std::iter::once(id))?;
    disk.remove(&id.segment_name())
}
