//! Merging: neighbouring segments of which little is needed become one that holds only that, so that one slow session
//! costs what it is owed and not the gigabytes it lies between.
//!
//! Crash-safe by order: the new segment is durable, then its index, and only then do the sources go. Until the index is
//! there the new segment does not count; from then on the sources do not.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, IoSlice},
    sync::Arc,
};

use restante_model::{QueueId, Seq, UnixMicros, UnixMillis};

use crate::{
    io::DiskFile,
    record::{self, Body, Moved},
};

use super::{
    block::{ALIGN, BLOCK_HEADER, BlockHeader, FILE_HEADER, FileKind},
    counters::Counters,
    house::write_index,
    index::{BlockEntry, IndexBuilder, IndexEntry, Summary},
    segment::{Sealed, SegmentFile},
    shared::Shared,
    supply::discard,
    tables::{Tables, queue::Run, segments::Held},
};

/// A segment is sparse when at most one part in so many of its entries is needed.
const SPARSE: u64 = 4;

/// A segment that has no sparse neighbour is rewritten alone when at most one part in so many is needed.
const SPARSE_ALONE: u64 = 16;

/// A file of at most one part in so many of a segment is small, and so many small neighbours are merged in any case.
const SMALL: u64 = 16;
const SMALL_MANY: usize = 8;

/// Most segments that one merge replaces; bounds its work.
const SOURCES_MAX: usize = 16;

/// Bytes of a block of the new segment.
const BLOCK_BYTES: usize = 256 << 10;

/// A record that stays.
struct Needed {
    source: Arc<Sealed>,
    offset: u32,
    len: u32,
}

/// What a merge keeps.
#[derive(Default)]
struct Plan {
    records: BTreeMap<Seq, Needed>,
    /// Which queues hold which of them; also queues that need none.
    queues: BTreeMap<QueueId, Vec<Seq>>,
}

/// Whether little of a segment is needed, or nothing.
pub(crate) fn is_sparse(held: &Held) -> bool {
    held.live * SPARSE <= u64::from(held.segment.index().entries_len())
}

/// The neighbouring segments that should become one; none if there are no such. All of them end at or below `marked`.
pub(crate) fn sources(tables: &Tables, marked: Seq, segment_bytes: u64) -> Vec<Arc<Sealed>> {
    let mut group = Group::default();
    for held in tables.segments.sealed() {
        let segment = &held.segment;
        let entries = u64::from(segment.index().entries_len()).max(1);
        let needed = segment.summary.end * held.live / entries;
        let small = segment.file.len <= segment_bytes / SMALL;
        let fits = group.needed + needed <= segment_bytes / 2 && group.segments.len() < SOURCES_MAX;
        if segment.summary.last <= marked && (small || is_sparse(held)) {
            if !fits && group.is_worth_it() {
                break;
            }
            if !fits {
                group = Group::default();
            }
            group.add(segment.clone(), needed, small);
        } else if group.is_worth_it() {
            break;
        } else {
            group = Group::default();
        }
    }
    if group.is_worth_it() {
        group.segments
    } else {
        Vec::new()
    }
}

/// Neighbours that may be merged.
#[derive(Default)]
struct Group {
    segments: Vec<Arc<Sealed>>,
    bytes: u64,
    /// Bytes that a merge would keep, about.
    needed: u64,
    small: usize,
}

impl Group {
    fn add(&mut self, segment: Arc<Sealed>, needed: u64, small: bool) {
        self.bytes += segment.file.len;
        self.needed += needed;
        self.small += usize::from(small);
        self.segments.push(segment);
    }

    fn is_worth_it(&self) -> bool {
        let all_small = self.small == self.segments.len();
        match self.segments.len() {
            0 => false,
            1 => !all_small && self.needed * SPARSE_ALONE <= self.bytes,
            _ => (!all_small && self.needed * SPARSE <= self.bytes) || self.small >= SMALL_MANY,
        }
    }
}

/// Merges. Answers the segments that are not needed any more; none if something in them is damaged: they are left as
/// they are then.
pub(crate) fn merge(shared: &Shared, sources: &[Arc<Sealed>]) -> io::Result<Vec<Arc<Sealed>>> {
    let Some(plan) = plan(shared, sources) else {
        return Ok(Vec::new());
    };
    let Some(first) = sources.first() else {
        return Ok(Vec::new());
    };
    let ids = sources.iter().map(|source| source.file.id).collect();
    let header = shared.supply.header(FileKind::Segment, ids);
    let name = header.id.segment_name();
    let file = shared.disk.create(&name, 0)?;
    let mut writer = Writer::new(file.clone(), header.seed());
    let written = file
        .write_at(0, &[IoSlice::new(&header.encode())])
        .and_then(|()| writer.write(&plan))
        .and_then(|whole| file.sync().map(|()| whole));
    match written {
        Ok(true) => {}
        Ok(false) => {
            shared.disk.remove(&name)?;
            return Ok(Vec::new());
        }
        Err(error) => {
            let _ = shared.disk.remove(&name);
            return Err(error);
        }
    }
    let merged = Arc::new(SegmentFile {
        key: first.file.key,
        id: header.id,
        seed: header.seed(),
        node: header.node,
        file,
        len: writer.at + BLOCK_HEADER as u64,
    });
    let sealed = Arc::new(writer.seal(merged, sources, &plan, shared.counters.clone()));
    // The index says that the segment must be there, so the segment's name is durable before.
    let indexed = shared
        .disk
        .sync_folder()
        .and_then(|()| write_index(shared, &sealed));
    if let Err(error) = indexed {
        let _ = discard(&*shared.disk, sealed.file.id);
        return Err(error);
    }
    Ok(swap(&mut shared.tables.write(), sources, &sealed, &plan))
}

