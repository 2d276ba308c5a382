//! The naive model: what a store must know after a list of operations, worked out in the plainest way.
//!
//! Nothing is ever trimmed, compacted or cached here; a backlog is found by looking at every message there was.

use std::collections::{BTreeMap, BTreeSet};

use restante_model::{Binding, Cursor, Epochs, NotKept, QoS, QueueId, Seq, SessionId, UnixMicros};

use crate::{
    change::OWN_VERSION,
    change_record::ChangeRecord,
    contract::{Note, QueueSpan, Span, Waited},
    image::{SessionImage, StoredMessage, SubscriptionImage},
    parts::Parts,
    record,
};

use super::{
    observed::{Observed, Owed, Seen, spans},
    operation::{Operation, Published, word_of},
};

/// What must be there.
#[derive(Clone, Debug)]
pub struct State {
    /// The node part of message ids.
    node: u64,
    /// Every session that lives.
    pub sessions: BTreeMap<SessionId, SessionImage>,
    /// Every session that ever was.
    pub sessions_ever: BTreeSet<SessionId>,
    /// Every queue that is open, with its filter.
    pub queues: BTreeMap<QueueId, &'static str>,
    /// Every queue that ever was.
    pub queues_ever: BTreeSet<QueueId>,
    /// Every message that was ever kept, in order, with the queues it entered.
    pub messages: Vec<(StoredMessage, Vec<QueueId>)>,
    /// The retained message of each topic.
    pub retained: BTreeMap<&'static str, StoredMessage>,
    /// The value of each note.
    pub notes: BTreeMap<&'static str, &'static [u8]>,
    /// What was owed when sessions and subscriptions ended, since the store was opened.
    pub waited: Waited,
    /// Whether all that waited at those ends was little enough for a store to count it exactly.
    pub waited_is_exact: bool,
}

/// Entries that a store must compare one by one where filters overlap; beyond, it may answer an upper bound (K23).
const COMPARED: usize = 1024;

impl State {
    /// Nothing.
    pub fn new(node: u64) -> State {
        State {
            node,
            sessions: BTreeMap::new(),
            sessions_ever: BTreeSet::new(),
            queues: BTreeMap::new(),
            queues_ever: BTreeSet::new(),
            messages: Vec::new(),
            retained: BTreeMap::new(),
            notes: BTreeMap::new(),
            waited: Waited::default(),
            waited_is_exact: true,
        }
    }

    /// Forgets what was counted: counts begin with the process.
    pub fn count_anew(&mut self) {
        (self.waited, self.waited_is_exact) = (Waited::default(), true);
    }

    /// Looks whether what a session is owed can be counted exactly.
    fn look_at_entries(&mut self, session: SessionId) {
        let Some(image) = self.sessions.get(&session) else {
            return;
        };
        let owed = self.backlog(image).into_iter();
        let owed = owed.filter(|owed| !has_begun(image, owed.seq));
        let entries: u32 = owed.map(|owed| owed.spans.count_ones()).sum();
        self.waited_is_exact &= entries as usize <= COMPARED;
    }

    /// Applies a whole batch.
    pub fn apply_all(&mut self, span: Span, operations: &[Operation]) {
        for (ordinal, operation) in operations.iter().enumerate() {
            self.apply(span.first, span.time, ordinal as u32, operation);
        }
    }

    /// Applies one operation of a batch.
    pub fn apply(&mut self, first: Seq, time: UnixMicros, ordinal: u32, operation: &Operation) {
        let at = first.plus(u64::from(ordinal));
        match operation {
            Operation::Skip => {}
            Operation::Publish(published) => self.publish(at, time, ordinal, published),
            Operation::Change(change) => self.change(at, change),
        }
    }

    fn publish(&mut self, seq: Seq, time: UnixMicros, ordinal: u32, published: &Published) {
        let message = StoredMessage {
            seq,
            id: record::message_id(time.0, self.node, ordinal),
            qos: published.qos,
            retain: published.retain,
            deadline: published.deadline,
            parts: Parts::copy(
                published.sender.as_bytes(),
                published.topic.as_bytes(),
                &published.properties,
                &published.payload,
            ),
        };
        if published.set_retained {
            self.retained.remove(published.topic);
            if !published.payload.is_empty() {
                self.retained.insert(published.topic, message.clone());
            }
        }
        let mut queues = published.queues.clone();
        queues.retain(|queue| self.queues.contains_key(queue));
        self.messages.push((message, queues));
        if let Some((session, packet_id)) = published.receipt
            && let Some(session) = self.sessions.get_mut(&session)
        {
            receive(session, packet_id);
        }
    }

