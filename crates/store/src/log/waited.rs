//! What a session was still owed when it, or one of its subscriptions, ended (K30). Where the entries are is noted while
//! the ending is applied, at the cost of the runs of its queues; how many lie in a run that a cursor cuts is looked up in
//! the index afterwards, without the lock, by the readers when they have nothing better to do. Bodies are never read.

use std::sync::Arc;

use restante_model::{Cursor, NotKept, QueueId, Seq, filter};

use crate::batch::Batch;

use super::{
    limits::not_acknowledged,
    segment::Sealed,
    shared::Shared,
    tables::{
        Tables,
        queue::Run,
        session::{Session, Subscription},
    },
    walk::{Order, View, position},
};

/// Entries of overlapping filters that are compared one by one; with more the count is an upper bound (K23).
const COMPARED_MAX: u64 = 1024;

/// Filters among which overlaps are looked for; with more of them that wait for something the count is an upper bound.
const FILTERS_MAX: usize = 32;

/// Something ended while somebody may have waited.
pub(crate) struct Ended {
    /// The sequence of the change that ended it.
    at: Seq,
    /// A whole session, or one subscription.
    is_session: bool,
    count: Count,
}

impl Ended {
    /// A session is about to end.
    pub(crate) fn session(tables: &Tables, session: &Session, at: Seq) -> Ended {
        let bound = session.bindings().iter().filter(|binding| !binding.released);
        let bound = bound.count() as u64;
        let all: Vec<&Subscription> = session.subscriptions.iter().collect();
        Ended {
            at,
            is_session: true,
            count: Count::take(tables, session, &all, &[], bound),
        }
    }

    /// A subscription is about to end. What is bound, or owed under another one, goes on.
    pub(crate) fn subscription(tables: &Tables, session: &Session, place: usize, at: Seq) -> Ended {
        let (before, rest) = session.subscriptions.split_at(place);
        let (ended, after) = rest.split_at(1.min(rest.len()));
        let ended: Vec<&Subscription> = ended.iter().collect();
        let others: Vec<&Subscription> = before.iter().chain(after).collect();
        Ended {
            at,
            is_session: false,
            count: Count::take(tables, session, &ended, &others, 0),
        }
    }

    /// Nobody waited for anything.
    pub(crate) fn is_nothing(&self) -> bool {
        let Count { sure, cut, overlap } = &self.count;
        *sure == 0 && cut.is_empty() && overlap.is_none()
    }
}

/// Counts what a batch that was applied has ended: at once what is known, later what must be looked up.
pub(crate) fn settle(shared: &Shared, first: Seq, batch: &Batch, ended: Vec<Ended>) {
    for Ended {
        at,
        is_session,
        count,
    } in ended
    {
        let said = batch.word(u32::try_from(at.0 - first.0).unwrap_or(u32::MAX));
        let word = match is_session {
            true => said.unwrap_or(NotKept::SessionExpired),
            false => NotKept::Unsubscribed,
        };
        let left = match count.is_known() {
            true => Some(count),
            false => shared.requests.count_later(word, count),
        };
        if let Some(count) = left {
            shared.counters.waited(word, count.finish());
        }
    }
}

/// A number of messages, as far as it is known.
pub(crate) struct Count {
    sure: u64,
    cut: Vec<Cut>,
    overlap: Option<Overlap>,
}

/// A run of which only a part is counted.
struct Cut {
    segment: Arc<Sealed>,
    run: Run,
    from: Seq,
    to: Seq,
}

/// Queues that may hold the same messages: what is in some of the first and in none of the others is counted.
struct Overlap {
    ended: Vec<View>,
    others: Vec<View>,
}

