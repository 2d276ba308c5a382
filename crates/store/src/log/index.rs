//! The index of a sealed segment: which queue has which messages in it and where, and which block holds which
//! sequence. Made in memory when a segment is sealed, then written beside it; both forms are read the same way.

use std::{io, sync::Arc};

use restante_model::{QueueId, Seq, UnixMicros, UnixMillis};

use crate::{
    io::DiskFile,
    wire::{u32_at, u64_at},
};

use super::{manifest::FORMAT, names::FileId};

const MAGIC: &[u8; 8] = b"RSTINDX\0";
const HEADER: usize = 96;
const RUN: usize = 40;
const ENTRY: usize = 16;
const BLOCK: usize = 24;

/// Entries in a page of 4,096 bytes.
pub(crate) const ENTRIES_PER_PAGE: u32 = 256;

/// Blocks in a page of 3,072 bytes.
const BLOCKS_PER_PAGE: u32 = 128;

/// One message of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) seq: Seq,
    /// Where its record begins in the segment.
    pub(crate) offset: u32,
    /// Bytes of its record.
    pub(crate) len: u32,
}

/// One block of the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) first: Seq,
    pub(crate) time: UnixMicros,
    /// Where its first record begins.
    pub(crate) offset: u32,
    /// Bytes of its records.
    pub(crate) len: u32,
}

/// What one queue has in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexRun {
    pub(crate) queue: QueueId,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    /// Number of its first entry in the index.
    pub(crate) at: u32,
    pub(crate) count: u32,
    pub(crate) bytes: u64,
}

/// What the index says about the segment as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) id: FileId,
    /// Where the segment's data ends.
    pub(crate) end: u64,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    /// When the last of its messages expires.
    pub(crate) deadline: UnixMillis,
    pub(crate) last_time: UnixMicros,
}

/// The index does not hold what was written, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadIndex;

impl From<io::Error> for BadIndex {
    fn from(_: io::Error) -> BadIndex {
        BadIndex
    }
}

/// An index that can be read.
pub(crate) struct Index {
    runs: u32,
    entries: u32,
    blocks: u32,
    directory_crc: u32,
    entry_crcs: Box<[u32]>,
    block_crcs: Box<[u32]>,
    /// First sequence of each page of blocks.
    fences: Box<[u64]>,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Arc<Vec<u8>>),
    File(Arc<dyn DiskFile>),
}

/// Puts an index together: queues ascending, entries of a queue ascending, blocks in any place.
pub(crate) struct IndexBuilder {
    runs: Vec<IndexRun>,
    entries: Vec<u8>,
    blocks: Vec<u8>,
}