    fn change(&mut self, at: Seq, change: &ChangeRecord<'static>) {
        match change {
            &ChangeRecord::QueueOpened { queue, filter } => {
                self.queues.insert(queue, filter);
                self.queues_ever.insert(queue);
            }
            ChangeRecord::QueueClosed { queue } => {
                self.queues.remove(queue);
                for (_, queues) in &mut self.messages {
                    queues.retain(|entered| entered != queue);
                }
            }
            &ChangeRecord::RetainedCleared { topic } => _ = self.retained.remove(topic),
            &ChangeRecord::Noted { key, value: [] } => _ = self.notes.remove(key),
            &ChangeRecord::Noted { key, value } => _ = self.notes.insert(key, value),
            ChangeRecord::SessionEnded { session } => self.end(*session),
            ChangeRecord::Unsubscribed { session, .. } => {
                self.look_at_entries(*session);
                let before = self.owed(*session);
                if let Some(image) = self.sessions.get_mut(session) {
                    change_session(image, at, change);
                }
                let after = self.owed(*session);
                self.waited.unsubscribed += before.difference(&after).count() as u64;
            }
            &ChangeRecord::SessionOpened {
                session,
                client_id,
                version,
                expiry,
                ref will,
                at: since,
            } => {
                self.sessions_ever.insert(session);
                let fresh = || fresh(session, client_id, at);
                let session = self.sessions.entry(session).or_insert_with(fresh);
                (session.version, session.expiry, session.since) = (version, expiry, since);
                session.connected = true;
                session.will.clone_from(will);
            }
            change => {
                if let Some(session) = whose(change).and_then(|id| self.sessions.get_mut(&id)) {
                    change_session(session, at, change);
                }
            }
        }
    }

    fn end(&mut self, session: SessionId) {
        self.look_at_entries(session);
        let owed = self.owed(session).len() as u64;
        let Some(image) = self.sessions.remove(&session) else {
            return;
        };
        let bound = image.bindings.iter().filter(|binding| !binding.released);
        let waited = owed + bound.count() as u64;
        match word_of(session) {
            NotKept::SessionCleared => self.waited.session_cleared += waited,
            _ => self.waited.session_expired += waited,
        }
    }

    /// What a session is owed by its queues: what is bound is owed by the bindings.
    fn owed(&self, session: SessionId) -> BTreeSet<Seq> {
        let Some(image) = self.sessions.get(&session) else {
            return BTreeSet::new();
        };
        let owed = self.backlog(image).into_iter().map(|owed| owed.seq);
        owed.filter(|&seq| !has_begun(image, seq)).collect()
    }

    /// What a session is owed, in order, with the spans that hold each message.
    pub fn backlog(&self, image: &SessionImage) -> Vec<Owed> {
        let spans = spans(image);
        let holds = |span: &QueueSpan, seq: Seq, queues: &[QueueId]| {
            queues.contains(&span.queue) && span.from < seq && seq <= span.to
        };
        let mut backlog = Vec::new();
        for (message, queues) in &self.messages {
            let mut bits = 0;
            for (index, span) in spans.iter().enumerate() {
                if holds(span, message.seq, queues) {
                    bits |= 1 << index;
                }
            }
            if bits != 0 && !image.cursor.contains(message.seq) {
                backlog.push(Owed {
                    seq: message.seq,
                    spans: bits,
                    message: Ok(message.clone()),
                });
            }
        }
        backlog
    }

    /// A message that was kept.
    pub fn message(&self, seq: Seq) -> Option<&StoredMessage> {
        let at = self
            .messages
            .binary_search_by_key(&seq, |(message, _)| message.seq)
            .ok()?;
        Some(&self.messages[at].0)
    }

    /// All that must be seen.
    pub fn observed(&self) -> Observed {
        let seen = |image: &SessionImage| {
            let bound = |binding: &&restante_model::Binding| !binding.released;
            let bound = image.bindings.iter().filter(bound);
            Seen {
                image: image.clone(),
                backlog: self.backlog(image),
                bound: bound.map(|binding| self.message(binding.seq).cloned()).collect(),
            }
        };
        let retained: Vec<StoredMessage> = self.retained.values().cloned().collect();
        Observed {
            sessions: self
                .sessions
                .iter()
                .map(|(&id, image)| (id, seen(image)))
                .collect(),
            retained,
            notes: self.notes.iter().map(note).collect(),
        }
    }

    /// Applies a limit of messages with `drop-oldest` to all sessions.
    pub fn drop_oldest(&mut self, messages_max: usize) {
        let floors: Vec<(SessionId, Seq)> = self
            .sessions
            .iter()
            .filter(|(_, image)| image.version != OWN_VERSION)
            .filter_map(|(&id, image)| {
                let mut backlog = self.backlog(image);
                backlog.retain(|message| !has_begun(image, message.seq));
                let evicted = backlog.len().checked_sub(messages_max + 1)?;
                Some((id, backlog[evicted].seq))
            })
            .collect();
        for (id, floor) in floors {
            if let Some(session) = self.sessions.get_mut(&id) {
                let mut cursor = session.cursor.clone();
                cursor.advance(floor);
                move_cursor(session, cursor);
            }
        }
    }
}

