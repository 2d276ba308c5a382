//! One persistent session as the memory store holds it.

use std::collections::{BTreeMap, VecDeque};

use restante_model::{
    Binding, Cursor, Epochs, QoS, QueueId, Seq, SessionId, SubscriptionOptions, UnixMillis,
};

use crate::{
    contract::QueueSpan,
    image::{SessionImage, SubscriptionImage, Will},
};

use super::bodies::Bodies;

/// A session.
pub(super) struct Session {
    client_id: Box<str>,
    pub(super) version: u8,
    pub(super) expiry: u32,
    pub(super) connected: bool,
    pub(super) since: UnixMillis,
    pub(super) subscriptions: BTreeMap<Box<str>, Subscription>,
    pub(super) cursor: Cursor,
    /// In the order they came.
    receipts: VecDeque<u16>,
    bindings: VecDeque<Held>,
    pub(super) next_packet_id: u16,
    pub(super) will: Option<Will>,
}

/// One subscription.
pub(super) struct Subscription {
    pub(super) queue: Option<QueueId>,
    pub(super) epochs: Epochs,
}

/// A binding, and whether it holds the body of its message (K15).
struct Held {
    binding: Binding,
    holds: bool,
}

impl Session {
    /// A session that begins at `at`: nothing before is owed to it.
    pub(super) fn new(client_id: &str, at: Seq) -> Session {
        Session {
            client_id: client_id.into(),
            version: 0,
            expiry: 0,
            connected: true,
            since: UnixMillis(0),
            subscriptions: BTreeMap::new(),
            cursor: Cursor::at(at),
            receipts: VecDeque::new(),
            bindings: VecDeque::new(),
            next_packet_id: 0,
            will: None,
        }
    }

    /// Begins or changes a subscription at `at`. Answers the queue it read before, if that is another one now.
    pub(super) fn subscribe(
        &mut self,
        filter: &str,
        queue: Option<QueueId>,
        options: SubscriptionOptions,
        at: Seq,
    ) -> Option<QueueId> {
        let Some(subscription) = self.subscriptions.get_mut(filter) else {
            let epochs = Epochs::begin(at, options);
            self.subscriptions
                .insert(filter.into(), Subscription { queue, epochs });
            return None;
        };
        subscription.epochs.change(at, options);
        let before = subscription.queue;
        subscription.queue = queue.or(before);
        before.filter(|_| before != subscription.queue)
    }

    /// Replaces the cursor. It never moves back: what a limit has pushed out stays out.
    pub(super) fn move_cursor(&mut self, moved: Cursor) {
        let floor = self.cursor.low();
        self.cursor = moved;
        self.cursor.advance(floor);
        let low = self.cursor.low();
        for subscription in self.subscriptions.values_mut() {
            subscription.epochs.forget_below(low);
        }
    }

    /// A QoS 2 publish of this client came; a second time makes no difference.
    pub(super) fn receive(&mut self, packet_id: u16) {
        if !self.receipts.contains(&packet_id) {
            self.receipts.push_back(packet_id);
        }
    }

    /// Its PUBREL came.
    pub(super) fn complete(&mut self, packet_id: u16) {
        if let Some(at) = self.receipts.iter().position(|&id| id == packet_id) {
            self.receipts.remove(at);
        }
    }

    /// Binds a delivery; one under the same packet id is replaced.
    pub(super) fn bind(&mut self, binding: Binding, bodies: &mut Bodies) {
        let holds = !binding.released && bodies.hold(binding.seq);
        self.unbind(binding.packet_id, bodies);
        self.bindings.push_back(Held { binding, holds });
    }

    /// Replaces all bindings.
    pub(super) fn bind_all(&mut self, bindings: &[Binding], bodies: &mut Bodies) {
        let before = std::mem::take(&mut self.bindings);
        for &binding in bindings {
            self.bind(binding, bodies);
        }
        for held in before.into_iter().filter(|held| held.holds) {
            bodies.release(held.binding.seq);
        }
    }

    /// PUBREC came: the message itself is not needed any more.
    pub(super) fn release(&mut self, packet_id: u16, bodies: &mut Bodies) {
        let held = self
            .bindings
            .iter_mut()
            .find(|held| held.binding.packet_id == packet_id);
        if let Some(held) = held {
            held.binding.released = true;
            if std::mem::take(&mut held.holds) {
                bodies.release(held.binding.seq);
            }
        }
    }