impl Count {
    fn take(
        tables: &Tables,
        session: &Session,
        ended: &[&Subscription],
        others: &[&Subscription],
        bound: u64,
    ) -> Count {
        let mut cursor = session.cursor();
        for binding in session.bindings().iter().filter(|binding| !binding.aside) {
            // What is bound is owed by its binding and not by a queue, whatever the cursor knows of it.
            cursor.acknowledge(binding.seq);
        }
        let mut ended = Owing::all(tables, session, ended, &cursor);
        let mut count = Count {
            sure: bound,
            cut: Vec::new(),
            overlap: None,
        };
        let mut rough = 0;
        ended.retain(|owing| {
            let more = owing.count(tables, &mut count);
            rough += more;
            more > 0
        });
        if rough == 0 || rough > COMPARED_MAX {
            return count;
        }
        let others = Owing::all(tables, session, others, &cursor);
        let others: Vec<Owing<'_>> = others
            .into_iter()
            .filter(|other| ended.iter().any(|owing| owing.overlaps(other)))
            .collect();
        let mut unused = Count {
            sure: 0,
            cut: Vec::new(),
            overlap: None,
        };
        let of_others: u64 = others.iter().map(|other| other.count(tables, &mut unused)).sum();
        if (of_others > 0 && of_others <= COMPARED_MAX) || any_overlap(&ended) {
            let views = |all: &[Owing<'_>]| all.iter().flat_map(|owing| owing.views(tables)).collect();
            count.sure = bound;
            count.cut.clear();
            count.overlap = Some(Overlap {
                ended: views(&ended),
                others: if of_others <= COMPARED_MAX {
                    views(&others)
                } else {
                    Vec::new()
                },
            });
        }
        count
    }

    /// Nothing must be looked up.
    fn is_known(&self) -> bool {
        self.cut.is_empty() && self.overlap.is_none()
    }

    /// The number.
    pub(crate) fn finish(self) -> u64 {
        let cut: u64 = self.cut.iter().map(Cut::count).sum();
        self.sure + cut + self.overlap.map_or(0, Overlap::count)
    }
}

impl Cut {
    fn count(&self) -> u64 {
        let below = |seq| position(&self.segment, &self.run, seq);
        match (below(self.from), below(self.to)) {
            (Ok(from), Ok(to)) => u64::from(to.saturating_sub(from)),
            // The index is damaged: an upper bound.
            _ => u64::from(self.run.count),
        }
    }
}

impl Overlap {
    fn count(self) -> u64 {
        let seqs = |views: Vec<View>| {
            let mut seqs = Vec::new();
            for view in views {
                let mut walk = view.walk(Order::OldestFirst);
                while let Some(entry) = walk.peek() {
                    seqs.push(entry.seq);
                    walk.step();
                }
            }
            seqs.sort_unstable();
            seqs.dedup();
            seqs
        };
        let others = seqs(self.others);
        let ended = seqs(self.ended);
        ended
            .iter()
            .filter(|seq| others.binary_search(seq).is_err())
            .count() as u64
    }
}

/// What a session is owed of one queue.
struct Owing<'a> {
    filter: &'a str,
    queue: QueueId,
    parts: Vec<(Seq, Seq)>,
}

impl<'a> Owing<'a> {
    fn all(
        tables: &'a Tables,
        session: &Session,
        subscriptions: &[&'a Subscription],
        cursor: &Cursor,
    ) -> Vec<Owing<'a>> {
        let one = |subscription: &&'a Subscription| {
            let parts = subscription.owed(session.low);
            let parts = parts.flat_map(|(from, to)| not_acknowledged(cursor, from, to));
            Some(Owing {
                filter: subscription.filter(&tables.queues),
                queue: subscription.queue()?,
                parts: parts.collect(),
            })
        };
        subscriptions.iter().filter_map(one).collect()
    }

    /// Adds what is owed. Answers how much that is at most.
    fn count(&self, tables: &Tables, count: &mut Count) -> u64 {
        let Some(queue) = tables.queues.get(self.queue.0) else {
            return 0;
        };
        let mut rough = 0;
        for &(from, to) in &self.parts {
            let inside = queue.runs().filter(|run| run.last > from && run.first <= to);
            for run in inside {
                let Some(segment) = tables.segments.readable(run.segment) else {
                    continue;
                };
                rough += u64::from(run.count);
                if run.first > from && run.last <= to {
                    count.sure += u64::from(run.count);
                    continue;
                }
                count.cut.push(Cut {
                    segment: segment.clone(),
                    run: *run,
                    from,
                    to,
                });
            }
            if let Some(open) = queue.open() {
                let start = open.partition_point(|entry| entry.seq <= from);
                let end = open.partition_point(|entry| entry.seq <= to);
                let inside = end.saturating_sub(start) as u64;
                count.sure += inside;
                rough += inside;
            }
        }
        // A run that several parts cut was counted for each.
        rough.min(queue.load().messages)
    }

    fn views(&self, tables: &Tables) -> Vec<View> {
        let most = COMPARED_MAX as usize;
        let view =
            |&(from, to): &(Seq, Seq)| View::take(tables, self.queue, from, to, Order::OldestFirst, most);
        self.parts.iter().map(view).collect()
    }

    fn overlaps(&self, other: &Owing<'_>) -> bool {
        filter::overlap(self.filter, other.filter)
    }
}

fn any_overlap(all: &[Owing<'_>]) -> bool {
    let overlaps = |(at, one): (usize, &Owing<'_>)| all[..at].iter().any(|before| before.overlaps(one));
    all.len() <= FILTERS_MAX && all.iter().enumerate().any(overlaps)
}