fn fresh(session: SessionId, client_id: &str, at: Seq) -> SessionImage {
    SessionImage {
        session,
        client_id: client_id.into(),
        version: 0,
        expiry: 0,
        connected: true,
        since: restante_model::UnixMillis(0),
        subscriptions: Vec::new(),
        cursor: Cursor::at(at),
        receipts: Vec::new(),
        bindings: Vec::new(),
        next_packet_id: 0,
        will: None,
    }
}

fn note((&key, &value): (&&str, &&[u8])) -> Note {
    Note {
        key: key.into(),
        value: value.into(),
    }
}

fn whose(change: &ChangeRecord<'_>) -> Option<SessionId> {
    match *change {
        ChangeRecord::SessionDetached { session, .. }
        | ChangeRecord::WillCleared { session }
        | ChangeRecord::Subscribed { session, .. }
        | ChangeRecord::Unsubscribed { session, .. }
        | ChangeRecord::CursorMoved { session, .. }
        | ChangeRecord::PacketIdsReserved { session, .. }
        | ChangeRecord::Bound { session, .. }
        | ChangeRecord::BoundHere { session, .. }
        | ChangeRecord::Released { session, .. }
        | ChangeRecord::Unbound { session, .. }
        | ChangeRecord::Received { session, .. }
        | ChangeRecord::Completed { session, .. } => Some(session),
        _ => None,
    }
}

fn change_session(session: &mut SessionImage, at: Seq, change: &ChangeRecord<'static>) {
    match *change {
        ChangeRecord::SessionDetached {
            expiry,
            ref bindings,
            at: since,
            will_void,
            ..
        } => {
            (session.expiry, session.since, session.connected) = (expiry, since, false);
            session.bindings.clone_from(bindings);
            if will_void {
                session.will = None;
            }
        }
        ChangeRecord::WillCleared { .. } => session.will = None,
        ChangeRecord::Subscribed {
            filter,
            queue,
            options,
            ..
        } => {
            let known = session
                .subscriptions
                .iter_mut()
                .find(|known| &*known.filter == filter);
            if let Some(known) = known {
                known.queue = queue.or(known.queue);
                known.epochs.change(at, options);
                return;
            }
            session.subscriptions.push(SubscriptionImage {
                filter: filter.into(),
                queue,
                epochs: Epochs::begin(at, options),
            });
            session.subscriptions.sort_by(|a, b| a.filter.cmp(&b.filter));
        }
        ChangeRecord::Unsubscribed { filter, .. } => {
            session
                .subscriptions
                .retain(|subscription| &*subscription.filter != filter);
        }
        ChangeRecord::CursorMoved { low, ref above, .. } => {
            let highest = above.last().map_or(low, |range| range.1);
            if let Some(cursor) = Cursor::from_parts(low, above.clone()).filter(|_| highest <= at) {
                move_cursor(session, cursor);
            }
        }
        ChangeRecord::PacketIdsReserved { next, .. } => session.next_packet_id = next,
        ChangeRecord::Bound { binding, .. } => bind(session, binding),
        ChangeRecord::BoundHere {
            back,
            packet_id,
            qos,
            retain,
            ..
        } if back > 0 => bind(
            session,
            Binding {
                seq: Seq(at.0 - u64::from(back)),
                packet_id,
                qos,
                released: false,
                retain,
                aside: true,
            },
        ),
        ChangeRecord::Released { packet_id, .. } => {
            let bound = session
                .bindings
                .iter_mut()
                .find(|bound| bound.packet_id == packet_id);
            if let Some(bound) = bound {
                bound.released = true;
            }
        }
        ChangeRecord::Unbound { packet_id, .. } => {
            session.bindings.retain(|bound| bound.packet_id != packet_id);
        }
        ChangeRecord::Received { packet_id, .. } => receive(session, packet_id),
        ChangeRecord::Completed { packet_id, .. } => session.receipts.retain(|&id| id != packet_id),
        _ => {}
    }
}

fn bind(session: &mut SessionImage, binding: Binding) {
    session
        .bindings
        .retain(|bound| bound.packet_id != binding.packet_id);
    session.bindings.push(binding);
}

fn receive(session: &mut SessionImage, packet_id: u16) {
    if !session.receipts.contains(&packet_id) {
        session.receipts.push(packet_id);
    }
    session.receipts.sort_unstable();
}

fn move_cursor(session: &mut SessionImage, moved: Cursor) {
    let floor = session.cursor.low();
    session.cursor = moved;
    session.cursor.advance(floor);
    let low = session.cursor.low();
    for subscription in &mut session.subscriptions {
        subscription.epochs.forget_below(low);
    }
}

/// Whether a subscription with these options is owed anything.
pub fn owes(options: &restante_model::SubscriptionOptions) -> bool {
    options.qos > QoS::AtMostOnce
}

/// Whether a message of the session's own queues is on its way to the client.
fn has_begun(image: &SessionImage, seq: Seq) -> bool {
    let mut bindings = image.bindings.iter();
    bindings.any(|binding| binding.seq == seq && !binding.aside)
}