impl IndexBuilder {
    pub(crate) fn new() -> IndexBuilder {
        IndexBuilder {
            runs: Vec::new(),
            entries: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Adds a queue. Answers its run, or `None` if there are no entries.
    pub(crate) fn queue(
        &mut self,
        queue: QueueId,
        entries: impl Iterator<Item = IndexEntry>,
    ) -> Option<IndexRun> {
        let at = (self.entries.len() / ENTRY) as u32;
        let mut run: Option<IndexRun> = None;
        for entry in entries {
            self.entries.extend_from_slice(&entry.seq.0.to_le_bytes());
            self.entries.extend_from_slice(&entry.offset.to_le_bytes());
            self.entries.extend_from_slice(&entry.len.to_le_bytes());
            let run = run.get_or_insert(IndexRun {
                queue,
                first: entry.seq,
                last: entry.seq,
                at,
                count: 0,
                bytes: 0,
            });
            run.last = entry.seq;
            run.count += 1;
            run.bytes += u64::from(entry.len);
        }
        self.runs.extend(run);
        run
    }

    /// Adds a block.
    pub(crate) fn block(&mut self, block: BlockEntry) {
        self.blocks.extend_from_slice(&block.first.0.to_le_bytes());
        self.blocks.extend_from_slice(&block.time.0.to_le_bytes());
        self.blocks.extend_from_slice(&block.offset.to_le_bytes());
        self.blocks.extend_from_slice(&block.len.to_le_bytes());
    }

    /// The index, and the bytes of its file.
    pub(crate) fn finish(self, summary: &Summary) -> (Index, Arc<Vec<u8>>) {
        let crcs = |bytes: &[u8], page: usize| bytes.chunks(page).map(crc32c::crc32c).collect::<Box<[u32]>>();
        let entry_crcs = crcs(&self.entries, ENTRY * ENTRIES_PER_PAGE as usize);
        let block_crcs = crcs(&self.blocks, BLOCK * BLOCKS_PER_PAGE as usize);
        let fences: Box<[u64]> = self
            .blocks
            .chunks(BLOCK * BLOCKS_PER_PAGE as usize)
            .filter_map(|page| u64_at(page, 0))
            .collect();
        let mut bytes = vec![0; HEADER];
        for run in &self.runs {
            bytes.extend_from_slice(&run.queue.0.to_le_bytes());
            bytes.extend_from_slice(&run.first.0.to_le_bytes());
            bytes.extend_from_slice(&run.last.0.to_le_bytes());
            bytes.extend_from_slice(&run.at.to_le_bytes());
            bytes.extend_from_slice(&run.count.to_le_bytes());
            bytes.extend_from_slice(&run.bytes.to_le_bytes());
        }
        for crc in entry_crcs.iter().chain(&block_crcs) {
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        for fence in &fences {
            bytes.extend_from_slice(&fence.to_le_bytes());
        }
        let directory_crc = crc32c::crc32c(&bytes[HEADER..]);
        bytes.extend_from_slice(&self.entries);
        bytes.extend_from_slice(&self.blocks);
        let (runs, entries) = (self.runs.len() as u32, (self.entries.len() / ENTRY) as u32);
        let blocks = (self.blocks.len() / BLOCK) as u32;
        let header = encode_header(summary, [runs, entries, blocks, directory_crc]);
        bytes[..HEADER].copy_from_slice(&header);
        let bytes = Arc::new(bytes);
        let index = Index {
            runs,
            entries,
            blocks,
            directory_crc,
            entry_crcs,
            block_crcs,
            fences,
            source: Source::Memory(bytes.clone()),
        };
        (index, bytes)
    }
}

fn encode_header(summary: &Summary, counts: [u32; 4]) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[12..16].copy_from_slice(&FORMAT.to_le_bytes());
    let longs = [
        summary.id.0,
        summary.end,
        summary.first.0,
        summary.last.0,
        summary.deadline.0,
    ];
    for (place, long) in bytes[16..56].chunks_exact_mut(8).zip(longs) {
        place.copy_from_slice(&long.to_le_bytes());
    }
    for (place, count) in bytes[56..72].chunks_exact_mut(4).zip(counts) {
        place.copy_from_slice(&count.to_le_bytes());
    }
    bytes[72..80].copy_from_slice(&summary.last_time.0.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes
}

impl Index {
    /// Opens an index file: what it says of its segment, its runs, and itself.
    pub(crate) fn open(file: Arc<dyn DiskFile>) -> Result<(Summary, Vec<IndexRun>, Index), BadIndex> {
        let mut header = [0; HEADER];
        file.read_at(0, &mut header)?;
        let (summary, [runs, entries, blocks, crc]) = decode_header(&header).ok_or(BadIndex)?;
        let pages = entries.div_ceil(ENTRIES_PER_PAGE) as usize;
        let block_pages = blocks.div_ceil(BLOCKS_PER_PAGE) as usize;
        let directory_len = runs as usize * RUN + pages * 4 + block_pages * 12;
        let whole = (HEADER + directory_len + entries as usize * ENTRY + blocks as usize * BLOCK) as u64;
        if file.len()? < whole {
            return Err(BadIndex);
        }
        let mut directory = vec![0; directory_len];
        file.read_at(HEADER as u64, &mut directory)?;
        if crc32c::crc32c(&directory) != crc {
            return Err(BadIndex);
        }
        let (run_bytes, rest) = directory.split_at(runs as usize * RUN);
        let (crc_bytes, rest) = rest.split_at(pages * 4);
        let (block_crc_bytes, fence_bytes) = rest.split_at(block_pages * 4);
        let words = |bytes: &[u8]| bytes.chunks_exact(4).filter_map(|word| u32_at(word, 0)).collect();
        let runs_read: Vec<_> = run_bytes.chunks_exact(RUN).filter_map(decode_run).collect();
        let in_place = |run: &IndexRun| run.at.checked_add(run.count).is_some_and(|end| end <= entries);
        if runs_read.len() != runs as usize || !runs_read.iter().all(in_place) {
            return Err(BadIndex);
        }
        let index = Index {
            runs,
            entries,
            blocks,
            directory_crc: crc,
            entry_crcs: words(crc_bytes),
            block_crcs: words(block_crc_bytes),
            fences: fence_bytes
                .chunks_exact(8)
                .filter_map(|word| u64_at(word, 0))
                .collect(),
            source: Source::File(file),
        };
        Ok((summary, runs_read, index))
    }

    /// The same index, read from its file.
    pub(crate) fn in_file(&self, file: Arc<dyn DiskFile>) -> Index {
        Index {
            runs: self.runs,
            entries: self.entries,
            blocks: self.blocks,
            directory_crc: self.directory_crc,
            entry_crcs: self.entry_crcs.clone(),
            block_crcs: self.block_crcs.clone(),
            fences: self.fences.clone(),
            source: Source::File(file),
        }
    }

    /// Bytes in memory while the index file is not written.
    pub(crate) fn bytes_in_memory(&self) -> Option<Arc<Vec<u8>>> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes.clone()),
            Source::File(_) => None,
        }
    }

    /// How many entries there are.
    pub(crate) fn entries_len(&self) -> u32 {
        self.entries
    }

