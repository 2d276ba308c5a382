//! Applying records to the tables.
//!
//! Records may be nonsense (a record for a session that does not exist, a range out of order): such a record changes
//! nothing. The broker does not write them; recovery may meet them behind a damaged region.

use restante_model::{Binding, Cursor, MessageId, QueueId, Seq, SessionId, SubscriptionOptions};

use crate::{
    change_record::{self, ChangeRecord},
    log::{index::IndexEntry, waited::Ended},
    record::MessageRecord,
};

use super::{
    Tables,
    queue::{Dropped, Queue},
    retained::Kept,
    session::{Session, Subscription},
};

/// Sessions with at most this many subscriptions trim the queues that only they read at each acknowledgement; the
/// others wait for the sweep.
const TRIM_AT_ONCE_MAX: usize = 4;

impl Tables {
    /// Applies a message whose record stands at `offset` of the open segment.
    pub(crate) fn message(
        &mut self,
        seq: Seq,
        id: MessageId,
        offset: u32,
        len: u32,
        message: &MessageRecord<'_>,
    ) {
        self.enter(seq, offset, len, message);
        if message.set_retained
            && let Ok(topic) = std::str::from_utf8(message.topic)
            && !self.image_has_topic(topic, seq)
        {
            if message.payload.is_empty() {
                self.retained.clear(topic);
            } else {
                self.retained.set(Kept::new(seq, id, message));
            }
        }
        if let Some((session, packet_id)) = message.receipt {
            self.receive(session, packet_id, seq);
        }
    }

    /// Puts a message into its queues.
    pub(crate) fn enter(&mut self, seq: Seq, offset: u32, len: u32, message: &MessageRecord<'_>) {
        let Some(open) = &mut self.segments.open else {
            return;
        };
        let entry = IndexEntry { seq, offset, len };
        for id in message.queues.clone() {
            let Some(queue) = self.queues.get_mut(id.0).filter(|queue| !queue.closed) else {
                continue;
            };
            if queue.push(entry) {
                open.queues.push(id.0);
            }
            open.live += 1;
            open.messages += 1;
            open.deadline = open.deadline.max(message.deadline);
            self.entries += 1;
            if let Some(rejecting) = &mut self.rejecting {
                rejecting.in_doubt.push(id.0);
            }
        }
    }

    /// Applies a change.
    pub(crate) fn change(&mut self, at: Seq, change: ChangeRecord<'_>) {
        match change {
            ChangeRecord::QueueOpened { queue, filter } => self.open_queue(queue, filter, at),
            ChangeRecord::QueueClosed { queue } => self.close_queue(queue, at),
            ChangeRecord::RetainedCleared { topic } => {
                if !self.image_has_topic(topic, at) {
                    self.retained.clear(topic);
                }
            }
            ChangeRecord::Noted { key, value } => {
                if !self.image_has_note(key, at) {
                    let changed = self.notes.set(key, value);
                    self.dirty.notes.extend(changed);
                }
            }
            ChangeRecord::SessionOpened {
                session,
                client_id,
                version,
                expiry,
                will,
                at: since,
            } => {
                self.highest_session = self.highest_session.max(session.0);
                if self.image_has_session(session, at) {
                    return;
                }
                self.sessions
                    .get_or_insert_with(session.0, || Session::new(client_id, at));
                self.own.opened(session, version);
                self.with(session, at, |session| {
                    session.version = version;
                    session.expiry = expiry;
                    session.connected = true;
                    session.since = since;
                    session.rare(|rare| rare.will = will);
                });
            }
            ChangeRecord::SessionEnded { session } => self.end_session(session, at),
            ChangeRecord::Subscribed {
                session,
                filter,
                queue,
                options,
            } => {
                self.subscribe(session, filter, queue, options, at);
            }
            ChangeRecord::Unsubscribed { session, filter } => self.unsubscribe(session, filter, at),
            ChangeRecord::CursorMoved { session, low, above } => self.move_cursor(session, at, low, above),
            ChangeRecord::SessionDetached {
                session,
                expiry,
                bindings,
                at: since,
                will_void,
            } => {
                self.with(session, at, |session| {
                    session.connected = false;
                    session.expiry = expiry;
                    session.since = since;
                    if will_void {
                        session.rare_if_any(|rare| rare.will = None);
                    }
                });
                self.bind(session, at, |all, flight| {
                    flight.over.append(all);
                    *all = last_of_each(bindings);
                    flight.begun.clone_from(all);
                });
            }
            ChangeRecord::WillCleared { session } => {
                self.with(session, at, |session| {
                    session.rare_if_any(|rare| rare.will = None)
                });
            }
            ChangeRecord::PacketIdsReserved { session, next } => {
                self.with(session, at, |session| session.next_packet_id = next);
            }
            ChangeRecord::Bound { session, binding } => self.bind_one(session, at, binding),
            ChangeRecord::BoundHere {
                session,
                back,
                packet_id,
                qos,
                retain,
            } => {
                if let Some(binding) = change_record::bound_here(at, back, packet_id, qos, retain) {
                    self.bind_one(session, at, binding);
                }
            }
            ChangeRecord::Released { session, packet_id } => self.bind(session, at, |all, flight| {
                if let Some(binding) = all.iter_mut().find(|binding| binding.packet_id == packet_id) {
                    flight.over.push(*binding);
                    binding.released = true;
                }
            }),
            ChangeRecord::Unbound { session, packet_id } => {
                self.bind(session, at, |all, flight| flight.take(all, packet_id));
            }
            ChangeRecord::Received { session, packet_id } => self.receive(session, packet_id, at),
            ChangeRecord::Completed { session, packet_id } => self.with(session, at, |session| {
                session.rare_if_any(|rare| rare.receipts.retain(|&id| id != packet_id));
            }),
        }
    }

