//! Queue limits (K22, K23): what a session is no longer owed, and which queues are full.

use std::{
    collections::{BinaryHeap, HashMap, HashSet},
    ops::{ControlFlow, Range},
};

use restante_model::{Cursor, QueueId, Seq, SessionId};

use crate::contract::{QueueLimits, QueueSpan, WhenFull};

use super::{
    queue::{Load, Queue},
    tables::Tables,
};

impl Tables {
    /// Moves a session's cursor over what its limit pushes out, and counts that. Answers how many steps it took.
    pub(super) fn limit(&mut self, id: SessionId) -> usize {
        if self.limits.when_full == WhenFull::RejectPublisher || self.own.contains(&id) {
            return 1;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return 1;
        };
        let owed = Owed {
            spans: session.waiting(),
            queues: &self.queues,
        };
        if fits(owed.load(Seq::ZERO, Seq::MAX), self.limits) {
            return 1 + owed.spans.len();
        }
        let steps;
        let mut cursor = session.cursor.clone();
        if self.limits.when_full == WhenFull::DropOldest {
            let (floor, walked) = owed.floor(self.limits);
            steps = walked;
            self.evicted += owed.load(Seq::ZERO, floor).messages;
            cursor.advance(floor);
        } else {
            let (last, walked) = owed.last_kept(self.limits);
            steps = walked;
            self.evicted += owed.load(last, Seq::MAX).messages;
            cursor = done_beyond(&cursor, last, self.applied);
        }
        session.move_cursor(cursor);
        1 + steps
    }

    /// With `reject-publisher`: works out again which of the queues in doubt hold their limit beyond their slowest
    /// reader. Answers whether that changed anything.
    pub(super) fn settle_full(&mut self) -> bool {
        let mut changed = false;
        for id in std::mem::take(&mut self.full_in_doubt) {
            let Some(queue) = self.queues.get_mut(&id) else {
                changed |= self.full.remove(&id);
                continue;
            };
            let limits = self.limits;
            // The remembered slowest reader may have moved on: look again before calling the queue full.
            let mut full = is_full(queue.load(queue.slowest, Seq::MAX), limits);
            if full {
                let low = |session: &SessionId| {
                    let session = self
                        .sessions
                        .get(session)
                        .filter(|_| !self.own.contains(session))?;
                    session
                        .owed()
                        .filter(|span| span.queue == id)
                        .map(|span| span.from)
                        .min()
                };
                queue.slowest = queue.readers.iter().filter_map(low).min().unwrap_or(Seq::MAX);
                full = is_full(queue.load(queue.slowest, Seq::MAX), limits);
                queue.slowest = queue.slowest.min(self.applied);
            }
            changed |= set(&mut self.full, id, full);
        }
        changed
    }
}

fn set(full: &mut HashSet<QueueId>, id: QueueId, is_full: bool) -> bool {
    if is_full {
        full.insert(id)
    } else {
        full.remove(&id)
    }
}

fn fits(load: Load, limits: QueueLimits) -> bool {
    let QueueLimits {
        messages_max,
        bytes_max,
        ..
    } = limits;
    (messages_max == 0 || load.messages <= messages_max) && (bytes_max == 0 || load.bytes <= bytes_max)
}

fn is_full(load: Load, limits: QueueLimits) -> bool {
    (limits.messages_max > 0 && load.messages >= limits.messages_max)
        || (limits.bytes_max > 0 && load.bytes >= limits.bytes_max)
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

/// What a session is owed.
struct Owed<'a> {
    spans: Vec<QueueSpan>,
    queues: &'a HashMap<QueueId, Queue>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

impl Owed<'_> {
    /// What stands in `from < seq <= to`; a message in two queues counts twice (K23).
    fn load(&self, from: Seq, to: Seq) -> Load {
        let mut sum = Load::default();
        for (queue, span) in self.queues_and_spans() {
            sum += queue.load(span.from.max(from), span.to.min(to));
        }
        sum
    }

    /// The highest sequence that is not among the newest messages that fit, and the steps it took to find it.
    fn floor(&self, limits: QueueLimits) -> (Seq, usize) {
        let (mut kept, mut floor) = (Load::default(), Seq::ZERO);
        let steps = self.walk(Order::NewestFirst, |seq, load| {
            kept += load;
            if fits(kept, limits) {
                return ControlFlow::Continue(());
            }
            floor = seq;
            ControlFlow::Break(())
        });
        (floor, steps)
    }

    /// The highest sequence of the oldest messages that fit, and the steps it took to find it.
    fn last_kept(&self, limits: QueueLimits) -> (Seq, usize) {
        let (mut kept, mut last) = (Load::default(), Seq::ZERO);
        let steps = self.walk(Order::OldestFirst, |seq, load| {
            kept += load;
            if !fits(kept, limits) {
                return ControlFlow::Break(());
            }
            last = seq;
            ControlFlow::Continue(())
        });
        (last, steps)
    }

    /// Shows each distinct message until told to stop; answers the steps it took.
    fn walk(&self, order: Order, mut each: impl FnMut(Seq, Load) -> ControlFlow<()>) -> usize {
        let rank = |seq: Seq| {
            if order == Order::NewestFirst {
                seq.0
            } else {
                !seq.0
            }
        };
        let mut parts: Vec<(&Queue, Range<usize>)> = self
            .queues_and_spans()
            .map(|(queue, span)| {
                (
                    queue,
                    queue.position_after(span.from)..queue.position_after(span.to),
                )
            })
            .collect();
        let next = |part: &mut (&Queue, Range<usize>)| {
            let positions = &mut part.1;
            let position = match order {
                Order::NewestFirst => positions.next_back(),
                Order::OldestFirst => positions.next(),
            }?;
            let seq = part.0.seq_at(position)?;
            Some((rank(seq), seq, part.0.bytes_at(position)))
        };
        let mut heads = BinaryHeap::with_capacity(parts.len());
        for (index, part) in parts.iter_mut().enumerate() {
            heads.extend(next(part).map(|head| (head, index)));
        }
        let (mut shown, mut steps) = (None, 0);
        while let Some(((_, seq, bytes), index)) = heads.pop() {
            steps += 1;
            heads.extend(next(&mut parts[index]).map(|head| (head, index)));
            if shown.replace(seq) != Some(seq) && each(seq, Load { messages: 1, bytes }).is_break() {
                break;
            }
        }
        steps
    }

    fn queues_and_spans(&self) -> impl Iterator<Item = (&Queue, &QueueSpan)> {
        let queue = |span: &QueueSpan| self.queues.get(&span.queue);
        self.spans
            .iter()
            .filter_map(move |span| Some((queue(span)?, span)))
    }
}
