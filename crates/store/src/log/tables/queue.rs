//! One queue: where its messages are. Entries of the open segment one by one, entries of sealed segments as runs.

use std::collections::VecDeque;

use restante_model::{QueueId, Seq};

use crate::log::index::{IndexBuilder, IndexEntry, IndexRun};

/// Bytes of a run are counted in units of this, rounded down.
const RUN_BYTES_UNIT: u64 = 64;

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) filter: Box<str>,
    entries: Option<Box<Entries>>,
    /// Nothing at or below is needed by anybody.
    pub(crate) floor: Seq,
    /// What the sweep has found to be needed so far in its pass: the lowest position of a reader.
    pub(crate) needed: Option<Seq>,
    /// Subscriptions that read it.
    pub(crate) readers: u32,
    /// Closed: kept for its filter only, until its last reader is gone.
    pub(crate) closed: bool,
    /// It is in the list of queues that have entries in the open segment.
    in_open: bool,
}

/// The entries of a queue that is not empty.
#[derive(Debug, Default)]
struct Entries {
    runs: VecDeque<Run>,
    open: VecDeque<IndexEntry>,
    /// Entries not dropped yet.
    count: u64,
    /// Their bytes, for runs rounded down.
    bytes: u64,
}

/// What the queue has in one sealed segment. Small, because a million queues may have ten of them each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    /// The segment's key.
    pub(crate) segment: u32,
    /// Number of the first entry in the segment's index.
    pub(crate) at: u32,
    pub(crate) count: u32,
    units: u32,
}

impl Run {
    pub(crate) fn new(segment: u32, run: &IndexRun) -> Run {
        Run {
            first: run.first,
            last: run.last,
            segment,
            at: run.at,
            count: run.count,
            units: u32::try_from(run.bytes / RUN_BYTES_UNIT).unwrap_or(u32::MAX),
        }
    }

    /// Bytes of its messages, rounded down.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.units) * RUN_BYTES_UNIT
    }
}

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// What was dropped: from sealed segments by key, and how much of the open one.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) sealed: Vec<(u32, u32)>,
    pub(crate) open: u64,
}

impl Queue {
    pub(crate) fn new(filter: &str) -> Queue {
        Queue {
            filter: filter.into(),
            entries: None,
            floor: Seq::ZERO,
            needed: None,
            readers: 0,
            closed: false,
            in_open: false,
        }
    }

    /// Appends a message of the open segment; sequences only rise. Answers whether the queue had none there before:
    /// it must then be listed for [`Queue::seal`].
    pub(crate) fn push(&mut self, entry: IndexEntry) -> bool {
        let entries = self.entries.get_or_insert_default();
        entries.open.push_back(entry);
        entries.count += 1;
        entries.bytes += u64::from(entry.len);
        !std::mem::replace(&mut self.in_open, true)
    }

    /// Appends what an index says, above all that is there.
    pub(crate) fn push_run(&mut self, run: Run) {
        let entries = self.entries.get_or_insert_default();
        entries.count += u64::from(run.count);
        entries.bytes += run.bytes();
        if entries.runs.len() == entries.runs.capacity() {
            // Half as much again instead of twice as much: with millions of queues the slack would be what costs.
            entries.runs.reserve_exact(2 + entries.runs.len() / 2);
        }
        entries.runs.push_back(run);
    }

    /// The open segment is sealed: its entries go into the index and become a run. Answers how many.
    pub(crate) fn seal(&mut self, id: QueueId, segment: u32, index: &mut IndexBuilder) -> u32 {
        self.in_open = false;
        let Some(entries) = &mut self.entries else {
            return 0;
        };
        let open = std::mem::take(&mut entries.open);
        entries.count -= open.len() as u64;
        entries.bytes -= open.iter().map(|entry| u64::from(entry.len)).sum::<u64>();
        let Some(run) = index.queue(id, open.into_iter()) else {
            self.tidy();
            return 0;
        };
        self.push_run(Run::new(segment, &run));
        run.count
    }

    /// Drops what stands at or below `floor`: runs only when they are wholly below.
    pub(crate) fn trim(&mut self, floor: Seq, dropped: &mut Dropped) {
        self.floor = self.floor.max(floor);
        let Some(entries) = &mut self.entries else {
            return;
        };
        while let Some(run) = entries.runs.front()
            && run.last <= floor
        {
            dropped.sealed.push((run.segment, run.count));
            entries.count -= u64::from(run.count);
            entries.bytes -= run.bytes();
            entries.runs.pop_front();
        }
        while let Some(entry) = entries.open.front()
            && entry.seq <= floor
        {
            dropped.open += 1;
            entries.count -= 1;
            entries.bytes -= u64::from(entry.len);
            entries.open.pop_front();
        }
        self.tidy();
    }

