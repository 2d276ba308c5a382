//! Walking the entries of one queue between two sequences, in either direction: first a view of where they are is taken
//! under the lock, then the indexes are read without it.

use std::{collections::VecDeque, sync::Arc};

use restante_model::{QueueId, Seq};

use super::{
    index::{BadIndex, IndexEntry},
    rescue,
    segment::{Sealed, SegmentFile},
    tables::{Tables, queue::Run},
};

/// Entries read from an index at once, at first and at most.
const CHUNK: u32 = 256;
const CHUNK_MAX: u32 = 4096;

/// The direction of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// Where some entries of one queue are.
#[derive(Clone)]
pub(crate) enum Piece {
    /// In a sealed segment.
    Run { segment: Arc<Sealed>, run: Run },
    /// Copied out of the open segment.
    Open {
        file: Arc<SegmentFile>,
        entries: Arc<[IndexEntry]>,
    },
}

/// The entries of one queue with `from < seq <= to`.
pub(crate) struct View {
    pub(crate) queue: QueueId,
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    /// Ascending.
    pub(crate) pieces: VecDeque<Piece>,
    /// There is more beyond this sequence (in the direction of the walk), which was left out.
    pub(crate) cut: Option<Seq>,
}

impl View {
    /// Takes a view of at least `most` entries in the direction of the walk, if there are so many.
    pub(crate) fn take(
        tables: &Tables,
        queue: QueueId,
        from: Seq,
        to: Seq,
        order: Order,
        most: usize,
    ) -> View {
        let mut view = View {
            queue,
            from,
            to,
            pieces: VecDeque::new(),
            cut: None,
        };
        let Some(found) = tables.queues.get(queue.0).filter(|_| from < to) else {
            return view;
        };
        let inside = |run: &&Run| run.last > from && run.first <= to;
        match order {
            Order::OldestFirst => {
                let count = view.add_runs(tables, found.runs().filter(inside), order, most);
                if view.cut.is_none() {
                    view.add_open(tables, order, most.saturating_sub(count));
                }
            }
            Order::NewestFirst => {
                let count = view.add_open(tables, order, most);
                if view.cut.is_none() {
                    view.add_runs(
                        tables,
                        found.runs().rev().filter(inside),
                        order,
                        most.saturating_sub(count),
                    );
                }
            }
        }
        view
    }

    fn add_runs<'a>(
        &mut self,
        tables: &Tables,
        runs: impl Iterator<Item = &'a Run>,
        order: Order,
        most: usize,
    ) -> usize {
        let (mut sure, mut last) = (0, Seq::ZERO);
        for run in runs {
            if sure >= most && last != Seq::ZERO {
                self.cut = Some(last);
                break;
            }
            let Some(segment) = tables.segments.readable(run.segment) else {
                continue;
            };
            let piece = Piece::Run {
                segment: segment.clone(),
                run: *run,
            };
            match order {
                Order::OldestFirst => self.pieces.push_back(piece),
                Order::NewestFirst => self.pieces.push_front(piece),
            }
            last = match order {
                Order::OldestFirst => run.last,
                Order::NewestFirst => run.first,
            };
            // A run that the span cuts may hold less than it says.
            if run.first > self.from && run.last <= self.to {
                sure += run.count as usize;
            }
        }
        sure
    }

    fn add_open(&mut self, tables: &Tables, order: Order, most: usize) -> usize {
        let entries = tables.queues.get(self.queue.0).and_then(|queue| queue.open());
        let (Some(open), Some(entries)) = (&tables.segments.open, entries) else {
            return 0;
        };
        let start = entries.partition_point(|entry| entry.seq <= self.from);
        let end = entries.partition_point(|entry| entry.seq <= self.to);
        if start >= end {
            return 0;
        }
        let most = most.max(1);
        let range = match order {
            Order::OldestFirst => start..end.min(start.saturating_add(most)),
            Order::NewestFirst => start.max(end.saturating_sub(most))..end,
        };
        if range.len() < end - start {
            self.cut = Some(match order {
                Order::OldestFirst => entries[range.end - 1].seq,
                Order::NewestFirst => entries[range.start].seq,
            });
        }
        let entries: Arc<[_]> = entries.range(range).copied().collect();
        let count = entries.len();
        let piece = Piece::Open {
            file: open.file.clone(),
            entries,
        };
        match order {
            Order::OldestFirst => self.pieces.push_back(piece),
            Order::NewestFirst => self.pieces.push_front(piece),
        }
        count
    }

    /// How many entries with `seq <= to` it holds; reads at most a few pages of each index at its ends.
    pub(crate) fn count_to(&self, to: Seq) -> u64 {
        let to = self.to.min(to);
        let mut count = 0;
        for piece in &self.pieces {
            count += match piece {
                Piece::Open { entries, .. } => entries.partition_point(|entry| entry.seq <= to) as u64,
                Piece::Run { segment, run } => {
                    let below = |seq| position(segment, run, seq).map_or(0, u64::from);
                    below(to).saturating_sub(below(self.from))
                }
            };
        }
        count
    }

    /// The same view once more.
    pub(crate) fn again(&self) -> View {
        View {
            pieces: self.pieces.clone(),
            ..*self
        }
    }

    /// Begins a walk.
    pub(crate) fn walk(self, order: Order) -> Walk {
        Walk {
            view: self,
            order,
            chunk: Vec::new(),
            at: 0,
            rest: None,
            chunk_len: CHUNK,
            place: None,
            shown: None,
        }
    }
}