/// What of the sources is needed; `None` if an index of theirs cannot be read.
fn plan(shared: &Shared, sources: &[Arc<Sealed>]) -> Option<Plan> {
    let mut plan = Plan::default();
    for source in sources {
        let index = source.index();
        let key = source.file.key;
        let mut entries = Vec::new();
        for run in index.runs().ok()? {
            let floor = {
                let tables = shared.tables.read();
                let queue = tables
                    .queues
                    .get(run.queue.0)
                    .filter(|queue| queue.has_run(|segment| segment == key));
                queue.map(|queue| queue.floor)
            };
            let Some(floor) = floor else {
                continue;
            };
            let seqs = plan.queues.entry(run.queue).or_default();
            entries.clear();
            index.read_entries(run.at, run.count, &mut entries).ok()?;
            entries.retain(|entry| entry.seq > floor);
            seqs.extend(entries.iter().map(|entry| entry.seq));
            entries.iter().for_each(|entry| plan.keep(source, entry));
        }
        let pinned: Vec<Seq> = {
            let tables = shared.tables.read();
            tables
                .segments
                .pinned(source.summary.first, source.summary.last)
                .collect()
        };
        for seq in pinned {
            plan.keep_pinned(source, seq);
        }
    }
    Some(plan)
}

impl Plan {
    fn keep(&mut self, source: &Arc<Sealed>, entry: &IndexEntry) {
        self.records.entry(entry.seq).or_insert_with(|| Needed {
            source: source.clone(),
            offset: entry.offset,
            len: entry.len,
        });
    }

    /// Finds the record of a message in flight. Some are not there: a retained message is held in memory.
    fn keep_pinned(&mut self, source: &Arc<Sealed>, seq: Seq) {
        let Some(block) = source.block_of(seq) else {
            return;
        };
        let mut bytes = vec![0; block.len as usize];
        if source
            .file
            .file
            .read_at(u64::from(block.offset), &mut bytes)
            .is_err()
        {
            return;
        }
        let mut at = 0;
        while let Some(found) = record::first(&bytes[at..]) {
            let here = record::decode(found).map(|decoded| match decoded.moved {
                Some(moved) => moved.seq,
                None => block.first.plus(u64::from(decoded.ordinal)),
            });
            if here == Some(seq) {
                let (offset, len) = (block.offset + at as u32, found.len() as u32);
                self.keep(source, &IndexEntry { seq, offset, len });
                return;
            }
            at += found.len();
        }
    }
}

/// Writes the new segment.
struct Writer {
    file: Arc<dyn DiskFile>,
    seed: u32,
    at: u64,
    body: Vec<u8>,
    first: Option<Seq>,
    records: u32,
    seal: u32,
    blocks: Vec<BlockEntry>,
    places: HashMap<Seq, IndexEntry>,
    deadline: UnixMillis,
    last_time: UnixMicros,
}

impl Writer {
    fn new(file: Arc<dyn DiskFile>, seed: u32) -> Writer {
        Writer {
            file,
            seed,
            at: FILE_HEADER as u64,
            body: Vec::new(),
            first: None,
            records: 0,
            seal: 0,
            blocks: Vec::new(),
            places: HashMap::new(),
            deadline: UnixMillis(0),
            last_time: UnixMicros(0),
        }
    }

