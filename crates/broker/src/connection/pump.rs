//! Messages to the client, from wherever there are some: first again what was in flight, then retained ones for new
//! subscriptions, the backlog, what is live, and what shared groups lease.

use std::{rc::Rc, sync::Arc};

use restante_model::{MessageId, NotKept, QoS, Seq, SubscriptionOptions};
use restante_session::Source;
use restante_store::{
    contract::{Entry, Page, QueueSpan, ReadRequest},
    image::StoredMessage,
};

use super::{
    Connection, OUT_KEPT, State,
    delivery::{Origin, text},
    feed::{Next, Ringed},
    is_owed,
    resending::Resent,
};
use crate::{
    group::{Group, Lease},
    live::{LiveMessage, MessageView},
    reactor::Reactor,
    router::Address,
    shared::{Note, Shared},
};

/// Messages read from the store at a time.
const PAGE_MESSAGES: usize = 512;
/// Bytes read from the store at a time: what a client that takes its backlog slowly costs.
const PAGE_BYTES: usize = 256 << 10;

impl Connection {
    /// A message has been published for this client, and it is here.
    pub(crate) fn offer(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        seq: Seq,
        message: &Arc<LiveMessage>,
        options: &[SubscriptionOptions],
        kept: Option<(MessageId, Option<usize>)>,
    ) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let view = MessageView {
            id: kept.map(|(id, _)| id),
            ..message.view()
        };
        if view.retain {
            state.retained.went_live(view.topic, seq);
        }
        let qos = options
            .iter()
            .map(|options| options.qos)
            .max()
            .unwrap_or_default()
            .min(view.qos);
        // A kept topic's messages go out in their order and once, whatever the QoS (C22).
        let is_kept = view.qos > QoS::AtMostOnce && matches!(kept, Some((_, Some(_))));
        if qos == QoS::AtMostOnce && !is_kept {
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
        if let Some((id, Some(keep))) = kept {
            return self.offer_kept(reactor, state, seq, (id, keep), message, options);
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
            id: view.id,
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
            if self.pump_kept(reactor, state) {
                continue;
            }
            match state.feed.next() {
                Next::Nothing => break,
                Next::Ask => {
                    if !self.ask_page(reactor, state) {
                        break;
                    }
                }
                Next::Live(ringed) => {
                    let (view, options) = (ringed.view(), ringed.options.iter());
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
        // A backlog goes out through the runtime's one large buffer. A buffer of its own would grow for each page, and be
        // given back so that thousands of idle connections do not keep theirs.
        let lent = self.state.borrow().out.is_empty();
        if lent {
            std::mem::swap(
                &mut self.state.borrow_mut().out,
                &mut *reactor.outgoing.borrow_mut(),
            );
        }
        self.drive_on(reactor);
        let state = &mut *self.state.borrow_mut();
        if lent {
            let mut outgoing = reactor.outgoing.borrow_mut();
            std::mem::swap(&mut state.out, &mut *outgoing);
            // What the socket did not take waits in no more memory than it needs.
            state.out.extend_from_slice(&outgoing[state.written..]);
            state.written = 0;
            outgoing.clear();
            outgoing.shrink_to(reactor.shared.settings.limits.outgoing_bytes_max);
        }
        if state.out.is_empty() {
            state.out.shrink_to(OUT_KEPT);
        }
    }

    fn drive_on(self: &Rc<Self>, reactor: &Rc<Reactor>) {
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

    /// A shared group has something.
    pub(super) fn group_ready(&self, group: &Arc<Group>) {
        let mut state = self.state.borrow_mut();
        state.groups_declined.retain(|known| !Arc::ptr_eq(known, group));
        if !state.groups_ready.iter().any(|known| Arc::ptr_eq(known, group)) {
            state.groups_ready.push(group.clone());
        }
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
        // Only the bits that are set: nearly always one.
        let rests = std::iter::successors(Some(entry.spans), |rest| Some(rest & rest.wrapping_sub(1)));
        let near = rests
            .take_while(|&rest| rest != 0)
            .map(|rest| rest.trailing_zeros() as usize);
        let spans = near.chain(entry.spans_beyond.iter().map(|&span| span as usize));
        // From delivery to delivery the same memory.
        let mut covering = std::mem::take(&mut state.covering);
        covering.clear();
        let subscriptions = spans.filter_map(|span| state.subscriptions.get(filters.get(span)?));
        covering.extend(subscriptions.filter_map(|one| one.epochs.covering(entry.seq)));
        self.deliver_covered(reactor, state, entry.seq, message, &mut covering);
        state.covering = covering;
    }

    /// Sends a message from the store under the subscriptions whose queues held it.
    fn deliver_covered(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        state: &mut State,
        seq: Seq,
        message: &StoredMessage,
        covering: &mut Vec<SubscriptionOptions>,
    ) {
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
            covering.extend(matching.filter_map(|one| one.epochs.covering(seq)));
        }
        self.deliver(
            reactor,
            state,
            seq,
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
}

pub(super) fn post(hub: &std::sync::Weak<Shared>, address: Address, note: Note) {
    // The broker may have gone.
    if let Some(shared) = hub.upgrade() {
        shared.note(address, note);
    }
}
