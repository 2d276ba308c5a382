//! Queue limits (K22, K23): what a session is no longer owed. Worked out exactly, from its cursor and epochs and the
//! indexes of its queues, and only when the rough count of its queues says that it may be above a limit.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use restante_model::{Cursor, QueueId, Seq, SessionId};

use crate::contract::{QueueLimits, WhenFull};

use super::{
    shared::Shared,
    tables::{Tables, queue::Load, session::Session},
    walk::{Order, View, Walk},
};

/// Floors that were worked out for a whole queue, as of one sequence: a fleet on one filter shares them.
#[derive(Default)]
pub(crate) struct Memo {
    applied: Seq,
    floors: HashMap<QueueId, Seq>,
}

/// Queues whose floors are remembered.
const MEMO_MAX: usize = 10_000;

impl Memo {
    fn note(&mut self, queue: QueueId, floor: Seq) {
        if self.floors.len() >= MEMO_MAX {
            self.floors.clear();
        }
        self.floors.insert(queue, floor);
    }

    /// Whether a session is known to be above the floor: it reads one queue, from here on.
    pub(crate) fn knows_to_fit(&self, session: &Session) -> bool {
        let [only] = session.subscriptions.as_slice() else {
            return false;
        };
        let floor = only.queue().and_then(|queue| self.floors.get(&queue));
        let from = only.owed(session.low).next().map(|(from, _)| from);
        floor.zip(from).is_some_and(|(floor, from)| *floor <= from)
    }
}

/// Moves a session's cursor over what its limit pushes out, and counts that.
pub(crate) fn limit(shared: &Shared, id: SessionId) {
    limit_and_note(shared, id, None);
}

/// The same, and notes the floor of its queue for others that read it.
pub(crate) fn limit_and_note(shared: &Shared, id: SessionId, noted: Option<&mut Memo>) {
    let limits = &shared.settings.limits;
    // One at a time: between looking and moving nobody else may move the same cursor for the same reason.
    let mut memo = shared.limits.lock();
    let looked = {
        let tables = shared.tables.read();
        match tables.sessions.get(id.0) {
            Some(session) if is_above(&tables, session, limits) => Owed::look(&tables, session),
            _ => return,
        }
    };
    if memo.applied != looked.applied {
        memo.applied = looked.applied;
        memo.floors.clear();
    }
    let applied = looked.applied;
    let whole = looked.whole_queue();
    let worked_out = looked.worked_out(limits, &mut memo);
    if let (Some(noted), Some(queue)) = (noted, whole)
        && let Some(&floor) = memo.floors.get(&queue)
    {
        noted.note(queue, floor);
    }
    let Some((pushed, evicted)) = worked_out else {
        return;
    };
    let mut tables = shared.tables.write();
    tables.limit_cursor(id, evicted, |cursor| match pushed {
        Pushed::Below(floor) => {
            let mut cursor = cursor.clone();
            cursor.advance(floor);
            cursor
        }
        Pushed::Above(last) => done_beyond(cursor, last, applied),
    });
}

/// What a limit pushes out.
enum Pushed {
    /// Everything up to here.
    Below(Seq),
    /// Everything beyond, up to what was applied.
    Above(Seq),
}

/// Whether a session may be above the limit, by what its queues hold at most.
pub(crate) fn is_above(tables: &Tables, session: &Session, limits: &QueueLimits) -> bool {
    if limits.when_full == WhenFull::RejectPublisher || session.is_own() {
        return false;
    }
    let mut sum = Load::default();
    for subscription in &session.subscriptions {
        if subscription.owed(session.low).next().is_none() {
            continue;
        }
        let load = subscription
            .queue()
            .and_then(|queue| tables.queues.get(queue.0))
            .map(|queue| queue.load());
        let load = load.unwrap_or_default();
        sum.messages += load.messages;
        // The bytes of runs are rounded down by less than 64 a run, which is less than a record is long.
        sum.bytes += load.bytes + load.messages * 64;
    }
    !fits(sum, limits)
}

fn fits(load: Load, limits: &QueueLimits) -> bool {
    (limits.messages_max == 0 || load.messages <= limits.messages_max)
        && (limits.bytes_max == 0 || load.bytes <= limits.bytes_max)
}

/// What a session is owed: a look at its queues.
struct Owed {
    views: Vec<View>,
    applied: Seq,
}

impl Owed {
    fn look(tables: &Tables, session: &Session) -> Owed {
        let (mut cursor, applied) = (session.cursor(), tables.applied);
        // What has started is not waiting, also while the cursor that covers it is still on its way.
        for binding in session.bindings().iter().filter(|binding| !binding.aside) {
            cursor.acknowledge(binding.seq);
        }
        let mut views = Vec::new();
        for subscription in &session.subscriptions {
            let Some(queue) = subscription.queue() else {
                continue;
            };
            for (from, to) in subscription.owed(session.low) {
                for (from, to) in not_acknowledged(&cursor, from, to.min(applied)) {
                    // All of it: what is pushed out must be counted.
                    views.push(View::take(
                        tables,
                        queue,
                        from,
                        to,
                        Order::OldestFirst,
                        usize::MAX,
                    ));
                }
            }
        }
        Owed { views, applied }
    }

