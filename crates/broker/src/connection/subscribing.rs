//! SUBSCRIBE and UNSUBSCRIBE.

use std::rc::Rc;

use restante_codec::packet::{Subscribe, Unsubscribe};
use restante_model::{Epochs, Filter, NotKept, QoS, QueueId, RetainHandling, SubscriptionOptions};
use restante_session::{
    Granted, check_filters, reason_code,
    subscribe::{refusal, unsuback_code},
};
use restante_store::{batch::Batch, change::Change, contract::Admission};

use super::{Closing, Connection, Response, State, Subscription, Wait, is_owed};
use crate::{
    counters::{down, up},
    live::LiveMessage,
    reactor::Reactor,
    router::{Reader, Receiver, Router},
    shared::Shared,
    wire,
};

/// Sequences of epochs are given by the store; this one stands in the present session's own copy, below every message
/// that is planned with the subscription.
fn epoch_begin(shared: &Shared) -> restante_model::Seq {
    shared.last_submitted()
}

impl Connection {
    pub(super) fn take_subscribe(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        packet: &Subscribe<'_>,
    ) -> Result<(), Closing> {
        let shared = &reactor.shared;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let known = &state.subscriptions;
        let checked = check_filters(
            packet,
            self.version(),
            known.len(),
            |text| known.contains_key(text),
            &shared.limits,
        )
        .map_err(Closing::Violation)?;
        let mut codes = Vec::with_capacity(checked.len());
        let mut retained = Vec::new();
        for answer in checked {
            match answer {
                Ok(granted) if self.has_no_room_for(reactor, state, &granted) => {
                    codes.push(refusal(self.version(), reason_code::QUOTA_EXCEEDED));
                }
                Ok(granted) => {
                    codes.push(granted.code());
                    let is_new = self.subscribe(reactor, state, &granted);
                    self.tell_of_subscription(reactor, &granted.filter, Some(granted.options.qos));
                    let handling = granted.options.retain_handling;
                    let wanted =
                        handling == RetainHandling::Always || (handling == RetainHandling::IfNew && is_new);
                    // No retained messages for shared subscriptions [MQTT-4.8.2].
                    if wanted && granted.filter.share().is_none() {
                        retained.push(granted);
                    }
                }
                Err(code) => codes.push(code),
            }
        }
        let mut answer = Vec::new();
        wire::suback(&mut answer, &self.receiver, packet.packet_id, &codes);
        // K7: SUBACK waits for the commit.
        self.answer(
            reactor,
            state,
            Wait::Turn(self.all_recorded(reactor)),
            Response::Packet(answer.into()),
        );
        for (granted, pools) in self.looked_up(reactor, &mut retained) {
            self.find_retained_elsewhere(reactor, granted, pools);
        }
        if !retained.is_empty() {
            self.want_retained(reactor, state, retained);
        }
        Ok(())
    }

    /// While the store is full, what makes a session larger is refused: there would be no room left for the
    /// acknowledgements that free space. Who comes back and subscribes as before changes nothing, and is let through.
    fn has_no_room_for(&self, reactor: &Reactor, state: &State, granted: &Granted) -> bool {
        self.is_persistent()
            && matches!(*reactor.admission(), Admission::Full { .. })
            && !is_as_before(state, granted)
    }

    /// Makes or renews one subscription; answers whether it is new.
    pub(super) fn subscribe(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        state: &mut State,
        granted: &Granted,
    ) -> bool {
        let shared = &reactor.shared;
        let Granted { filter, options } = granted;
        let from = epoch_begin(shared);
        let text: Box<str> = filter.as_str().into();
        let is_new = !state.subscriptions.contains_key(&text);
        let was_as_before = is_as_before(state, granted);
        let subscription = state.subscriptions.entry(text).or_insert_with(|| Subscription {
            filter: filter.clone(),
            queue: None,
            reads: false,
            epochs: Epochs::begin(from, *options),
        });
        if is_new {
            up(&shared.counters.subscriptions);
        } else {
            // What was taken needs no options any more.
            subscription.epochs.forget_below(state.feed.passed());
            subscription.epochs.change(from, *options);
        }
        // A reader once, a reader until the subscription ends: what was owed at QoS 1 is owed after a change to 0.
        let begins_reading = self.is_persistent() && options.qos > QoS::AtMostOnce && !subscription.reads;
        let address = self.address;
        let receiver = Receiver {
            address,
            options: *options,
            persistent: self.is_persistent(),
        };
        let (queue, group) = shared.change_router(|router| {
            let queue = begins_reading.then(|| open_queue(shared, router, filter));
            let group = filter.share().map(|_| router.group(filter));
            match &group {
                Some(group) => group.enroll(address, *options),
                None => router.attach(filter, receiver),
            }
            (queue, group)
        });
        if let Some(queue) = queue {
            subscription.reads = true;
            // A shared filter's queue is read by the group.
            subscription.queue = group.is_none().then_some(queue);
        }
        if let Some(group) = group {
            group.serve_all(shared);
        }
        let reads = subscription.queue;
        state.feed.subscription_added(from);
        if is_new {
            self.want_kept(reactor, state, filter);
        }
        let is_needless = was_as_before && matches!(*reactor.admission(), Admission::Full { .. });
        if let Some(session) = self.session.filter(|_| self.is_persistent() && !is_needless) {
            reactor.decide(|turn| {
                turn.batch.change(&Change::Subscribed {
                    session,
                    filter: filter.as_str(),
                    queue: reads,
                    options: *options,
                });
            });
        }
        is_new
    }

