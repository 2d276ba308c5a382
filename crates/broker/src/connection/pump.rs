//! Messages to the client: from the ring, from the store, again after a reconnect, leased from shared groups.

use std::{collections::VecDeque, rc::Rc, sync::Arc};

use hashbrown::HashMap;
use restante_codec::{
    encode::PublishOut,
    packet::{AckKind, PacketId},
};
use restante_model::{Binding, NotKept, QoS, Seq, SubscriptionOptions};
use restante_session::{
    AliasUse, OutgoingMessage, ResendKind, Source, aliases_out::PROPERTY_BYTES, outgoing,
};
use restante_store::{
    batch::Batch,
    change::Change,
    contract::{Entry, Page, QueueSpan, ReadRequest},
    image::StoredMessage,
};

use super::{
    Connection, Response, State, Subscription, Wait,
    feed::{Next, Ringed},
    is_owed,
};
use crate::{
    expiry_mark,
    group::{Group, Lease},
    live::{LiveMessage, MessageView},
    reactor::Reactor,
    router::Address,
    shared::{Note, Shared},
    wire,
};

/// Messages read from the store at a time.
const PAGE_MESSAGES: usize = 512;
/// Bytes read from the store at a time: what a client that takes its backlog slowly costs.
const PAGE_BYTES: usize = 256 << 10;
/// Messages in flight that are read again at a time.
const RESEND_MESSAGES: usize = 64;

/// Deliveries of an earlier connection whose messages must be read again.
#[derive(Default)]
pub(super) struct Resending {
    /// In the order they were sent; not those that only wait for PUBREL.
    queue: VecDeque<Binding>,
    loaded: HashMap<Seq, Option<StoredMessage>>,
    asked: Vec<Seq>,
}

impl Resending {
    pub(super) fn new(bindings: &[Binding]) -> Resending {
        let queue = bindings
            .iter()
            .filter(|binding| !binding.released)
            .copied()
            .collect();
        Resending {
            queue,
            ..Resending::default()
        }
    }
}

/// How far sending again has come.
enum Resent {
    /// All that the client takes now has gone out.
    All,
    /// Messages are being read.
    Waiting,
    /// The outgoing buffer is full.
    Full,
}

/// Where a delivery comes from, as far as its acknowledgement is concerned.
enum Origin<'a> {
    /// The session's own feed: its cursor follows.
    Feed,
    /// A shared group: the group's cursor follows.
    Group(&'a Arc<Group>),
    /// A retained message for a new subscription: nothing follows.
    Retained,
}