/// How many entries of a run have a sequence of at most `seq`.
pub(crate) fn position(segment: &Sealed, run: &Run, seq: Seq) -> Result<u32, BadIndex> {
    if seq < run.first {
        return Ok(0);
    }
    if seq >= run.last {
        return Ok(run.count);
    }
    let index = segment.index();
    let (mut low, mut high) = (0, run.count);
    let mut page = Vec::new();
    while high - low > CHUNK {
        let middle = low + (high - low) / 2;
        page.clear();
        index.read_entries(run.at + middle, 1, &mut page)?;
        match page.first().is_some_and(|entry| entry.seq <= seq) {
            true => low = middle,
            false => high = middle,
        }
    }
    page.clear();
    index.read_entries(run.at + low, high - low, &mut page)?;
    Ok(low + page.partition_point(|entry| entry.seq <= seq) as u32)
}

/// A walk through a view.
pub(crate) struct Walk {
    view: View,
    order: Order,
    /// In the direction of the walk.
    chunk: Vec<IndexEntry>,
    at: usize,
    /// What is left of the run being walked: positions in it.
    rest: Option<(Arc<Sealed>, Run, u32, u32)>,
    chunk_len: u32,
    place: Option<Place>,
    /// The last entry of the chunk before.
    shown: Option<Seq>,
}

/// Where the bodies of the present chunk are.
#[derive(Clone)]
pub(crate) enum Place {
    Sealed(Arc<Sealed>),
    Open(Arc<SegmentFile>),
}

impl Place {
    /// The segment's key.
    pub(crate) fn key(&self) -> u32 {
        match self {
            Place::Sealed(sealed) => sealed.file.key,
            Place::Open(file) => file.key,
        }
    }

    pub(crate) fn file(&self) -> &Arc<SegmentFile> {
        match self {
            Place::Sealed(sealed) => &sealed.file,
            Place::Open(file) => file,
        }
    }
}

impl Walk {
    /// The entry the walk stands at.
    pub(crate) fn peek(&mut self) -> Option<IndexEntry> {
        while self.at >= self.chunk.len() {
            if !self.load() {
                return None;
            }
        }
        Some(self.chunk[self.at])
    }

    /// Goes on to the next entry.
    pub(crate) fn step(&mut self) {
        self.at += 1;
    }

    /// Where the body of the entry the walk stands at is.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Beyond this there is more than the walk shows.
    pub(crate) fn cut(&self) -> Option<Seq> {
        self.view.cut
    }

    /// Reads the next chunk. Answers false at the end.
    fn load(&mut self) -> bool {
        self.shown = self.chunk.last().map_or(self.shown, |entry| Some(entry.seq));
        self.chunk.clear();
        self.at = 0;
        if self.rest.is_none() {
            let piece = match self.order {
                Order::OldestFirst => self.view.pieces.pop_front(),
                Order::NewestFirst => self.view.pieces.pop_back(),
            };
            match piece {
                None => return false,
                Some(Piece::Open { file, entries }) => {
                    self.chunk.extend_from_slice(&entries);
                    self.turn();
                    self.place = Some(Place::Open(file));
                    return true;
                }
                Some(Piece::Run { segment, run }) => {
                    self.place = Some(Place::Sealed(segment.clone()));
                    let begin = position(&segment, &run, self.view.from);
                    match (begin, position(&segment, &run, self.view.to)) {
                        (Ok(begin), Ok(end)) => self.rest = Some((segment, run, begin, end)),
                        _ => self.rescue(&segment, &run),
                    }
                }
            }
        }
        let Some((segment, run, begin, end)) = self.rest.take() else {
            return true;
        };
        if begin >= end {
            return true;
        }
        let count = (end - begin).min(self.chunk_len);
        self.chunk_len = (self.chunk_len * 4).min(CHUNK_MAX);
        let (read, rest) = match self.order {
            Order::OldestFirst => (begin, (begin + count, end)),
            Order::NewestFirst => (end - count, (begin, end - count)),
        };
        if segment
            .index()
            .read_entries(run.at + read, count, &mut self.chunk)
            .is_err()
        {
            self.rescue(&segment, &run);
            return true;
        }
        self.turn();
        self.rest = Some((segment, run, rest.0, rest.1));
        true
    }

    /// The index is damaged: the entries are looked for in the segment itself.
    fn rescue(&mut self, segment: &Sealed, run: &Run) {
        self.chunk = rescue::entries(&segment.file, self.view.queue);
        self.chunk
            .retain(|entry| entry.seq >= run.first && entry.seq <= run.last);
        let lost = u64::from(run.count).saturating_sub(self.chunk.len() as u64);
        segment.lost(self.view.queue, lost);
        let (order, shown) = (self.order, self.shown);
        let (from, to) = (self.view.from, self.view.to);
        self.chunk.retain(|entry| {
            let new = match (order, shown) {
                (_, None) => true,
                (Order::OldestFirst, Some(shown)) => entry.seq > shown,
                (Order::NewestFirst, Some(shown)) => entry.seq < shown,
            };
            new && entry.seq > from && entry.seq <= to
        });
        self.rest = None;
        self.turn();
    }

    fn turn(&mut self) {
        if self.order == Order::NewestFirst {
            self.chunk.reverse();
        }
    }
}
