//! The committer: takes what was submitted, writes it in one piece, syncs, says so. One thread, one segment, no timer on
//! the way: while one commit is on its way to the disk the next one gathers.

use std::{
    io::{self, IoSlice},
    sync::Arc,
    time::Duration,
};

use restante_model::{Seq, UnixMicros};

use super::{
    block::{ALIGN, BLOCK_HEADER, BlockHeader, FILE_HEADER},
    segment::SegmentFile,
    settings::Sync,
    shared::{Committed, Shared, Submitted},
};

/// How long to wait before a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_millis(100);

/// Most bytes of one commit; what is more goes into the next one.
const COMMIT_BYTES_MAX: u64 = 64 << 20;

/// The committer's state.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    segment: Arc<SegmentFile>,
    /// Where the next block goes.
    at: u64,
    /// Up to where the segment is synced.
    synced: u64,
    unsynced_since: Option<UnixMicros>,
    /// The last sequence and time that were written.
    last: (Seq, UnixMicros),
    /// Encoded headers of the commit under way; kept for its memory.
    headers: Vec<[u8; BLOCK_HEADER]>,
}

/// Why nothing is committed any more: a sentence.
type Stop = String;

impl Committer {
    /// Writes to this empty segment first.
    pub(crate) fn new(shared: Arc<Shared>, segment: Arc<SegmentFile>) -> Committer {
        Committer {
            shared,
            segment,
            at: FILE_HEADER as u64,
            synced: FILE_HEADER as u64,
            unsynced_since: None,
            last: (Seq::ZERO, UnixMicros(0)),
            headers: Vec::new(),
        }
    }

    /// Runs until the store is closed and everything submitted before is committed.
    pub(crate) fn run(mut self) {
        let mut batches = Vec::new();
        while self.next(&mut batches) {
            if let Err(why) = self.commit_all(&mut batches) {
                self.shared.fail(why);
                self.give_up(&mut batches);
                break;
            }
        }
        if self.shared.failed().is_none()
            && let Err(why) = self.end_segment()
        {
            self.shared.fail(why);
        }
        self.shared.committed.lock().closed = true;
        self.shared.committed_bell.notify_one();
    }

    /// Waits for batches. Answers false when there will be no more.
    fn next(&mut self, batches: &mut Vec<Submitted>) -> bool {
        let shared = self.shared.clone();
        let mut pending = shared.pending.lock();
        loop {
            if !pending.batches.is_empty() {
                std::mem::swap(&mut pending.batches, batches);
                return true;
            }
            if pending.closed {
                return false;
            }
            pending.asleep = true;
            match self.sync_due() {
                None => shared.pending_bell.wait(&mut pending),
                Some(left) => {
                    shared.pending_bell.wait_for(&mut pending, left);
                }
            }
            pending.asleep = false;
            if pending.batches.is_empty() && self.sync_due() == Some(Duration::ZERO) {
                drop(pending);
                if let Err(why) = self.sync() {
                    shared.fail(why);
                    self.give_up(batches);
                    return false;
                }
                pending = shared.pending.lock();
            }
        }
    }

    /// How long until a sync is due, if one is.
    fn sync_due(&self) -> Option<Duration> {
        let Sync::Interval(millis) = self.shared.settings.sync else {
            return None;
        };
        let waited = (self.shared.settings.clock)()
            .0
            .saturating_sub(self.unsynced_since?.0);
        Some(Duration::from_micros(
            (u64::from(millis) * 1000).saturating_sub(waited),
        ))
    }

    fn commit_all(&mut self, batches: &mut Vec<Submitted>) -> Result<(), Stop> {
        while !batches.is_empty() {
            let room = self.segment.len - self.at - BLOCK_HEADER as u64;
            let mut bytes = 0;
            let mut count = 0;
            for submitted in batches.iter() {
                let more = bytes + span(submitted);
                if more > room || (count > 0 && more > COMMIT_BYTES_MAX) {
                    break;
                }
                bytes = more;
                count += 1;
            }
            if count == 0 {
                let needed = batches.first().map_or(0, span);
                self.roll(needed)?;
                continue;
            }
            let rest = batches.split_off(count);
            let first = std::mem::replace(batches, rest);
            self.commit(first)?;
        }
        Ok(())
    }

    /// One write, one sync.
    fn commit(&mut self, batches: Vec<Submitted>) -> Result<(), Stop> {
        let begun = (self.shared.settings.clock)();
        let (records, bytes) = match self.make_durable(&batches) {
            Ok(done) => done,
            Err(why) => {
                let bytes = batches.iter().map(|submitted| submitted.batch.bytes_len()).sum();
                self.shared.relieve(bytes);
                return Err(why);
            }
        };
        if bytes > 0 {
            self.shared
                .counters
                .commit(records, bytes, begun, (self.shared.settings.clock)());
        }
        let last = batches.last().map_or(Seq::ZERO, |submitted| submitted.last);
        self.shared.set_durable(last);
        self.shared.wake();
        let start = self.at - bytes;
        self.shared.hand_over(with_offsets(batches, start));
        Ok(())
    }

    /// Writes, and syncs as the settings say. Answers how many records and bytes.
    fn make_durable(&mut self, batches: &[Submitted]) -> Result<(u64, u64), Stop> {
        // Somebody else has found out that nothing should be called durable any more.
        if let Some(why) = self.shared.failed() {
            return Err(why.to_string());
        }
        let done = self.write(batches)?;
        if self.shared.settings.sync == Sync::Always || self.sync_due() == Some(Duration::ZERO) {
            self.sync()?;
        }
        Ok(done)
    }