impl Connection {
    /// A message has been published for this client, and it is here.
    pub(crate) fn offer(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        seq: Seq,
        message: &Arc<LiveMessage>,
        options: &[SubscriptionOptions],
    ) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let view = message.view();
        if view.retain {
            state.retained.went_live(view.topic, seq);
        }
        let qos = options
            .iter()
            .map(|options| options.qos)
            .max()
            .unwrap_or_default()
            .min(view.qos);
        if qos == QoS::AtMostOnce {
            // Nothing waits for a QoS 0 delivery: a client that does not read loses it.
            if state.out.len() >= reactor.shared.settings.limits.outgoing_bytes_max {
                reactor.shared.counters.not_kept(NotKept::QueueFull, 1);
            } else {
                self.deliver(
                    reactor,
                    state,
                    seq,
                    &view,
                    options.iter(),
                    Source::Live,
                    &Origin::Feed,
                );
            }
            return;
        }
        // A page can be ahead of the inbox: the store may have answered before this message was handed over.
        if state.feed.has_passed(seq) {
            return;
        }
        // On its way when its subscription ended: it was counted then (K30).
        if seq <= state.unsubscribed_through && !is_owed(&state.subscriptions, seq, view.topic) {
            return;
        }
        let straight = state.feed.is_caught_up()
            && state.outbound.room() > 0
            && state.out.len() < reactor.shared.settings.limits.outgoing_bytes_max;
        if straight {
            state.feed.pass(seq);
            self.deliver(
                reactor,
                state,
                seq,
                &view,
                options.iter(),
                Source::Live,
                &Origin::Feed,
            );
            self.moved(reactor);
        } else if let Some((why, count)) = state.feed.offer(Ringed {
            seq,
            message: message.clone(),
            options: options.into(),
        }) {
            reactor.shared.counters.not_kept(why, count);
        }
    }

    /// Sends what there is room for: first what was in flight before, then the backlog, then live. Answers whether it
    /// stopped because the outgoing buffer is full; QoS 2 deliveries that wait for the disk count as if they were in it.
    pub(crate) fn pump(self: &Rc<Self>, reactor: &Rc<Reactor>) -> bool {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let room = |state: &State| {
            state.out.len() + state.answers.bytes() < reactor.shared.settings.limits.outgoing_bytes_max
        };
        match self.resend(reactor, state) {
            Resent::All => {}
            Resent::Waiting => return self.decline_leases(reactor, state, false),
            Resent::Full => return self.decline_leases(reactor, state, true),
        }
        loop {
            if !room(state) {
                return self.decline_leases(reactor, state, true);
            }
            if state.outbound.room() == 0 {
                return self.decline_leases(reactor, state, false);
            }
            if let Some((message, options)) = state.retained.pop() {
                let (seq, view) = (message.seq, MessageView::of_stored(&message));
                self.deliver(
                    reactor,
                    state,
                    seq,
                    &view,
                    [&options],
                    Source::Retained,
                    &Origin::Retained,
                );
                continue;
            }
            self.fetch_retained(reactor, &mut state.retained);
            match state.feed.next() {
                Next::Nothing => break,
                Next::Ask => {
                    if !self.ask_page(reactor, state) {
                        break;
                    }
                }
                Next::Live(ringed) => {
                    let (view, options) = (ringed.message.view(), ringed.options.iter());
                    self.deliver(
                        reactor,
                        state,
                        ringed.seq,
                        &view,
                        options,
                        Source::Backlog,
                        &Origin::Feed,
                    );
                    self.moved(reactor);
                }
                Next::Stored(entry, filters) => {
                    self.deliver_stored(reactor, state, &entry, &filters);
                    self.moved(reactor);
                }
            }
        }
        state.groups_ready.append(&mut state.groups_declined);
        while let Some(group) = state.groups_ready.pop() {
            self.take_leases(reactor, state, &group);
            if state.outbound.room() == 0 {
                return self.decline_leases(reactor, state, false);
            }
        }
        false
    }

    /// There is no room for what shared groups have: others are asked meanwhile. Answers `full`, for its caller.
    fn decline_leases(&self, reactor: &Reactor, state: &mut State, full: bool) -> bool {
        for group in state.groups_ready.drain(..) {
            group.decline(&reactor.shared, self.address);
            state.groups_declined.push(group);
        }
        full
    }

    /// Pumps and writes until there is nothing more to send or the socket takes no more.
    pub(crate) fn drive(self: &Rc<Self>, reactor: &Rc<Reactor>) {
        // Those who wait for the disk may be told after they have left.
        while !self.left.get() {
            // What waits for nothing, or for what is durable already.
            self.release_answers(reactor);
            let more = self.pump(reactor);
            // And what the pump has just added to it: no news may come that would release it later.
            self.release_answers(reactor);
            self.write_out(&reactor.shared);
            let state = self.state.borrow();
            // What is held up by the disk goes on when that has news, what is held up by the socket when it has room.
            let held_by_disk = state.answers.bytes() >= reactor.shared.settings.limits.outgoing_bytes_max;
            if !more || !state.out.is_empty() || held_by_disk {
                return;
            }
        }
    }

    /// Messages in flight from before were read again.
    pub(super) fn take_bound(&self, messages: Vec<Option<StoredMessage>>) {
        let mut state = self.state.borrow_mut();
        let resending = &mut state.resending;
        let asked = std::mem::take(&mut resending.asked);
        resending.loaded.extend(asked.into_iter().zip(messages));
    }

    /// A shared group has something.
    pub(super) fn group_ready(&self, group: &Arc<Group>) {
        let mut state = self.state.borrow_mut();
        state.groups_declined.retain(|known| !Arc::ptr_eq(known, group));
        if !state.groups_ready.iter().any(|known| Arc::ptr_eq(known, group)) {
            state.groups_ready.push(group.clone());
        }
    }

    /// A delivery has ended: whoever waited for it goes on.
    pub(super) fn delivery_over(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State, packet_id: u16) {
        match state.aside.remove(&packet_id) {
            Some(Some((group, seq))) => {
                group.done(seq);
                reactor.group_moved(&group);
            }
            Some(None) => {}
            None => self.moved(reactor),
        }
    }

    /// Writes the cursor if it moved since it was last written. (A connection that has left may still be on the list of
    /// those that moved: the session is another's by now.)
    pub(crate) fn write_cursor(&self, batch: &mut Batch) {
        if self.cursor_moved.get() {
            self.record_cursor(&mut self.state.borrow_mut(), batch);
        }
    }

    /// Writes the cursor as it is now. What a binding in the store holds counts as done: it is owed by the binding.
    pub(super) fn record_cursor(&self, state: &mut State, batch: &mut Batch) {
        let mut open: Vec<Seq> = state
            .outbound
            .without_binding()
            .filter(|binding| !state.aside.contains_key(&binding.packet_id))
            .map(|binding| binding.seq)
            .collect();
        open.sort_unstable();
        self.record_cursor_but(&open, state, batch);
    }

    /// Writes the cursor as it is when only these are open, ascending.
    pub(super) fn record_cursor_but(&self, open: &[Seq], state: &mut State, batch: &mut Batch) {
        self.cursor_moved.set(false);
        let Some(session) = self.session else { return };
        let cursor = state.feed.cursor(open);
        state.cursor_written = state.feed.passed();
        let (low, above) = (cursor.low(), cursor.above());
        batch.change(&Change::CursorMoved { session, low, above });
    }

    pub(super) fn moved(self: &Rc<Self>, reactor: &Reactor) {
        if self.session.is_some() && self.is_persistent() && !self.cursor_moved.replace(true) {
            reactor.cursor_moved(self);
        }
    }

    /// Sends again what was in flight.
    fn resend(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State) -> Resent {
        loop {
            if state.out.len() >= reactor.shared.settings.limits.outgoing_bytes_max {
                return Resent::Full;
            }
            // A client may acknowledge what it got on its last connection before it is sent again.
            while let Some(next) = state.resending.queue.front()
                && !state.outbound.is_publish_due(next.packet_id)
            {
                state.resending.loaded.remove(&next.seq);
                state.resending.queue.pop_front();
            }
            if let Some(next) = state.resending.queue.front()
                && !state.resending.loaded.contains_key(&next.seq)
            {
                self.ask_bound(reactor, state);
                return Resent::Waiting;
            }
            let Some(due) = state.outbound.resend() else { break };
            let Binding {
                seq,
                packet_id,
                qos,
                retain,
                ..
            } = due.binding;
            if due.kind == ResendKind::PubRel {
                wire::ack(&mut state.out, &self.receiver, AckKind::PubRel, packet_id, 0);
                continue;
            }
            // The first of the queue: both are in the order of sending.
            state.resending.queue.pop_front();
            let Some(Some(message)) = state.resending.loaded.remove(&seq) else {
                self.abandon(reactor, state, packet_id);
                reactor.shared.counters.not_kept(NotKept::Damaged, 1);
                continue;
            };
            let view = MessageView::of_stored(&message);
            let (told, properties) = expiry_mark::split(view.properties);
            identify_again(
                &state.subscriptions,
                &due.binding,
                text(view.topic),
                &mut state.identifiers,
            );
            let publish = PublishOut {
                dup: true,
                qos,
                retain,
                topic: text(view.topic),
                packet_id: PacketId::new(packet_id),
                topic_alias: None,
                message_expiry: told.then(|| expiry_mark::remaining(view.deadline, reactor.now())),
                subscription_ids: &state.identifiers,
                properties,
                payload: view.payload,
            };
            // Straight out: it was durable before, and nothing new may overtake it.
            let _ = publish.write(self.version(), &mut state.out);
            reactor.shared.counters.sent(qos);
        }
        if state.outbound.room() > 0 || state.outbound.in_flight() == 0 {
            state.resending = Resending::default();
        }
        Resent::All
    }

    /// Gives up a delivery that cannot be sent again.
    fn abandon(&self, reactor: &Reactor, state: &mut State, packet_id: u16) {
        let abandoned = state.outbound.abandon(packet_id);
        let recorded = self.session.filter(|_| self.is_persistent());
        if let (Some(session), Some(true)) = (recorded, abandoned.map(|abandoned| abandoned.stored)) {
            reactor.decide(|turn| {
                turn.batch.change(&Change::Unbound { session, packet_id });
            });
        }
    }

    fn ask_bound(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State) {
        let Some(session) = self.session else { return };
        if !state.resending.asked.is_empty() {
            return;
        }
        let seqs: Vec<Seq> = state
            .resending
            .queue
            .iter()
            .take(RESEND_MESSAGES)
            .map(|binding| binding.seq)
            .collect();
        state.resending.asked = seqs.clone();
        let (hub, address) = (reactor.shared.hub(), self.address);
        let done = move |messages| post(&hub, address, Note::Bound(messages));
        reactor.shared.store.bound_messages(session, seqs, Box::new(done));
    }

    /// Asks the store for the next page; false when this session has nothing in the store.
    fn ask_page(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State) -> bool {
        let mut filters = Vec::new();
        let mut spans = Vec::new();
        state.has_unqueued = false;
        for (filter, subscription) in &state.subscriptions {
            state.has_unqueued |= subscription.is_unqueued();
            if let (Some(queue), Some(first)) = (subscription.queue, subscription.epochs.parts().first()) {
                filters.push(filter.clone());
                spans.push(QueueSpan {
                    queue,
                    from: first.from,
                    to: Seq::MAX,
                });
            }
        }
        let (after, done_above, applied) = state.feed.ask(filters.into());
        if spans.is_empty() {
            // Nothing can be behind.
            state.feed.take_page(Page {
                entries: Vec::new(),
                through: applied.max(after),
                end: true,
            });
            return true;
        }
        let request = ReadRequest {
            spans,
            after,
            skip: done_above.to_vec(),
            messages_max: PAGE_MESSAGES,
            bytes_max: PAGE_BYTES,
            applied,
        };
        let (hub, address) = (reactor.shared.hub(), self.address);
        let done = move |page| post(&hub, address, Note::Page(page));
        reactor.shared.store.read(request, Box::new(done));
        false
    }

    fn deliver_stored(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        state: &mut State,
        entry: &Entry,
        filters: &[Box<str>],
    ) {
        let message = match &entry.message {
            Ok(message) => message,
            Err(why) => return reactor.shared.counters.not_kept(*why, 1),
        };
        let near = (0..64).filter(|bit| entry.spans & (1 << bit) != 0);
        let spans = near.chain(entry.spans_beyond.iter().map(|&span| span as usize));
        let mut covering: Vec<SubscriptionOptions> = spans
            .filter_map(|span| state.subscriptions.get(filters.get(span)?))
            .filter_map(|subscription| subscription.epochs.covering(entry.seq).copied())
            .collect();
        // In a page when its subscription ended: it was counted then (K30).
        if covering.is_empty() {
            return;
        }
        // Owed only where an epoch at QoS 1 or 2 covers it (K14).
        if covering.iter().all(|options| options.qos == QoS::AtMostOnce) {
            return reactor.shared.counters.not_kept(NotKept::SubscriptionQos0, 1);
        }
        let view = MessageView::of_stored(message);
        if state.has_unqueued {
            // They cannot be seen in the store: matched as if the message came live (K13).
            let unqueued = state.subscriptions.values().filter(|one| one.is_unqueued());
            let matching = unqueued.filter(|one| one.filter.matches(text(view.topic)));
            covering.extend(matching.filter_map(|one| one.epochs.covering(entry.seq)));
        }
        self.deliver(
            reactor,
            state,
            entry.seq,
            &view,
            covering.iter(),
            Source::Backlog,
            &Origin::Feed,
        );
    }

    /// Takes as many messages of a group as there is room for.
    fn take_leases(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State, group: &Arc<Group>) {
        let leases = group.take(&reactor.shared, self.address, state.outbound.room());
        let started = |lease: &Lease| lease.options.qos.min(lease.message.qos) == QoS::ExactlyOnce;
        let any_started = leases.iter().any(started);
        for Lease {
            seq,
            message,
            options,
        } in leases
        {
            let view = MessageView::of_stored(&message);
            let sent = self.deliver(
                reactor,
                state,
                seq,
                &view,
                [&options],
                Source::Backlog,
                &Origin::Group(group),
            );
            if !sent {
                group.done(seq);
            }
        }
        if any_started {
            // In the turn of the bindings: what has started at QoS 2 is not the group's any more (K27).
            reactor.decide(|turn| group.write_cursor(&mut turn.batch));
        } else {
            reactor.group_moved(group);
        }
    }

    /// Sends one message, or counts why not. Answers whether it is in flight now.
    #[allow(clippy::too_many_arguments)]
    fn deliver<'a>(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        state: &mut State,
        seq: Seq,
        view: &MessageView<'_>,
        options: impl IntoIterator<Item = &'a SubscriptionOptions>,
        source: Source,
        origin: &Origin<'_>,
    ) -> bool {
        let counters = &reactor.shared.counters;
        let (told, properties) = expiry_mark::split(view.properties);
        let message = OutgoingMessage {
            qos: view.qos,
            retain: view.retain,
            is_own: view.sender == self.client_id.as_bytes(),
            deadline: view.deadline,
            expiry_published: told,
            source,
        };
        let terms = match outgoing(options, &message, reactor.now(), &mut state.identifiers) {
            Ok(terms) => terms,
            Err(why) => {
                counters.not_kept(why, 1);
                return false;
            }
        };
        let mut publish = PublishOut {
            dup: false,
            qos: terms.qos,
            retain: terms.retain,
            topic: text(view.topic),
            packet_id: (terms.qos > QoS::AtMostOnce).then_some(PacketId::MAX),
            topic_alias: None,
            message_expiry: terms.expiry,
            subscription_ids: &state.identifiers,
            properties,
            payload: view.payload,
        };
        // Counted with the whole topic and, where there may be one, the alias.
        let alias = if self.terms.alias_max_out > 0 {
            PROPERTY_BYTES
        } else {
            0
        };
        if publish.encoded_len(self.version()).saturating_add(alias) > self.terms.packet_size_max_out as usize
        {
            counters.not_kept(NotKept::TooLargeForClient, 1);
            return false;
        }
        if terms.qos == QoS::AtMostOnce {
            set_alias(&mut publish, &mut state.aliases);
            let _ = publish.write(self.version(), &mut state.out);
            counters.sent(terms.qos);
            return false;
        }
        let aside = !matches!(origin, Origin::Feed);
        let Some(begun) = state.outbound.begin(seq, terms.qos, terms.retain, aside) else {
            return false;
        };
        publish.packet_id = PacketId::new(begun.packet_id);
        match origin {
            Origin::Feed => {}
            Origin::Group(group) => {
                state.aside.insert(begun.packet_id, Some(((*group).clone(), seq)));
            }
            Origin::Retained => {
                state.aside.insert(begun.packet_id, None);
            }
        }
        let recorded = self.session.filter(|_| self.is_persistent());
        if let (Some(session), Some(next)) = (recorded, begun.reserve) {
            reactor.decide(|turn| {
                turn.batch.change(&Change::PacketIdsReserved { session, next });
            });
        }
        counters.sent(terms.qos);
        let is_exactly_once = terms.qos == QoS::ExactlyOnce;
        // No queue keeps a retained message, and the next one of its topic may replace it before it is acknowledged:
        // its binding keeps it [MQTT-4.4.0-1].
        if let (Origin::Retained, Some(session), false) = (origin, recorded, is_exactly_once)
            && let Some(binding) = state.outbound.bind_one(begun.packet_id)
        {
            reactor.decide(|turn| {
                turn.batch.change(&Change::Bound { session, binding });
            });
        }
        if !is_exactly_once && !state.answers.holds_publishes() {
            set_alias(&mut publish, &mut state.aliases);
            let _ = publish.write(self.version(), &mut state.out);
            return true;
        }
        // QoS 2 leaves when the message, the publisher's receipt and this binding are durable (K1), and QoS 1 does not
        // overtake it, so that a topic's messages stay in order. Both carry the whole topic: what is sent later must
        // not depend on an alias that is set earlier.
        let wait = match recorded {
            _ if !is_exactly_once => Wait::Seq(Seq::ZERO),
            Some(session) => {
                let binding = Binding {
                    seq,
                    packet_id: begun.packet_id,
                    qos: terms.qos,
                    released: false,
                    retain: terms.retain,
                    aside,
                };
                Wait::Turn(reactor.decide(|turn| {
                    turn.batch.change(&Change::Bound { session, binding });
                }))
            }
            // The group's cursor passes it in this turn.
            None if matches!(origin, Origin::Group(_)) => Wait::Turn(reactor.this_turn()),
            None if view.stored => Wait::Seq(seq),
            None => Wait::NOTHING,
        };
        let mut packet = Vec::with_capacity(publish.encoded_len(self.version()));
        let _ = publish.write(self.version(), &mut packet);
        self.answer(reactor, state, wait, Response::Publish(packet.into()));
        true
    }
}

