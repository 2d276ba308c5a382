//! One message to the client: whether, how, and what it waits for.

use std::{rc::Rc, sync::Arc};

use restante_backend::messages::Place;
use restante_codec::{encode::PublishOut, packet::PacketId};
use restante_model::{Binding, NotKept, QoS, Seq, SubscriptionOptions};
use restante_session::{
    AliasUse, OutAliases, OutgoingMessage, Source, aliases_out::PROPERTY_BYTES, outgoing,
};
use restante_store::change::Change;

use super::{
    Connection, Response, State, Wait,
    copies::{self, Bound},
};
use crate::{expiry_mark, group::Group, live::MessageView, reactor::Reactor};

/// Where a delivery comes from, as far as its acknowledgement is concerned.
pub(super) enum Origin<'a> {
    /// The session's own feed: its cursor follows.
    Feed,
    /// A shared group: the group's cursor follows.
    Group(&'a Arc<Group>),
    /// A retained message for a new subscription: nothing follows.
    Retained,
    /// A message of a kept topic, which stands here in its database: its backlog is there.
    Kept {
        place: &'a Place,
        /// It was fetched, and must be there to be sent again.
        copied: bool,
    },
}

impl<'a> Origin<'a> {
    /// A message of a kept topic that is in the outbox, or has just been.
    pub(super) fn live(place: &'a Place) -> Origin<'a> {
        Origin::Kept { place, copied: false }
    }

    /// What is copied for the delivery, if it must be.
    fn copy(&self) -> Option<copies::Source> {
        match self {
            Origin::Retained => Some(copies::Source::Retained),
            Origin::Kept { place, copied: true } => Some(copies::Source::Fetched((*place).clone())),
            Origin::Feed | Origin::Group(_) | Origin::Kept { .. } => None,
        }
    }

    fn is_kept(&self) -> bool {
        matches!(self, Origin::Kept { .. })
    }

    fn place(&self) -> Option<&Place> {
        match self {
            Origin::Kept { place, .. } => Some(place),
            Origin::Feed | Origin::Group(_) | Origin::Retained => None,
        }
    }
}

impl Connection {
    /// Sends one message, or counts why not. Answers whether it is in flight now.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn deliver<'a>(
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
            if state.kept.is_some() {
                self.follow(
                    reactor,
                    &mut state.kept,
                    view,
                    None,
                    (origin.is_kept(), origin.place()),
                );
            }
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
            Origin::Retained | Origin::Kept { .. } => {
                state.aside.insert(begun.packet_id, None);
            }
        }
        let recorded = self.session.filter(|_| self.is_persistent());
        if let (Some(session), Some(next)) = (recorded, begun.reserve) {
            reactor.decide(|turn| {
                turn.batch.change(&Change::PacketIdsReserved { session, next });
            });
        }
        if state.kept.is_some() && !matches!(origin, Origin::Retained) {
            self.follow(
                reactor,
                &mut state.kept,
                view,
                Some(begun.packet_id),
                (origin.is_kept(), origin.place()),
            );
        }
        counters.sent(terms.qos);
        let is_exactly_once = terms.qos == QoS::ExactlyOnce;
        // No queue keeps a retained message, and the next one of its topic may replace it before it is acknowledged, even
        // before the binding is submitted: a copy of its own keeps it [MQTT-4.4.0-1].
        let copy = origin.copy().zip(recorded).map(|(source, session)| {
            let bound = Bound {
                session,
                packet_id: begun.packet_id,
                qos: terms.qos,
                retain: terms.retain,
            };
            // It counts as stored from here on.
            let _ = state.outbound.bind_one(begun.packet_id);
            reactor.decide(|turn| self.bind_copy(turn, view, &source, &bound))
        });
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
            Some(_) if let Some(turn) = copy => Wait::Turn(turn),
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

fn set_alias<'a>(publish: &mut PublishOut<'a>, aliases: &mut OutAliases) {
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
