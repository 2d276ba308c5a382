//! A segment file that is in use.

use std::{collections::HashSet, sync::Arc};

use parking_lot::{Mutex, RwLock};
use restante_model::{QueueId, Seq, UnixMicros, UnixMillis};

use crate::io::DiskFile;

use super::{
    counters::Counters,
    index::{BlockEntry, Index, Summary},
    names::FileId,
    rescue,
};

/// A segment that is written to, or was. Whoever reads it holds it by `Arc`, and it is not recycled before the last
/// holder is gone.
pub(crate) struct SegmentFile {
    /// Its place in the order of the log: rises with the sequences it holds.
    pub(crate) key: u32,
    pub(crate) id: FileId,
    /// What its block headers are seeded with.
    pub(crate) seed: u32,
    pub(crate) node: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Bytes of the file.
    pub(crate) len: u64,
}

/// A segment that receives no more blocks.
pub(crate) struct Sealed {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) summary: Summary,
    index: RwLock<Arc<Index>>,
    counters: Arc<Counters>,
    /// Queues of which entries were lost, and counted.
    lossy: Mutex<HashSet<QueueId>>,
}

impl Sealed {
    pub(crate) fn new(
        file: Arc<SegmentFile>,
        summary: Summary,
        index: Index,
        counters: Arc<Counters>,
    ) -> Sealed {
        Sealed {
            file,
            summary,
            index: RwLock::new(Arc::new(index)),
            counters,
            lossy: Mutex::default(),
        }
    }

    /// Entries of a queue that its run promises cannot be found: counted once.
    pub(crate) fn lost(&self, queue: QueueId, entries: u64) {
        if entries > 0 && self.lossy.lock().insert(queue) {
            self.counters.damaged(entries);
        }
    }

    pub(crate) fn index(&self) -> Arc<Index> {
        self.index.read().clone()
    }

    /// The index file is durable: the copy in memory goes.
    pub(crate) fn index_in_file(&self, file: Arc<dyn DiskFile>) {
        let mut index = self.index.write();
        *index = Arc::new(index.in_file(file));
    }

    /// Some of its blocks, among them the one that holds this sequence, ascending.
    pub(crate) fn blocks_around(&self, seq: Seq) -> Vec<BlockEntry> {
        self.index()
            .blocks_around(seq)
            .unwrap_or_else(|_| rescue::blocks(&self.file))
    }

    /// The block that holds a sequence.
    pub(crate) fn block_of(&self, seq: Seq) -> Option<BlockEntry> {
        let blocks = self.blocks_around(seq);
        let after = blocks.partition_point(|block| block.first <= seq);
        after.checked_sub(1).map(|at| blocks[at])
    }

    /// Whether a sequence lies in its range.
    pub(crate) fn covers(&self, seq: Seq) -> bool {
        self.summary.first <= seq && seq <= self.summary.last
    }
}

/// The segment that receives blocks, as far as they were applied.
pub(crate) struct Open {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) blocks: Vec<BlockEntry>,
    /// Queues that have entries in it.
    pub(crate) queues: Vec<u64>,
    /// Entries that are needed.
    pub(crate) live: u64,
    pub(crate) last: Seq,
    /// Where the data ends.
    pub(crate) end: u64,
    /// When the last of its messages expires.
    pub(crate) deadline: UnixMillis,
    /// Entries it ever had.
    pub(crate) messages: u64,
    pub(crate) last_time: UnixMicros,
}

impl Open {
    pub(crate) fn new(file: Arc<SegmentFile>) -> Open {
        Open {
            file,
            blocks: Vec::new(),
            queues: Vec::new(),
            live: 0,
            last: Seq::ZERO,
            end: super::block::FILE_HEADER as u64,
            deadline: UnixMillis(0),
            messages: 0,
            last_time: UnixMicros(0),
        }
    }

    /// Up to `most` of its blocks, beginning with the one that holds this sequence.
    pub(crate) fn blocks_from(&self, seq: Seq, most: usize) -> &[BlockEntry] {
        let from = self
            .blocks
            .partition_point(|block| block.first <= seq)
            .saturating_sub(1);
        &self.blocks[from..self.blocks.len().min(from + most)]
    }

    /// The first sequence in it.
    pub(crate) fn first(&self) -> Seq {
        self.blocks.first().map_or(Seq::MAX, |block| block.first)
    }
}
