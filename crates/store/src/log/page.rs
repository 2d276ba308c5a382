//! A page of a backlog: the entries of several queues merged by sequence, then their bodies.

use std::{cmp::Reverse, collections::BinaryHeap};

use restante_model::Seq;

use crate::contract::{Page, ReadRequest};

use super::{
    fetch::{Picked, fetch},
    index::IndexEntry,
    shared::Shared,
    walk::{Order, Place, View, Walk},
};

/// Spans that have a bit in [`Entry::spans`].
const SPANS_IN_BITS: usize = 64;

/// A page whose messages lie far apart ends early: many sessions that take their backlogs at once stay close together
/// in the log then, and read it from [`super::warm`]. So many sequences it may reach across …
const SPREAD_MAX: u64 = 16_384;
/// … unless it has fewer messages than this.
const SPREAD_MESSAGES_MIN: usize = 32;

/// Reads the page.
pub(crate) fn page(shared: &Shared, request: &ReadRequest) -> Page {
    let after = request.after;
    // What is skipped is seen too; a few more in view save a second look in the usual cases.
    let most = request.messages_max.saturating_add(request.skip.len()).max(1);
    let (walks, applied) = {
        let tables = shared.tables.read();
        let walks: Vec<Walk> = request
            .spans
            .iter()
            .map(|span| {
                let from = span.from.max(after);
                View::take(&tables, span.queue, from, span.to, Order::OldestFirst, most)
                    .walk(Order::OldestFirst)
            })
            .collect();
        (walks, tables.applied)
    };
    let mut merge = Merge::new(walks, request);
    let mut stop = Stop::End;
    let mut bytes = 0;
    let mut through = after;
    while let Some(seq) = merge.next_seq() {
        if let Some(limit) = merge.limit.filter(|limit| seq > *limit) {
            through = through.max(limit);
            stop = Stop::Here;
            break;
        }
        if is_skipped(&request.skip, seq) {
            merge.pass(seq);
            through = seq;
            continue;
        }
        let len = merge.next_len();
        let room = bytes + len <= request.bytes_max || merge.picked.is_empty();
        if merge.picked.len() >= request.messages_max || !room || merge.is_spread(seq) {
            stop = Stop::Here;
            break;
        }
        bytes += len;
        merge.pick(seq);
        through = seq;
    }
    let (end, through) = match (stop, merge.limit) {
        (Stop::Here, _) => (false, through),
        (Stop::End, Some(limit)) => (false, through.max(limit)),
        (Stop::End, None) => (true, through.max(applied)),
    };
    Page {
        entries: fetch(shared, merge.picked, &merge.places),
        through,
        end,
    }
}

enum Stop {
    /// The page is full, or the view was cut.
    Here,
    /// All walks are at their ends.
    End,
}

fn is_skipped(skip: &[(Seq, Seq)], seq: Seq) -> bool {
    let after = skip.partition_point(|&(first, _)| first <= seq);
    after > 0 && skip[after - 1].1 >= seq
}

/// The walks, merged by sequence.
struct Merge {
    walks: Vec<Walk>,
    /// The next sequence of each walk, when there are several.
    heads: BinaryHeap<Reverse<(Seq, usize)>>,
    /// Beyond this not all walks show everything.
    limit: Option<Seq>,
    picked: Vec<Picked>,
    places: Vec<Place>,
}

impl Merge {
    fn new(mut walks: Vec<Walk>, request: &ReadRequest) -> Merge {
        let mut heads = BinaryHeap::with_capacity(walks.len());
        let limit = walks.iter().filter_map(Walk::cut).min();
        if walks.len() > 1 {
            for (index, walk) in walks.iter_mut().enumerate() {
                heads.extend(walk.peek().map(|entry| Reverse((entry.seq, index))));
            }
        }
        Merge {
            walks,
            heads,
            limit,
            picked: Vec::with_capacity(request.messages_max.min(1024)),
            places: Vec::new(),
        }
    }

    fn next_seq(&mut self) -> Option<Seq> {
        match self.walks.as_mut_slice() {
            [only] => only.peek().map(|entry| entry.seq),
            _ => self.heads.peek().map(|Reverse((seq, _))| *seq),
        }
    }

    /// Bytes of the next message.
    fn next_len(&mut self) -> usize {
        let index = self.heads.peek().map_or(0, |Reverse((_, index))| *index);
        self.walks
            .get_mut(index)
            .and_then(Walk::peek)
            .map_or(0, |entry| entry.len as usize)
    }

    /// Whether the page would reach too far with this message.
    fn is_spread(&self, seq: Seq) -> bool {
        let first = self.picked.first().map_or(seq, |picked| picked.entry.seq);
        self.picked.len() >= SPREAD_MESSAGES_MIN && seq.0 - first.0 > SPREAD_MAX
    }

    /// Leaves the next message out.
    fn pass(&mut self, seq: Seq) {
        while self.take(seq).is_some() {}
    }

    /// Takes the next message into the page, once, with all the spans that hold it.
    fn pick(&mut self, seq: Seq) {
        let Some((index, entry, place)) = self.take(seq) else {
            return;
        };
        let mut picked = Picked {
            entry,
            place,
            spans: 0,
            spans_beyond: Vec::new(),
        };
        picked.add_span(index);
        while let Some((index, _, _)) = self.take(seq) {
            picked.add_span(index);
        }
        self.picked.push(picked);
    }

    /// Takes one entry with this sequence off one walk.
    fn take(&mut self, seq: Seq) -> Option<(usize, IndexEntry, u32)> {
        let index = if self.walks.len() > 1 {
            let Reverse((head, index)) = *self.heads.peek()?;
            if head != seq {
                return None;
            }
            self.heads.pop();
            index
        } else {
            0
        };
        let walk = self.walks.get_mut(index)?;
        let entry = walk.peek().filter(|entry| entry.seq == seq)?;
        let place = walk.place()?;
        let place = match self.places.last() {
            Some(last) if last.key() == place.key() => self.places.len() - 1,
            _ => {
                self.places.push(place.clone());
                self.places.len() - 1
            }
        };
        walk.step();
        if self.walks.len() > 1 {
            let next = self.walks[index].peek();
            self.heads.extend(next.map(|entry| Reverse((entry.seq, index))));
        }
        Some((index, entry, place as u32))
    }
}

impl Picked {
    fn add_span(&mut self, index: usize) {
        if index < SPANS_IN_BITS {
            self.spans |= 1 << index;
        } else {
            self.spans_beyond.push(index as u32);
        }
    }
}