    pub(super) fn take_unsubscribe(self: &Rc<Self>, reactor: &Rc<Reactor>, packet: &Unsubscribe<'_>) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        self.keep_begun(reactor, state);
        let codes: Vec<u8> = packet
            .filters
            .iter()
            .map(|text| {
                let gone = state.subscriptions.remove(*text);
                let existed = gone.is_some();
                if let Some(subscription) = gone {
                    self.unsubscribe(reactor, state, &subscription);
                }
                unsuback_code(text, existed)
            })
            .collect();
        let mut answer = Vec::new();
        wire::unsuback(&mut answer, &self.receiver, packet.packet_id, &codes);
        self.answer(
            reactor,
            state,
            Wait::Turn(self.all_recorded(reactor)),
            Response::Packet(answer.into()),
        );
    }

    /// What has started is completed [MQTT-3.10.4-3]: its binding holds the message when its queue does no more (K15).
    /// What is leased stays with its group.
    fn keep_begun(&self, reactor: &Rc<Reactor>, state: &mut State) {
        let Some(session) = self.session.filter(|_| self.is_persistent()) else {
            return;
        };
        let State { outbound, aside, .. } = state;
        for binding in outbound.bind_begun(|packet_id| !aside.contains_key(&packet_id)) {
            reactor.decide(|turn| {
                turn.batch.change(&Change::Bound { session, binding });
            });
        }
    }

    fn unsubscribe(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State, subscription: &Subscription) {
        let shared = &reactor.shared;
        let filter = &subscription.filter;
        if filter.share().is_none() {
            state.retained.forget(filter.topic_filter());
        }
        down(&shared.counters.subscriptions);
        self.tell_of_subscription(reactor, filter, None);
        self.unwant_kept(reactor, state, filter);
        if let Some(session) = self.session.filter(|_| self.is_persistent()) {
            let had_queue = subscription.queue.is_some();
            reactor.decide(|turn| {
                if had_queue {
                    // What was taken until now is not counted as waiting.
                    self.record_cursor(state, &mut turn.batch);
                }
                turn.batch.change(&Change::Unsubscribed {
                    session,
                    filter: filter.as_str(),
                });
            });
            // The queue closes behind this record, never before it.
            let through = reactor.flush_through();
            if had_queue {
                // The store has counted all that waited, and so nothing of it is sent any more.
                state.unsubscribed_through = through;
                let subscriptions = &state.subscriptions;
                let is_owed = |seq, message: &LiveMessage| is_owed(subscriptions, seq, message.view().topic);
                state.feed.forget(is_owed);
            }
        }
        if filter.share().is_some() {
            let group = shared.change_router(|router| {
                let mut closed = Batch::default();
                let group = router.group(filter);
                group.resign(self.address);
                if subscription.reads {
                    close_reader(router, filter, NotKept::Unsubscribed, &mut closed);
                }
                router.drop_group_if_unused(filter);
                shared.submit_changes(closed);
                group
            });
            group.serve_all(shared);
            return;
        }
        shared.change_router(|router| {
            let mut closed = Batch::default();
            router.detach(filter, self.address);
            if subscription.reads {
                close_reader(router, filter, NotKept::Unsubscribed, &mut closed);
            }
            shared.submit_changes(closed);
        });
    }
}

/// Whether the session has this subscription already, with the same options.
fn is_as_before(state: &State, granted: &Granted) -> bool {
    let known = state.subscriptions.get(granted.filter.as_str());
    known.is_some_and(|known| *known.epochs.current() == granted.options)
}

/// Makes a session a reader of a filter's queue. The queue is opened in the store before the router knows it, so no
/// message with an unknown queue is ever submitted.
pub(super) fn open_queue(shared: &Shared, router: &mut Router, filter: &Filter) -> QueueId {
    match router.add_reader(filter, || shared.new_queue()) {
        Reader::Joined(queue) => queue,
        Reader::Opened(queue) => {
            let mut batch = Batch::default();
            batch.change(&Change::QueueOpened {
                queue,
                filter: filter.as_str(),
            });
            if filter.share().is_some() {
                let session = shared.new_session();
                let at = shared.clock.millis();
                batch.change(&Change::SessionOpened {
                    session,
                    client_id: filter.as_str(),
                    version: GROUP_VERSION,
                    expiry: u32::MAX,
                    will: None,
                    at,
                });
                let options = SubscriptionOptions {
                    qos: QoS::ExactlyOnce,
                    ..SubscriptionOptions::default()
                };
                batch.change(&Change::Subscribed {
                    session,
                    filter: filter.as_str(),
                    queue: Some(queue),
                    options,
                });
                let span = shared.submit(batch, Vec::new());
                let cursor = restante_model::Cursor::at(span.last);
                router.group(filter).open(queue, session, &cursor);
                return queue;
            }
            shared.submit(batch, Vec::new());
            queue
        }
    }
}

/// The protocol version in the record of a shared group's own session: no client has it.
pub(crate) const GROUP_VERSION: u8 = 0;

/// Takes a reader away; the last one closes the queue, and ends what waits for its group under the word by which it left
/// itself. What the session had to record of it was submitted before.
pub(crate) fn close_reader(router: &mut Router, filter: &Filter, why: NotKept, closed: &mut Batch) {
    let Some(queue) = router.remove_reader(filter) else {
        return;
    };
    if filter.share().is_some() && router.group(filter).close(why, closed) {
        router.drop_group_if_unused(filter);
    }
    closed.change(&Change::QueueClosed { queue });
}
