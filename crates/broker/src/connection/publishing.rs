//! PUBLISH from a client, and messages that the broker publishes for somebody (wills).

use std::{rc::Rc, sync::Arc};

use restante_codec::packet::{AckKind, Publish, Version};
use restante_model::{NotKept, QoS, SessionId};
use restante_session::{Novelty, expiry};
use restante_store::{
    change::{Change, NewMessage},
    contract::Admission,
};

use super::{Closing, Connection, NotTaken, Response, Wait, telling::tell_unkept};
use crate::{
    expiry_mark,
    keeping::pool::Owed,
    live::{LiveEntry, LiveMessage, MessageView},
    plan::{Facts, Plan, View, plan},
    reactor::{Reactor, Turn},
    router::{GroupMatch, Matches},
};

/// A message on its way into the broker.
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) payload: &'a [u8],
    /// In the form of [`expiry_mark`].
    pub(crate) properties: &'a [u8],
    /// The publisher's message expiry interval.
    pub(crate) expiry: Option<u32>,
    pub(crate) sender: &'a Arc<str>,
    /// Packet id of a QoS 2 publish of a persistent session.
    pub(crate) receipt: Option<(SessionId, u16)>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// Nobody gets it.
    Refused(NotTaken),
    /// The publisher is answered this when the turn is durable.
    Taken { turn: u64, reason: u8 },
}

/// Plans a message and applies the plan to the turn.
pub(crate) fn publish(reactor: &Rc<Reactor>, message: &Outgoing<'_>) -> Published {
    let shared = &reactor.shared;
    reactor.begin_planning();
    let matches = reactor.matches(message.topic);
    let kept = shared.keeping().zip(matches.kept());
    let owed = kept.map_or(0, |(_, kept)| {
        kept.owed(message.qos, message.retain, message.payload.is_empty())
    });
    let facts = Facts {
        qos: message.qos,
        retain: message.retain,
        payload_empty: message.payload.is_empty(),
        receipt: message.receipt.is_some(),
        owed: owed != 0,
    };
    let decided = plan(
        facts,
        &View {
            matches: &matches,
            admission: &reactor.admission(),
            queue_full: shared.rejects_publishers()
                && matches.queues().iter().any(|&q| shared.store.queue_full(q)),
            outbox_full: owed != 0 && kept.is_some_and(|(keeping, _)| keeping.refuses(owed)),
            retained_full: message.retain && shared.retained_is_full(),
            has_retained: message.retain
                && message.payload.is_empty()
                && matches!(*reactor.admission(), Admission::Full { .. })
                && shared.store.has_retained(message.topic),
        },
    );
    match decided {
        Plan::Refused { reason, why } => {
            shared.counters.not_kept(why, 1);
            Published::Refused(NotTaken { reason, why })
        }
        Plan::Taken {
            stored,
            queued,
            retained,
            live,
            reason,
            lost_at_qos0,
        } => {
            shared
                .counters
                .not_kept(NotKept::PublishQos0, u64::from(lost_at_qos0));
            if !stored && !live {
                return Published::Taken { turn: 0, reason };
            }
            let now = reactor.now();
            let mut queues = Vec::new();
            let own = if queued { matches.queues() } else { &[] };
            if let Some((keeping, _)) = kept.filter(|_| owed != 0) {
                queues.extend(own);
                queues.extend(keeping.pools_in(owed).map(|pool| pool.queue));
            }
            let new = NewMessage {
                queues: if owed != 0 { &queues } else { own },
                qos: message.qos,
                retain: message.retain,
                set_retained: retained,
                deadline: expiry::deadline(message.expiry, now, &shared.limits),
                sender: message.sender,
                topic: message.topic,
                properties: message.properties,
                payload: message.payload,
                receipt: message.receipt,
            };
            if retained && !message.payload.is_empty() {
                shared.retained_one_more();
            }
            let turn = reactor.decide(|turn| {
                let lost = apply(turn, &new, message.sender, stored, live.then_some(&matches));
                shared.counters.not_kept(NotKept::PublishQos0, lost);
                if let Some((keeping, _)) = kept.filter(|_| owed != 0) {
                    let bytes = Owed::one(
                        message.topic.len()
                            + message.sender.len()
                            + message.properties.len()
                            + message.payload.len(),
                    );
                    for pool in keeping.pools_in(owed) {
                        turn.owe(pool.index, bytes);
                    }
                }
            });
            Published::Taken {
                turn: if stored { turn } else { 0 },
                reason,
            }
        }
    }
}

