//! Everything the memory store knows. Owned by its worker thread, so nothing here is locked; changed record by
//! record, in the order of the sequences.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use restante_model::{Cursor, MessageId, QueueId, Seq, SessionId, UnixMicros, UnixMillis};

use crate::{
    batch::Batch,
    change::OWN_VERSION,
    change_record::{self, ChangeRecord},
    contract::{Backlog, QueueLimits, RetainedPage, RetainedRequest, Waited, WhenFull},
    image::StoredMessage,
    notes::Notes,
    record::{self, MessageRecord},
};

use super::{
    bodies::{Bodies, Body},
    queue::Queue,
    retained::Retained,
    session::Session,
    sweep::Sweep,
};

/// Topics of retained messages that are looked at for one page, so that the worker is soon free for others.
const TOPICS_AT_ONCE: usize = 16_384;

/// The tables.
pub(super) struct Tables {
    pub(super) limits: QueueLimits,
    node: u64,
    pub(super) bodies: Bodies,
    pub(super) queues: HashMap<QueueId, Queue>,
    /// Queues that were closed and whose bodies the sweep still has to free.
    pub(super) closed: Vec<Queue>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    /// Those of the broker's own.
    pub(super) own: BTreeSet<SessionId>,
    pub(super) retained: Retained,
    pub(super) notes: Notes,
    /// The last sequence that was applied.
    pub(super) applied: Seq,
    /// The time of the last tick.
    pub(super) now: UnixMillis,
    pub(super) sweep: Sweep,
    /// Entries of all queues.
    pub(super) entries: u64,
    /// Entries that limits pushed out.
    pub(super) evicted: u64,
    /// Entries whose messages expired before every reader had them.
    pub(super) expired: u64,
    /// What was owed when sessions and subscriptions ended.
    pub(super) waited: Waited,
    /// With `reject-publisher`: the queues that are full, and those of which it must be worked out again.
    pub(super) full: HashSet<QueueId>,
    pub(super) full_in_doubt: HashSet<QueueId>,
}

impl Tables {
    pub(super) fn new(limits: QueueLimits, node: u64, applied: Seq) -> Tables {
        Tables {
            limits,
            node,
            bodies: Bodies::default(),
            queues: HashMap::new(),
            closed: Vec::new(),
            sessions: BTreeMap::new(),
            own: BTreeSet::new(),
            retained: Retained::default(),
            notes: Notes::default(),
            applied,
            now: UnixMillis(0),
            sweep: Sweep::default(),
            entries: 0,
            evicted: 0,
            expired: 0,
            waited: Waited::default(),
            full: HashSet::new(),
            full_in_doubt: HashSet::new(),
        }
    }

    /// Applies a whole batch.
    pub(super) fn apply(&mut self, first: Seq, last: Seq, time: UnixMicros, batch: &Batch) {
        // What nobody holds yet may be bound further on in the batch.
        let mut loose = Vec::new();
        for record in batch.records() {
            let seq = first.plus(u64::from(record.ordinal));
            match record.body {
                record::Body::Message(message) => {
                    let id = record::message_id(time.0, self.node, record.ordinal);
                    loose.extend(self.message(seq, id, &message, record.len));
                }
                record::Body::Change(ChangeRecord::SessionEnded { session }) => {
                    self.count_session(session, batch.word(record.ordinal));
                    self.end_session(session);
                }
                record::Body::Change(change) => self.change(seq, change),
            }
        }
        for seq in loose {
            self.bodies.release(seq);
        }
        self.applied = last;
    }