    /// Drops what it has in the open segment. Answers how many entries that were.
    pub(crate) fn drop_open(&mut self) -> u64 {
        let Some(entries) = &mut self.entries else {
            return 0;
        };
        let open = std::mem::take(&mut entries.open);
        entries.count -= open.len() as u64;
        entries.bytes -= open.iter().map(|entry| u64::from(entry.len)).sum::<u64>();
        self.tidy();
        open.len() as u64
    }

    /// Drops the runs in these segments. Answers how many entries they had.
    pub(crate) fn drop_runs(&mut self, gone: impl Fn(u32) -> bool) -> u64 {
        let Some(entries) = &mut self.entries else {
            return 0;
        };
        let (mut count, mut bytes) = (0, 0);
        entries.runs.retain(|run| {
            let stays = !gone(run.segment);
            if !stays {
                count += u64::from(run.count);
                bytes += run.bytes();
            }
            stays
        });
        entries.count -= count;
        entries.bytes -= bytes;
        self.tidy();
        count
    }

    /// Puts a run in its place by sequence.
    pub(crate) fn insert_run(&mut self, run: Run) {
        let entries = self.entries.get_or_insert_default();
        entries.count += u64::from(run.count);
        entries.bytes += run.bytes();
        let at = entries.runs.partition_point(|other| other.first < run.first);
        entries.runs.insert(at, run);
    }

    /// Whether it has a run in one of these segments.
    pub(crate) fn has_run(&self, there: impl Fn(u32) -> bool) -> bool {
        self.runs().any(|run| there(run.segment))
    }

    /// What it holds at most: the first run counts whole, though part of it may be done with.
    pub(crate) fn load(&self) -> Load {
        self.entries.as_ref().map_or(Load::default(), |entries| Load {
            messages: entries.count,
            bytes: entries.bytes,
        })
    }

    /// How many entries it has in a sealed segment.
    pub(crate) fn count_in(&self, segment: u32) -> u64 {
        let runs = self.runs().filter(|run| run.segment == segment);
        runs.map(|run| u64::from(run.count)).sum()
    }

    /// Its runs, oldest first.
    pub(crate) fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.entries.iter().flat_map(|entries| &entries.runs)
    }

    /// Its entries in the open segment, oldest first.
    pub(crate) fn open(&self) -> Option<&VecDeque<IndexEntry>> {
        self.entries.as_ref().map(|entries| &entries.open)
    }

    fn tidy(&mut self) {
        let Some(entries) = &mut self.entries else {
            return;
        };
        if entries.count == 0 && entries.runs.is_empty() && entries.open.is_empty() {
            self.entries = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64) -> IndexEntry {
        IndexEntry {
            seq: Seq(seq),
            offset: 0,
            len: 100,
        }
    }

    #[test]
    fn entries_become_a_run_and_go_when_wholly_done() {
        let mut queue = Queue::new("a");
        assert!(queue.push(entry(1)));
        assert!(!queue.push(entry(5)));
        let mut index = IndexBuilder::new();
        assert_eq!(queue.seal(QueueId(1), 7, &mut index), 2);
        assert!(queue.push(entry(9)));
        assert_eq!(queue.load().messages, 3);
        let mut dropped = Dropped::default();
        queue.trim(Seq(4), &mut dropped);
        assert_eq!(queue.load().messages, 3);
        queue.trim(Seq(5), &mut dropped);
        assert_eq!((dropped.sealed.as_slice(), dropped.open), (&[(7, 2)][..], 0));
        queue.trim(Seq(9), &mut dropped);
        assert_eq!((dropped.open, queue.load()), (1, Load::default()));
        assert!(queue.entries.is_none());
        // Still listed: it is sealed with the others, as nothing.
        assert!(!queue.push(entry(10)));
    }

    #[test]
    fn runs_of_lost_segments_are_dropped() {
        let mut queue = Queue::new("a");
        for (segment, first) in [(1, 10), (2, 20), (3, 30)] {
            let run = IndexRun {
                queue: QueueId(1),
                first: Seq(first),
                last: Seq(first + 5),
                at: 0,
                count: 2,
                bytes: 1000,
            };
            queue.push_run(Run::new(segment, &run));
        }
        assert!(queue.has_run(|segment| segment == 2));
        assert_eq!(queue.drop_runs(|segment| segment == 2), 2);
        assert_eq!(
            queue.load(),
            Load {
                messages: 4,
                bytes: 1920
            }
        );
        assert_eq!(queue.runs().map(|run| run.segment).collect::<Vec<_>>(), [1, 3]);
    }
}