/// The identifiers of a message that is sent again [MQTT-3.3.4-3]. A binding does not say which subscriptions it was
/// sent under, but from where: out of the session's queues, under those that were there when it was published; aside of
/// them, retained (which the flag tells) or leased from a shared group, under those that match now.
fn identify_again(
    subscriptions: &HashMap<Box<str>, Subscription>,
    binding: &Binding,
    topic: &str,
    identifiers: &mut Vec<u32>,
) {
    identifiers.clear();
    let shared = binding.aside && !binding.retain;
    let matching = subscriptions
        .values()
        .filter(|one| one.filter.share().is_some() == shared && one.filter.matches(topic));
    let options = matching.filter_map(|one| match binding.aside {
        true => Some(one.epochs.current()),
        false => one.epochs.covering(binding.seq),
    });
    identifiers.extend(options.filter_map(|options| options.identifier));
}

fn set_alias<'a>(publish: &mut PublishOut<'a>, aliases: &mut restante_session::OutAliases) {
    match aliases.pick(publish.topic) {
        AliasUse::Full => {}
        AliasUse::Assign(alias) => publish.topic_alias = Some(alias),
        AliasUse::Known(alias) => {
            publish.topic_alias = Some(alias);
            publish.topic = "";
        }
    }
}

/// Topics were checked when they were published; what is damaged on disk has failed its checksum before this.
pub(super) fn text(topic: &[u8]) -> &str {
    std::str::from_utf8(topic).unwrap_or_default()
}

fn post(hub: &std::sync::Weak<Shared>, address: Address, note: Note) {
    // The broker may have gone.
    if let Some(shared) = hub.upgrade() {
        shared.note(address, note);
    }
}