    /// The delivery is over.
    pub(super) fn unbind(&mut self, packet_id: u16, bodies: &mut Bodies) {
        let at = self
            .bindings
            .iter()
            .position(|held| held.binding.packet_id == packet_id);
        if let Some(held) = at.and_then(|at| self.bindings.remove(at))
            && held.holds
        {
            bodies.release(held.binding.seq);
        }
    }

    /// The parts of its queues that it is owed and has not acknowledged: by subscription and epoch above QoS 0, cut
    /// at the cursor's low-water mark and at its ranges.
    pub(super) fn owed(&self) -> impl Iterator<Item = QueueSpan> + '_ {
        self.owed_beyond(&self.cursor)
    }

    /// What waits: what it is owed without what has started, also while the cursor that covers that is still on its
    /// way.
    pub(super) fn waiting(&self) -> Vec<QueueSpan> {
        self.owed_beyond(&self.cursor_with_bindings()).collect()
    }

    fn owed_beyond<'a>(&'a self, cursor: &'a Cursor) -> impl Iterator<Item = QueueSpan> + 'a {
        self.subscriptions
            .values()
            .flat_map(move |subscription| subscription.owed(cursor))
    }

    /// The same of one subscription, by another cursor.
    pub(super) fn owed_under<'a>(
        &'a self,
        filter: &str,
        cursor: &'a Cursor,
    ) -> impl Iterator<Item = QueueSpan> + 'a {
        let subscription = self.subscriptions.get(filter);
        subscription
            .into_iter()
            .flat_map(move |subscription| subscription.owed(cursor))
    }

    /// The cursor, and done with what is bound as well: that is owed by its binding, whatever the cursor knows of it.
    pub(super) fn cursor_with_bindings(&self) -> Cursor {
        let mut cursor = self.cursor.clone();
        for held in self.bindings.iter().filter(|held| !held.binding.aside) {
            cursor.acknowledge(held.binding.seq);
        }
        cursor
    }

    /// Deliveries that were bound and that the client has not received for sure.
    pub(super) fn bindings_open(&self) -> u64 {
        self.bindings.iter().filter(|held| !held.binding.released).count() as u64
    }

    /// The session as a value.
    pub(super) fn image(&self, session: SessionId) -> SessionImage {
        SessionImage {
            session,
            client_id: self.client_id.clone(),
            version: self.version,
            expiry: self.expiry,
            connected: self.connected,
            since: self.since,
            subscriptions: self
                .subscriptions
                .iter()
                .map(|(filter, subscription)| SubscriptionImage {
                    filter: filter.clone(),
                    queue: subscription.queue,
                    epochs: subscription.epochs.clone(),
                })
                .collect(),
            cursor: self.cursor.clone(),
            receipts: self.receipts.iter().copied().collect(),
            bindings: self.bindings.iter().map(|held| held.binding).collect(),
            next_packet_id: self.next_packet_id,
            will: self.will.clone(),
        }
    }
}

impl Subscription {
    fn owed<'a>(&'a self, cursor: &'a Cursor) -> impl Iterator<Item = QueueSpan> + 'a {
        self.queue
            .into_iter()
            .flat_map(|queue| self.epochs.parts().iter().map(move |epoch| (queue, epoch)))
            .filter(|(_, epoch)| epoch.options.qos > QoS::AtMostOnce)
            .flat_map(move |(queue, epoch)| {
                not_acknowledged(cursor, epoch.from, epoch.to).map(move |(from, to)| QueueSpan {
                    queue,
                    from,
                    to,
                })
            })
    }
}

/// The parts of `from < seq <= to` that a cursor has not done with.
fn not_acknowledged(cursor: &Cursor, from: Seq, to: Seq) -> impl Iterator<Item = (Seq, Seq)> + '_ {
    let from = from.max(cursor.low());
    let above = cursor.above();
    let first = above.partition_point(|range| range.1 <= from);
    let starts = std::iter::once(from).chain(above[first..].iter().map(|range| range.1));
    let ends = above[first..]
        .iter()
        .map(|range| Seq(range.0.0 - 1))
        .chain(std::iter::once(Seq::MAX));
    starts
        .zip(ends)
        .take_while(move |&(start, _)| start < to)
        .map(move |(start, end)| (start, end.min(to)))
        .filter(|(start, end)| start < end)
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
            parts.map(|(from, to)| (from.0, to.0)).collect()
        };
        assert_eq!(left(0, 30), [(10, 11), (12, 14), (20, 30)]);
        assert_eq!(left(13, 18), [(13, 14)]);
        assert_eq!(left(16, 18), []);
        assert_eq!(left(16, 25), [(20, 25)]);
        assert_eq!(left(11, 14), [(12, 14)]);
        assert_eq!(left(5, 9), []);
    }
}