    /// Changes a session, unless it does not exist or its image has the change already.
    fn with(&mut self, id: SessionId, at: Seq, change: impl FnOnce(&mut Session)) {
        if self.image_has_session(id, at) {
            return;
        }
        if let Some(session) = self.sessions.get_mut(id.0) {
            change(session);
            if !std::mem::replace(&mut session.dirty, true) {
                self.dirty.sessions.push(id.0);
            }
        }
    }

    fn receive(&mut self, session: SessionId, packet_id: u16, at: Seq) {
        self.with(session, at, |session| {
            session.rare(|rare| {
                if !rare.receipts.contains(&packet_id) {
                    rare.receipts.push(packet_id);
                }
            });
        });
    }

    fn bind_one(&mut self, session: SessionId, at: Seq, binding: Binding) {
        self.bind(session, at, |all, flight| {
            flight.take(all, binding.packet_id);
            flight.begun.push(binding);
            all.push(binding);
        });
    }

    /// Changes a session's bindings, and what they hold (K15).
    fn bind(&mut self, id: SessionId, at: Seq, change: impl FnOnce(&mut Vec<Binding>, &mut Flight)) {
        let mut flight = Flight::default();
        self.with(id, at, |session| {
            session.rare(|rare| change(&mut rare.bindings, &mut flight))
        });
        // What begins first, so that what ends and begins again is never let go.
        for binding in flight.begun.iter().filter(|binding| !binding.released) {
            self.segments.pin(binding.seq);
            self.retained.hold(binding.seq);
        }
        for binding in flight.over.iter().filter(|binding| !binding.released) {
            self.segments.unpin(binding.seq);
            self.retained.release(binding.seq);
        }
    }

    fn open_queue(&mut self, id: QueueId, filter: &str, at: Seq) {
        self.highest_queue = self.highest_queue.max(id.0);
        if self
            .images
            .as_ref()
            .is_some_and(|images| images.queues.get(&id.0).is_some_and(|&has| has >= at))
        {
            return;
        }
        let mut new = false;
        self.queues.get_or_insert_with(id.0, || {
            new = true;
            Queue::new(filter)
        });
        if new {
            self.dirty.queues.push(id.0);
        }
    }