    /// Answers the message if nobody holds it but the caller, who is to release it.
    fn message(
        &mut self,
        seq: Seq,
        id: MessageId,
        message: &MessageRecord<'_>,
        record_bytes: usize,
    ) -> Option<Seq> {
        let body = Body::copy(id, message, record_bytes);
        let mut holders = 0;
        for id in message.queues.clone() {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            queue.push(seq, body.len(), message.deadline);
            holders += 1;
            self.entries += 1;
            if self.limits.when_full == WhenFull::RejectPublisher {
                self.full_in_doubt.insert(id);
            }
        }
        if message.set_retained
            && let Ok(topic) = std::str::from_utf8(message.topic)
        {
            let replaced = if message.payload.is_empty() {
                self.retained.clear(topic)
            } else {
                holders += 1;
                self.retained.set(topic, seq, body.len(), message.deadline)
            };
            self.release(replaced);
        }
        self.bodies.insert(seq, body, holders.max(1));
        if let Some((session, packet_id)) = message.receipt
            && let Some(session) = self.sessions.get_mut(&session)
        {
            session.receive(packet_id);
        }
        (holders == 0).then_some(seq)
    }

    fn change(&mut self, at: Seq, change: ChangeRecord<'_>) {
        match change {
            ChangeRecord::QueueOpened { queue, .. } => {
                self.queues.entry(queue).or_insert_with(|| Queue::new(at));
            }
            ChangeRecord::QueueClosed { queue } => self.close_queue(queue),
            ChangeRecord::RetainedCleared { topic } => {
                let cleared = self.retained.clear(topic);
                self.release(cleared);
            }
            ChangeRecord::Noted { key, value } => _ = self.notes.set(key, value),
            ChangeRecord::SessionOpened {
                session,
                client_id,
                version,
                expiry,
                will,
                at: since,
            } => {
                match version == OWN_VERSION {
                    true => _ = self.own.insert(session),
                    false => _ = self.own.remove(&session),
                }
                let session = self.sessions.entry(session);
                let session = session.or_insert_with(|| Session::new(client_id, at));
                session.version = version;
                session.expiry = expiry;
                session.will = will;
                session.connected = true;
                session.since = since;
            }
            ChangeRecord::Subscribed {
                session,
                filter,
                queue,
                options,
            } => {
                let Some(subscriber) = self.sessions.get_mut(&session) else {
                    return;
                };
                let left = subscriber.subscribe(filter, queue, options, at);
                self.leave_queue(left, session);
                if let Some(queue) = queue.and_then(|queue| self.queues.get_mut(&queue)) {
                    queue.readers.insert(session);
                }
            }
            ChangeRecord::Unsubscribed { session, filter } => {
                self.count_subscription(session, filter);
                let Some(subscriber) = self.sessions.get_mut(&session) else {
                    return;
                };
                let subscription = subscriber.subscriptions.remove(filter);
                self.leave_queue(subscription.and_then(|ended| ended.queue), session);
            }
            ChangeRecord::CursorMoved { session, low, above } => self.move_cursor(session, at, low, above),
            ChangeRecord::BoundHere {
                session,
                back,
                packet_id,
                qos,
                retain,
            } => {
                if let Some(binding) = change_record::bound_here(at, back, packet_id, qos, retain) {
                    self.with(session, |session, bodies| session.bind(binding, bodies));
                }
            }
            change => self.session_change(change),
        }
    }

    /// The changes that concern one session and nothing else.
    fn session_change(&mut self, change: ChangeRecord<'_>) {
        match change {
            ChangeRecord::SessionDetached {
                session,
                expiry,
                bindings,
                at,
                will_void,
            } => self.with(session, |session, bodies| {
                session.connected = false;
                session.expiry = expiry;
                session.since = at;
                session.bind_all(&bindings, bodies);
                if will_void {
                    session.will = None;
                }
            }),
            ChangeRecord::WillCleared { session } => self.with(session, |session, _| session.will = None),
            ChangeRecord::PacketIdsReserved { session, next } => {
                self.with(session, |session, _| session.next_packet_id = next);
            }
            ChangeRecord::Bound { session, binding } => {
                self.with(session, |session, bodies| session.bind(binding, bodies));
            }
            ChangeRecord::Released { session, packet_id } => {
                self.with(session, |session, bodies| session.release(packet_id, bodies));
            }
            ChangeRecord::Unbound { session, packet_id } => {
                self.with(session, |session, bodies| session.unbind(packet_id, bodies));
            }
            ChangeRecord::Received { session, packet_id } => {
                self.with(session, |session, _| session.receive(packet_id));
            }
            ChangeRecord::Completed { session, packet_id } => {
                self.with(session, |session, _| session.complete(packet_id));
            }
            // The others concern queues as well, and were dealt with where they were told apart.
            _ => {}
        }
    }