    /// Writes all records, in order. Answers false if one of them is damaged.
    fn write(&mut self, plan: &Plan) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let mut blocks: Vec<BlockEntry> = Vec::new();
        let mut blocks_of = None;
        for (&seq, needed) in &plan.records {
            bytes.clear();
            bytes.resize(needed.len as usize, 0);
            needed
                .source
                .file
                .file
                .read_at(u64::from(needed.offset), &mut bytes)?;
            let key = needed.source.file.key;
            let block = |blocks: &[BlockEntry]| {
                let after = blocks.partition_point(|block| block.offset <= needed.offset);
                let block = *blocks.get(after.checked_sub(1)?)?;
                (needed.offset - block.offset < block.len).then_some(block)
            };
            if blocks_of != Some(key) || block(&blocks).is_none() {
                blocks = needed.source.blocks_around(seq);
                blocks_of = Some(key);
            }
            let node = needed.source.file.node;
            if block(&blocks)
                .and_then(|block| self.add(seq, block, node, &bytes))
                .is_none()
            {
                return Ok(false);
            }
            if self.body.len() >= BLOCK_BYTES {
                self.end_block()?;
            }
        }
        self.end_block()?;
        let last = plan
            .records
            .keys()
            .next_back()
            .map_or(Seq::ZERO, |last| last.plus(1));
        let end = BlockHeader::end_of_file(last, self.last_time, self.at).encode(self.seed);
        self.file.write_at(self.at, &[IoSlice::new(&end)])?;
        Ok(true)
    }

    fn add(&mut self, seq: Seq, block: BlockEntry, node: u64, bytes: &[u8]) -> Option<()> {
        record::verify(bytes)?;
        let decoded = record::decode(bytes)?;
        let Body::Message(message) = &decoded.body else {
            return None;
        };
        let moved = decoded.moved.unwrap_or_else(|| Moved {
            seq: block.first.plus(u64::from(decoded.ordinal)),
            id: record::message_id(block.time.0, node, decoded.ordinal),
        });
        if moved.seq != seq {
            return None;
        }
        let start = self.body.len();
        let crc = record::encode_moved(&mut self.body, moved, bytes)?;
        self.seal = record::fold(self.seal, crc);
        self.records += 1;
        self.first.get_or_insert(seq);
        self.deadline = self.deadline.max(message.deadline);
        self.last_time = self.last_time.max(UnixMicros(moved.id.micros()));
        let offset = (self.at + (BLOCK_HEADER + start) as u64) as u32;
        let len = (self.body.len() - start) as u32;
        self.places.insert(seq, IndexEntry { seq, offset, len });
        Some(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        let Some(first) = self.first.take() else {
            return Ok(());
        };
        let header = BlockHeader {
            first,
            time: self.last_time,
            body_len: self.body.len() as u32,
            records: std::mem::take(&mut self.records),
            ordinals: 0,
            seal: std::mem::take(&mut self.seal),
            durable_offset: FILE_HEADER as u64,
        };
        let bytes = header.encode(self.seed);
        let padding = [0; ALIGN as usize];
        let padding = &padding[..header.span() as usize - BLOCK_HEADER - self.body.len()];
        let slices = [
            IoSlice::new(&bytes),
            IoSlice::new(&self.body),
            IoSlice::new(padding),
        ];
        self.file.write_at(self.at, &slices)?;
        self.blocks.push(BlockEntry {
            first,
            time: header.time,
            offset: (self.at + BLOCK_HEADER as u64) as u32,
            len: header.body_len,
        });
        self.at += header.span();
        self.body.clear();
        Ok(())
    }

    fn seal(
        &self,
        file: Arc<SegmentFile>,
        sources: &[Arc<Sealed>],
        plan: &Plan,
        counters: Arc<Counters>,
    ) -> Sealed {
        let mut index = IndexBuilder::new();
        for (&queue, seqs) in &plan.queues {
            index.queue(queue, seqs.iter().filter_map(|seq| self.places.get(seq)).copied());
        }
        for &block in &self.blocks {
            index.block(block);
        }
        let summaries = || sources.iter().map(|source| &source.summary);
        let summary = Summary {
            id: file.id,
            end: self.at,
            first: summaries()
                .map(|summary| summary.first)
                .min()
                .unwrap_or(Seq::ZERO),
            last: summaries().map(|summary| summary.last).max().unwrap_or(Seq::ZERO),
            deadline: if plan.records.is_empty() {
                UnixMillis::NEVER
            } else {
                self.deadline
            },
            last_time: self.last_time,
        };
        let (index, _) = index.finish(&summary);
        Sealed::new(file, summary, index, counters)
    }
}

/// Puts the new segment in the place of its sources. What was dropped or closed while it was written stays so.
fn swap(tables: &mut Tables, sources: &[Arc<Sealed>], merged: &Arc<Sealed>, plan: &Plan) -> Vec<Arc<Sealed>> {
    let keys: BTreeSet<u32> = sources.iter().map(|source| source.file.key).collect();
    let mut live = 0;
    let runs = merged.index().runs().unwrap_or_default();
    let runs: HashMap<QueueId, _> = runs.into_iter().map(|run| (run.queue, run)).collect();
    let mut changed = 0;
    for &id in plan.queues.keys() {
        let Some(queue) = tables.queues.get_mut(id.0) else {
            continue;
        };
        let dropped = queue.drop_runs(|segment| keys.contains(&segment));
        changed += dropped;
        if let Some(run) = runs.get(&id)
            && dropped > 0
            && run.last > queue.floor
        {
            queue.insert_run(Run::new(merged.file.key, run));
            live += u64::from(run.count);
        }
    }
    tables.entries = (tables.entries + live).saturating_sub(changed);
    let gone = keys
        .iter()
        .filter_map(|&key| tables.segments.remove(key))
        .collect();
    tables.segments.insert(merged.clone(), live);
    gone
}