    /// The queue, if it is one stretch of one queue up to now: the floor is the same for all who read that far back.
    fn whole_queue(&self) -> Option<QueueId> {
        match self.views.as_slice() {
            [only] if only.to == self.applied => Some(only.queue),
            _ => None,
        }
    }

    /// What is pushed out, and how many entries that is; `None` if nothing is.
    fn worked_out(self, limits: &QueueLimits, memo: &mut Memo) -> Option<(Pushed, u64)> {
        let total: u64 = self.views.iter().map(|view| view.count_to(Seq::MAX)).sum();
        if total == 0 {
            return None;
        }
        let counts = |to: Seq| self.views.iter().map(|view| view.count_to(to)).sum::<u64>();
        if limits.when_full == WhenFull::DropOldest {
            if limits.bytes_max == 0 && total <= limits.messages_max {
                return None;
            }
            let whole = self.whole_queue();
            let floor = match whole.and_then(|queue| memo.floors.get(&queue).copied()) {
                Some(floor) => floor,
                None => walk(&self.views, Order::NewestFirst, limits)?.0,
            };
            if let Some(queue) = whole {
                memo.note(queue, floor);
            }
            return Some((Pushed::Below(floor), counts(floor)));
        }
        let (_, last) = walk(&self.views, Order::OldestFirst, limits)?;
        Some((Pushed::Above(last), total - counts(last)))
    }
}

/// Walks the distinct messages until they do not fit any more. Answers the first one that does not, and the last that
/// does (or zero); `None` when all fit.
fn walk(views: &[View], order: Order, limits: &QueueLimits) -> Option<(Seq, Seq)> {
    let rank = |seq: Seq| match order {
        Order::OldestFirst => Reverse(seq.0),
        Order::NewestFirst => Reverse(!seq.0),
    };
    let mut walks: Vec<Walk> = views.iter().map(|view| view.again().walk(order)).collect();
    let mut heads = BinaryHeap::with_capacity(walks.len());
    for (index, walk) in walks.iter_mut().enumerate() {
        heads.extend(walk.peek().map(|entry| (rank(entry.seq), index)));
    }
    let mut kept = Load::default();
    let mut last = Seq::ZERO;
    let mut shown = None;
    while let Some((_, index)) = heads.pop() {
        let walk = &mut walks[index];
        let entry = walk.peek()?;
        walk.step();
        let next = walk.peek();
        heads.extend(next.map(|entry| (rank(entry.seq), index)));
        if shown.replace(entry.seq) == Some(entry.seq) {
            continue;
        }
        kept.messages += 1;
        kept.bytes += u64::from(entry.len);
        if !fits(kept, limits) {
            return Some((entry.seq, last));
        }
        last = entry.seq;
    }
    None
}

/// A cursor that has also done with everything in `last < seq <= applied`.
fn done_beyond(cursor: &Cursor, last: Seq, applied: Seq) -> Cursor {
    if last <= cursor.low() {
        return Cursor::at(applied);
    }
    let mut above = cursor.above().to_vec();
    above.retain(|range| range.0 < last);
    above.push((last.plus(1), applied));
    Cursor::from_parts(cursor.low(), above).unwrap_or_else(|| cursor.clone())
}

/// The parts of `from < seq <= to` that a cursor has not done with.
pub(crate) fn not_acknowledged(cursor: &Cursor, from: Seq, to: Seq) -> Vec<(Seq, Seq)> {
    let mut start = from.max(cursor.low());
    let mut parts = Vec::new();
    for &(first, last) in cursor.above() {
        if first > to {
            break;
        }
        if last <= start {
            continue;
        }
        let end = Seq(first.0 - 1);
        if start < end {
            parts.push((start, end));
        }
        start = start.max(last);
    }
    if start < to {
        parts.push((start, to));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k13_what_was_acknowledged_out_of_order_is_cut_out() {
        let above = vec![(Seq(12), Seq(12)), (Seq(15), Seq(20))];
        let cursor = Cursor::from_parts(Seq(10), above).unwrap();
        let left = |from, to| -> Vec<(u64, u64)> {
            let parts = not_acknowledged(&cursor, Seq(from), Seq(to));
            parts.into_iter().map(|(from, to)| (from.0, to.0)).collect()
        };
        assert_eq!(left(0, 30), [(10, 11), (12, 14), (20, 30)]);
        assert_eq!(left(13, 18), [(13, 14)]);
        assert_eq!(left(16, 18), []);
        assert_eq!(left(16, 25), [(20, 25)]);
        assert_eq!(left(11, 14), [(12, 14)]);
        assert_eq!(left(5, 9), []);
        assert_eq!(left(11, 12), []);
    }

    #[test]
    fn k22_what_came_after_the_limit_counts_as_done() {
        let cursor = Cursor::from_parts(Seq(10), vec![(Seq(12), Seq(12)), (Seq(40), Seq(50))]).unwrap();
        let done = done_beyond(&cursor, Seq(30), Seq(90));
        assert_eq!(done.above(), [(Seq(12), Seq(12)), (Seq(31), Seq(90))]);
        assert_eq!(done_beyond(&cursor, Seq(5), Seq(90)), Cursor::at(Seq(90)));
    }
}