    fn with(&mut self, session: SessionId, change: impl FnOnce(&mut Session, &mut Bodies)) {
        if let Some(session) = self.sessions.get_mut(&session) {
            change(session, &mut self.bodies);
        }
    }

    /// A cursor never goes beyond the change that moves it, and nonsense does not move it.
    fn move_cursor(&mut self, session: SessionId, at: Seq, low: Seq, above: Vec<(Seq, Seq)>) {
        let Some(reader) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(moved) = Cursor::from_parts(low, above) else {
            return;
        };
        if low > at || moved.above().last().is_some_and(|range| range.1 > at) {
            return;
        }
        let before = reader.cursor.low();
        reader.move_cursor(moved);
        if self.full.is_empty() {
            return;
        }
        for id in reader
            .subscriptions
            .values()
            .filter_map(|subscription| subscription.queue)
        {
            if self.full.contains(&id) && self.queues.get(&id).is_some_and(|queue| before <= queue.slowest) {
                self.full_in_doubt.insert(id);
            }
        }
    }

    fn close_queue(&mut self, queue: QueueId) {
        let Some(closed) = self.queues.remove(&queue) else {
            return;
        };
        self.full.remove(&queue);
        self.entries -= closed.len() as u64;
        if closed.len() > 0 {
            self.closed.push(closed);
        }
    }

    fn end_session(&mut self, session: SessionId) {
        let Some(mut ended) = self.sessions.remove(&session) else {
            return;
        };
        self.own.remove(&session);
        ended.bind_all(&[], &mut self.bodies);
        for subscription in ended.subscriptions.into_values() {
            self.leave_queue(subscription.queue, session);
        }
    }

    fn leave_queue(&mut self, queue: Option<QueueId>, session: SessionId) {
        let Some(id) = queue else { return };
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.readers.remove(&session);
            if self.full.contains(&id) {
                self.full_in_doubt.insert(id);
            }
        }
    }

    pub(super) fn release(&mut self, seq: Option<Seq>) {
        if let Some(seq) = seq {
            self.bodies.release(seq);
        }
    }

    /// What waits for a session.
    pub(super) fn backlog(&self, id: SessionId) -> Backlog {
        let mut backlog = Backlog::default();
        for span in self.sessions.get(&id).iter().flat_map(|session| session.owed()) {
            let Some(queue) = self.queues.get(&span.queue) else {
                continue;
            };
            let load = queue.load(span.from, span.to);
            backlog.messages += load.messages;
            backlog.bytes += load.bytes;
            let first = queue.seq_at(queue.position_after(span.from));
            let first = first.filter(|_| load.messages > 0);
            let published = first.and_then(|seq| self.bodies.get(seq)).map(Body::published);
            backlog.oldest = backlog.oldest.into_iter().chain(published).min();
        }
        backlog
    }

    /// Whether a session of the broker's own reads a queue.
    pub(super) fn is_read_by_own(&self, queue: &Queue) -> bool {
        self.own.iter().any(|session| queue.readers.contains(session))
    }

    /// The messages of a session's bindings.
    pub(super) fn bound_messages(&self, session: SessionId, seqs: &[Seq]) -> Vec<Option<StoredMessage>> {
        let known = self.sessions.contains_key(&session);
        let message = |&seq: &Seq| Some(self.bodies.get(seq).filter(|_| known)?.stored(seq));
        seqs.iter().map(message).collect()
    }

    /// A page of retained messages.
    pub(super) fn retained(&self, request: &RetainedRequest) -> RetainedPage {
        let (seqs, after) = self.retained.page(request, self.now, TOPICS_AT_ONCE);
        let message = |seq| Some(self.bodies.get(seq)?.stored(seq));
        RetainedPage {
            messages: seqs.into_iter().filter_map(message).collect(),
            after,
        }
    }
}