    /// Writes a block for each batch that has records. Answers how many records and bytes.
    fn write(&mut self, batches: &[Submitted]) -> Result<(u64, u64), Stop> {
        const ZEROS: [u8; ALIGN as usize] = [0; ALIGN as usize];
        self.headers.clear();
        for Submitted {
            first, time, batch, ..
        } in batches.iter().filter(|one| one.batch.records_len() > 0)
        {
            let header = BlockHeader {
                first: *first,
                time: *time,
                body_len: batch.bytes_len() as u32,
                records: batch.records_len(),
                ordinals: batch.ordinals(),
                seal: batch.seal(),
                durable_offset: self.synced,
            };
            self.headers.push(header.encode(self.segment.seed));
        }
        let mut slices = Vec::with_capacity(3 * self.headers.len());
        let (mut records, mut bytes) = (0, 0);
        let kept = batches.iter().filter(|one| one.batch.records_len() > 0);
        for (header, submitted) in self.headers.iter().zip(kept) {
            let body = submitted.batch.bytes();
            let span = span(submitted);
            let padding = span as usize - BLOCK_HEADER - body.len();
            slices.extend([
                IoSlice::new(header),
                IoSlice::new(body),
                IoSlice::new(&ZEROS[..padding]),
            ]);
            records += u64::from(submitted.batch.records_len());
            bytes += span;
        }
        if bytes == 0 {
            return Ok((0, 0));
        }
        // A full disk is no failure: nothing was synced, so the same write can be tried again.
        while let Err(error) = self.segment.file.write_at(self.at, &slices) {
            self.wait_for_space("write to", &error)?;
        }
        self.shared.go_on();
        self.at += bytes;
        self.last = batches
            .last()
            .map_or(self.last, |submitted| (submitted.last, submitted.time));
        if self.unsynced_since.is_none() {
            self.unsynced_since = Some((self.shared.settings.clock)());
        }
        Ok((records, bytes))
    }

    fn sync(&mut self) -> Result<(), Stop> {
        if self.unsynced_since.is_none() {
            return Ok(());
        }
        let begun = (self.shared.settings.clock)();
        self.segment.file.sync().map_err(|error| {
            format!(
                "cannot sync the log: {error}; nothing more is acknowledged: check the disk, then restart file={}",
                self.segment.id.segment_name()
            )
        })?;
        self.shared.counters.sync(begun, (self.shared.settings.clock)());
        self.synced = self.at;
        self.unsynced_since = None;
        Ok(())
    }

    /// Marks the end of the segment, so that damage there is told from the end. All before it is durable then.
    fn end_segment(&mut self) -> Result<(), Stop> {
        self.sync()?;
        let header = BlockHeader::end_of_file(self.last.0.plus(1), self.last.1, self.at);
        let bytes = header.encode(self.segment.seed);
        while let Err(error) = self.segment.file.write_at(self.at, &[IoSlice::new(&bytes)]) {
            self.wait_for_space("write to", &error)?;
        }
        self.unsynced_since = Some(self.last.1);
        self.sync()
    }

    /// Seals the segment and goes on in the next one, which has room for `needed` bytes.
    fn roll(&mut self, needed: u64) -> Result<(), Stop> {
        self.end_segment()?;
        let shared = self.shared.clone();
        let next = loop {
            super::space::keep_for_checkpoint(&shared);
            match shared.supply.take(&*shared.disk, needed) {
                Ok(next) => break next,
                Err(error) => self.wait_for_space("begin a segment after", &error)?,
            }
        };
        shared.go_on();
        self.segment = next.clone();
        self.at = FILE_HEADER as u64;
        self.synced = self.at;
        shared.hand_over([Committed::Segment(next)]);
        super::space::look_at_roll(&shared);
        shared.ring_house(|_| ());
        Ok(())
    }

    /// If the disk is full, waits a while for space; any other error is final.
    fn wait_for_space(&self, action: &str, error: &io::Error) -> Result<(), Stop> {
        let name = self.segment.id.segment_name();
        if !super::space::is_for_space(error) {
            return Err(format!(
                "cannot {action} the log: {error}; nothing more is acknowledged: check the disk, then restart file={name}"
            ));
        }
        self.shared.stall(format!(
            "nothing is acknowledged until there is space on the disk, free some: cannot {action} the log: {error} \
             file={name}"
        ));
        if self.shared.pending.lock().closed {
            return Err(format!("the disk was full when the store was closed: {error}"));
        }
        self.shared.ring_house(|_| ());
        self.shared.supply.wait(FULL_RETRY);
        Ok(())
    }

    /// Drops what was submitted: it never becomes durable.
    fn give_up(&self, batches: &mut Vec<Submitted>) {
        let mut pending = self.shared.pending.lock();
        pending.closed = true;
        batches.append(&mut pending.batches);
        drop(pending);
        for submitted in batches.drain(..) {
            self.shared.relieve(submitted.batch.bytes_len());
        }
    }
}

/// Bytes that a batch takes in the segment.
fn span(submitted: &Submitted) -> u64 {
    match submitted.batch.records_len() {
        0 => 0,
        _ => super::block::span(submitted.batch.bytes_len()),
    }
}

/// Each batch with the place of its first record, the first block standing at `start`.
fn with_offsets(batches: Vec<Submitted>, start: u64) -> impl Iterator<Item = Committed> {
    let mut at = start;
    batches.into_iter().map(move |submitted| {
        let offset = (at + BLOCK_HEADER as u64) as u32;
        at += span(&submitted);
        Committed::Batch { submitted, offset }
    })
}