    fn close_queue(&mut self, id: QueueId, at: Seq) {
        if self
            .images
            .as_ref()
            .is_some_and(|images| images.queues.get(&id.0).is_some_and(|&has| has >= at))
        {
            return;
        }
        let Some(queue) = self.queues.get_mut(id.0) else {
            return;
        };
        let mut dropped = Dropped::default();
        queue.trim(Seq::MAX, &mut dropped);
        queue.closed = true;
        if queue.readers == 0 {
            self.queues.remove(id.0);
        }
        self.dirty.queues_gone.push(id.0);
        self.dropped(&dropped);
        if let Some(rejecting) = &mut self.rejecting {
            rejecting.in_doubt.push(id.0);
        }
    }

    fn subscribe(
        &mut self,
        session: SessionId,
        filter: &str,
        queue: Option<QueueId>,
        options: SubscriptionOptions,
        at: Seq,
    ) {
        if self.image_has_session(session, at) {
            return;
        }
        let (sessions, queues) = (&mut self.sessions, &self.queues);
        let Some(subscriber) = sessions.get_mut(session.0) else {
            return;
        };
        let mut left = None;
        let mut joined = queue;
        match subscriber.subscription(filter, queues) {
            None => {
                let new = Subscription::new(filter, queue, options, at, queues);
                if subscriber.subscriptions.capacity() == subscriber.subscriptions.len() {
                    let more = 1 + subscriber.subscriptions.len() / 4;
                    subscriber.subscriptions.reserve_exact(more);
                }
                subscriber.subscriptions.push(new);
            }
            Some(place) => {
                let old = &mut subscriber.subscriptions[place];
                old.change(at, options);
                let before = old.queue();
                if queue.is_none() || queue == before {
                    joined = None;
                } else if let Some(queue) = queue {
                    old.read_queue(filter, queue, queues);
                    left = before;
                }
            }
        }
        self.with(session, at, |_| ());
        self.join_queue(joined, session);
        self.leave_queue(left, session);
    }

    fn unsubscribe(&mut self, session: SessionId, filter: &str, at: Seq) {
        if self.image_has_session(session, at) {
            return;
        }
        let subscriber = self.sessions.get(session.0);
        let Some(place) = subscriber.and_then(|known| known.subscription(filter, &self.queues)) else {
            return;
        };
        self.ends(session, |tables, session| {
            Ended::subscription(tables, session, place, at)
        });
        let Some(subscriber) = self.sessions.get_mut(session.0) else {
            return;
        };
        let ended = subscriber.subscriptions.swap_remove(place);
        self.with(session, at, |_| ());
        self.leave_queue(ended.queue(), session);
    }

    fn end_session(&mut self, id: SessionId, at: Seq) {
        if self.image_has_session(id, at) {
            return;
        }
        self.ends(id, |tables, session| Ended::session(tables, session, at));
        self.bind(id, at, |all, flight| flight.over.append(all));
        let Some(ended) = self.sessions.remove(id.0) else {
            return;
        };
        self.own.ended(id);
        self.dirty.sessions_gone.push(id.0);
        for subscription in &ended.subscriptions {
            self.leave_queue(subscription.queue(), id);
        }
    }

    /// Notes what somebody may have waited for, while it can still be found.
    fn ends(&mut self, id: SessionId, look: impl FnOnce(&Tables, &Session) -> Ended) {
        if self.ended.is_none() {
            return;
        }
        let ended = self.sessions.get(id.0).map(|session| look(self, session));
        if let (Some(all), Some(ended)) = (&mut self.ended, ended.filter(|ended| !ended.is_nothing())) {
            all.push(ended);
        }
    }

    /// A cursor never goes beyond the change that moves it, and nonsense does not move it.
    fn move_cursor(&mut self, id: SessionId, at: Seq, low: Seq, above: Vec<(Seq, Seq)>) {
        let Some(moved) = Cursor::from_parts(low, above) else {
            return;
        };
        if low > at || moved.above().last().is_some_and(|range| range.1 > at) {
            return;
        }
        self.with(id, at, |session| session.move_cursor(moved));
        self.trim_own(id);
    }