    /// Appends entries `from..from + count`.
    pub(crate) fn read_entries(
        &self,
        from: u32,
        count: u32,
        out: &mut Vec<IndexEntry>,
    ) -> Result<(), BadIndex> {
        let end = from
            .checked_add(count)
            .filter(|&end| end <= self.entries)
            .ok_or(BadIndex)?;
        if count == 0 {
            return Ok(());
        }
        let (first_page, last_page) = (from / ENTRIES_PER_PAGE, (end - 1) / ENTRIES_PER_PAGE);
        let start = first_page * ENTRIES_PER_PAGE;
        let stop = ((last_page + 1) * ENTRIES_PER_PAGE).min(self.entries);
        let at = self.entries_at() + u64::from(start) * ENTRY as u64;
        let bytes = self.read(at, (stop - start) as usize * ENTRY)?;
        let pages = bytes.chunks(ENTRY * ENTRIES_PER_PAGE as usize);
        for (page, crc) in pages.zip(&self.entry_crcs[first_page as usize..]) {
            if crc32c::crc32c(page) != *crc {
                return Err(BadIndex);
            }
        }
        let wanted = bytes
            .chunks_exact(ENTRY)
            .skip((from - start) as usize)
            .take(count as usize);
        out.reserve(count as usize);
        for entry in wanted {
            out.push(decode_entry(entry).ok_or(BadIndex)?);
        }
        Ok(())
    }

    /// The page of blocks that holds a sequence; empty if the sequence is below the first block.
    pub(crate) fn blocks_around(&self, seq: Seq) -> Result<Vec<BlockEntry>, BadIndex> {
        let Some(page) = self
            .fences
            .partition_point(|&first| first <= seq.0)
            .checked_sub(1)
        else {
            return Ok(Vec::new());
        };
        let start = page as u32 * BLOCKS_PER_PAGE;
        let count = (self.blocks - start).min(BLOCKS_PER_PAGE) as usize;
        let at = self.entries_at() + u64::from(self.entries) * ENTRY as u64 + u64::from(start) * BLOCK as u64;
        let bytes = self.read(at, count * BLOCK)?;
        if self.block_crcs.get(page) != Some(&crc32c::crc32c(&bytes)) {
            return Err(BadIndex);
        }
        bytes
            .chunks_exact(BLOCK)
            .map(|block| decode_block(block).ok_or(BadIndex))
            .collect()
    }

    /// The runs of all queues, read again.
    pub(crate) fn runs(&self) -> Result<Vec<IndexRun>, BadIndex> {
        let len = (self.entries_at() - HEADER as u64) as usize;
        let directory = self.read(HEADER as u64, len)?;
        if crc32c::crc32c(&directory) != self.directory_crc {
            return Err(BadIndex);
        }
        let runs = directory.chunks_exact(RUN).take(self.runs as usize);
        runs.map(|run| decode_run(run).ok_or(BadIndex)).collect()
    }

    fn entries_at(&self) -> u64 {
        let pages = self.entry_crcs.len() as u64 * 4 + self.block_crcs.len() as u64 * 12;
        HEADER as u64 + u64::from(self.runs) * RUN as u64 + pages
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, BadIndex> {
        match &self.source {
            Source::Memory(bytes) => {
                let at = at as usize;
                Ok(bytes.get(at..at + len).ok_or(BadIndex)?.to_vec())
            }
            Source::File(file) => {
                let mut bytes = vec![0; len];
                file.read_at(at, &mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

fn decode_header(bytes: &[u8; HEADER]) -> Option<(Summary, [u32; 4])> {
    if &bytes[..8] != MAGIC
        || u32_at(bytes, 8)? != crc32c::crc32c(&bytes[12..])
        || u32_at(bytes, 12)? > FORMAT
    {
        return None;
    }
    let summary = Summary {
        id: FileId(u64_at(bytes, 16)?),
        end: u64_at(bytes, 24)?,
        first: Seq(u64_at(bytes, 32)?),
        last: Seq(u64_at(bytes, 40)?),
        deadline: UnixMillis(u64_at(bytes, 48)?),
        last_time: UnixMicros(u64_at(bytes, 72)?),
    };
    let counts = [
        u32_at(bytes, 56)?,
        u32_at(bytes, 60)?,
        u32_at(bytes, 64)?,
        u32_at(bytes, 68)?,
    ];
    Some((summary, counts))
}

fn decode_run(bytes: &[u8]) -> Option<IndexRun> {
    Some(IndexRun {
        queue: QueueId(u64_at(bytes, 0)?),
        first: Seq(u64_at(bytes, 8)?),
        last: Seq(u64_at(bytes, 16)?),
        at: u32_at(bytes, 24)?,
        count: u32_at(bytes, 28)?,
        bytes: u64_at(bytes, 32)?,
    })
}

fn decode_entry(bytes: &[u8]) -> Option<IndexEntry> {
    Some(IndexEntry {
        seq: Seq(u64_at(bytes, 0)?),
        offset: u32_at(bytes, 8)?,
        len: u32_at(bytes, 12)?,
    })
}

fn decode_block(bytes: &[u8]) -> Option<BlockEntry> {
    Some(BlockEntry {
        first: Seq(u64_at(bytes, 0)?),
        time: UnixMicros(u64_at(bytes, 8)?),
        offset: u32_at(bytes, 16)?,
        len: u32_at(bytes, 20)?,
    })
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