/// Puts it into the turn. Answers how many shared groups do not get it because everybody is absent and it is QoS 0.
fn apply(
    turn: &mut Turn,
    new: &NewMessage<'_>,
    sender: &Arc<str>,
    stored: bool,
    live: Option<&Arc<Matches>>,
) -> u64 {
    let only_receipt = stored && new.queues.is_empty() && !new.set_retained;
    let ordinal = match (stored, new.receipt) {
        (true, Some((session, packet_id))) if only_receipt => {
            turn.batch.change(&Change::Received { session, packet_id })
        }
        (true, _) => turn.batch.message(new),
        (false, _) => turn.batch.skip(),
    };
    let Some(matches) = live else { return 0 };
    let mut chosen = Vec::new();
    let mut lost = 0;
    for GroupMatch { group, has_queue } in matches.groups() {
        // The group may have got its queue, or lost it, since the matches were gathered.
        let waits = new.qos > QoS::AtMostOnce && *has_queue && group.is_stored();
        if waits {
            if !turn.groups.iter().any(|known| Arc::ptr_eq(known, group)) {
                turn.groups.push(group.clone());
            }
            continue;
        }
        match group.choose() {
            Some(member) => chosen.push(member),
            None => lost += u64::from(new.qos == QoS::AtMostOnce),
        }
    }
    if matches.runtimes() == 0 && chosen.is_empty() {
        return lost;
    }
    let view = MessageView {
        qos: new.qos,
        retain: new.retain,
        stored,
        id: None,
        deadline: new.deadline,
        sender: sender.as_bytes(),
        topic: new.topic.as_bytes(),
        properties: new.properties,
        payload: new.payload,
    };
    let message = Arc::new(LiveMessage::new(&view, sender.clone()));
    turn.live.push(LiveEntry {
        ordinal,
        message,
        matches: matches.clone(),
        chosen,
    });
    lost
}

impl Connection {
    pub(super) fn take_publish(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        packet: &Publish<'_>,
    ) -> Result<(), Closing> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let arrival = state.inbound.publish(packet).map_err(Closing::Violation)?;
        reactor.shared.counters.received(packet.qos, 1);
        let packet_id = packet.packet_id.map_or(0, |id| id.get());
        let published = match arrival.novelty {
            Novelty::Duplicate => Published::Taken {
                turn: self.all_recorded(reactor),
                reason: 0,
            },
            Novelty::Fresh => {
                let mut properties = reactor.properties.borrow_mut();
                properties.clear();
                expiry_mark::begin(&mut properties, packet.message_expiry);
                packet.write_forwarded_properties(&mut properties);
                let receipt = self
                    .session
                    .filter(|_| packet.qos == QoS::ExactlyOnce && self.is_persistent())
                    .map(|session| (session, packet_id));
                publish(
                    reactor,
                    &Outgoing {
                        topic: arrival.topic,
                        qos: packet.qos,
                        retain: packet.retain,
                        payload: packet.payload,
                        properties: &properties,
                        expiry: packet.message_expiry,
                        sender: &self.client_id,
                        receipt,
                    },
                )
            }
        };
        let kind = match packet.qos {
            QoS::AtMostOnce => return Ok(()),
            QoS::AtLeastOnce => AckKind::PubAck,
            QoS::ExactlyOnce => AckKind::PubRec,
        };
        let (turn, reason) = match published {
            // A 3.x client cannot be told: it is never acknowledged, and loses its connection (K25).
            Published::Refused(refused) if self.version() != Version::V5 => {
                return Err(Closing::Unkept(refused));
            }
            Published::Refused(refused) => {
                tell_unkept(self, refused);
                (0, refused.reason)
            }
            Published::Taken { turn, reason } => {
                self.told_unkept.set(false);
                (turn, reason)
            }
        };
        self.answer(
            reactor,
            state,
            Wait::Turn(turn),
            Response::Ack(kind, packet_id, reason),
        );
        Ok(())
    }
}