    /// Trims the queues that only this session reads.
    pub(crate) fn trim_own(&mut self, id: SessionId) {
        let (Some(session), queues) = (self.sessions.get(id.0), &mut self.queues) else {
            return;
        };
        if session.subscriptions.len() > TRIM_AT_ONCE_MAX {
            return;
        }
        let mut dropped = Dropped::default();
        for subscription in &session.subscriptions {
            let Some(queue) = subscription.queue() else {
                continue;
            };
            if let Some(rejecting) = &mut self.rejecting {
                rejecting.in_doubt.push(queue.0);
            }
            if let Some(queue) = queues.get_mut(queue.0).filter(|queue| queue.readers == 1) {
                let needed = subscription
                    .owed(session.low)
                    .next()
                    .map_or(session.low, |(from, _)| from);
                queue.trim(needed, &mut dropped);
            }
        }
        self.dropped(&dropped);
    }

    /// Counts a reader.
    pub(crate) fn join_queue(&mut self, queue: Option<QueueId>, session: SessionId) {
        let Some(id) = queue else {
            return;
        };
        if let Some(queue) = self.queues.get_mut(id.0) {
            queue.readers += 1;
        }
        if let Some(rejecting) = &mut self.rejecting {
            rejecting.readers.entry(id.0).or_default().push(session.0);
            rejecting.in_doubt.push(id.0);
        }
    }

    fn leave_queue(&mut self, queue: Option<QueueId>, session: SessionId) {
        let Some(id) = queue else {
            return;
        };
        if let Some(queue) = self.queues.get_mut(id.0) {
            queue.readers = queue.readers.saturating_sub(1);
            if queue.readers == 0 && queue.closed {
                self.queues.remove(id.0);
            }
        }
        if let Some(rejecting) = &mut self.rejecting {
            if let Some(readers) = rejecting.readers.get_mut(&id.0) {
                if let Some(at) = readers.iter().position(|&reader| reader == session.0) {
                    readers.swap_remove(at);
                }
                if readers.is_empty() {
                    rejecting.readers.remove(&id.0);
                }
            }
            rejecting.in_doubt.push(id.0);
        }
    }

    /// The sessions were read from a checkpoint: counts who reads what, and what is in flight.
    pub(crate) fn count_readers_and_flights(&mut self) {
        let mut readers = Vec::new();
        let mut flights = Vec::new();
        for (id, session) in self.sessions.values() {
            for subscription in &session.subscriptions {
                readers.push((subscription.queue(), SessionId(id)));
            }
            flights.extend(
                session
                    .bindings()
                    .iter()
                    .filter(|binding| !binding.released)
                    .map(|binding| binding.seq),
            );
        }
        for (queue, session) in readers {
            self.join_queue(queue, session);
        }
        for seq in flights {
            self.segments.pin(seq);
            self.retained.hold(seq);
        }
    }

    fn image_has_session(&self, id: SessionId, at: Seq) -> bool {
        let images = self.images.as_ref();
        images.is_some_and(|images| images.sessions.get(&id.0).is_some_and(|&has| has >= at))
    }

    fn image_has_note(&self, key: &str, at: Seq) -> bool {
        let images = self.images.as_ref();
        images.is_some_and(|images| images.notes.get(key).is_some_and(|&has| has >= at))
    }

    fn image_has_topic(&self, topic: &str, at: Seq) -> bool {
        let images = self.images.as_ref();
        images.is_some_and(|images| images.topics.get(topic).is_some_and(|&has| has >= at))
    }
}

/// Which deliveries a change begins and which it ends.
#[derive(Default)]
struct Flight {
    begun: Vec<Binding>,
    over: Vec<Binding>,
}

impl Flight {
    fn take(&mut self, all: &mut Vec<Binding>, packet_id: u16) {
        if let Some(at) = all.iter().position(|binding| binding.packet_id == packet_id) {
            self.over.push(all.remove(at));
        }
    }
}

/// Of bindings under one packet id the last one counts.
fn last_of_each(bindings: Vec<Binding>) -> Vec<Binding> {
    let mut kept: Vec<Binding> = Vec::with_capacity(bindings.len());
    for binding in bindings {
        kept.retain(|other| other.packet_id != binding.packet_id);
        kept.push(binding);
    }
    kept
}
