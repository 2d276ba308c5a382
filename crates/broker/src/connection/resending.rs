//! What was in flight when the last connection ended: read again, and sent again, before anything new.

use std::{collections::VecDeque, rc::Rc};

use hashbrown::HashMap;
use restante_codec::{
    encode::PublishOut,
    packet::{AckKind, PacketId},
};
use restante_model::{Binding, NotKept, Seq};
use restante_session::ResendKind;
use restante_store::{change::Change, image::StoredMessage};

use super::{Connection, State, Subscription, copies, delivery::text, pump::post};
use crate::{expiry_mark, live::MessageView, reactor::Reactor, shared::Note, wire};

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
pub(super) enum Resent {
    /// All that the client takes now has gone out.
    All,
    /// Messages are being read.
    Waiting,
    /// The outgoing buffer is full.
    Full,
}

impl Connection {
    /// Messages in flight from before were read again.
    pub(super) fn take_bound(&self, messages: Vec<Option<StoredMessage>>) {
        let mut state = self.state.borrow_mut();
        let resending = &mut state.resending;
        let asked = std::mem::take(&mut resending.asked);
        resending.loaded.extend(asked.into_iter().zip(messages));
    }

    /// Sends again what was in flight.
    pub(super) fn resend(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State) -> Resent {
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
            let (source, properties) = copies::split(view.properties);
            let (told, properties) = expiry_mark::split(properties);
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
            self.follow_again(reactor, &mut state.kept, &view, (packet_id, qos), source.as_ref());
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
