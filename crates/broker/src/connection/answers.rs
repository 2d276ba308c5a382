//! Responses that wait for the disk, in the order they must be sent.
//!
//! PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK and QoS 2 deliveries go out when what they promise is durable
//! (K1, K2, K7) and in the order they were decided [MQTT-4.6.0-2]ff.

use std::{collections::VecDeque, rc::Rc};

use restante_codec::{encode::Receiver, packet::AckKind};
use restante_model::Seq;
use restante_session::Inbound;

use super::Connection;
use crate::{reactor::Reactor, wire};

/// Responses that may wait on one connection; at the maximum the connection is not read until some have gone out.
/// 5.0 clients cannot get there (receive maximum); for 3.x clients this is the window.
pub(crate) const ANSWERS_MAX: usize = 16_384;

/// What must be durable first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A turn of this runtime.
    Turn(u64),
    /// Everything up to a sequence.
    Seq(Seq),
}

impl Wait {
    /// Nothing but the answers before it.
    pub(crate) const NOTHING: Wait = Wait::Turn(0);
}

/// What is sent then.
pub(crate) enum Response {
    /// To a PUBLISH or PUBREL of the client, or PUBREL to its PUBREC.
    Ack(AckKind, u16, u8),
    /// An encoded packet.
    Packet(Box<[u8]>),
    /// An encoded PUBLISH.
    Publish(Box<[u8]>),
}

/// The waiting responses of one connection.
#[derive(Default)]
pub(crate) struct Answers {
    waiting: VecDeque<(Wait, Response)>,
    /// Bytes of encoded packets among them.
    bytes: usize,
    /// PUBLISH packets among them.
    publishes: usize,
}

impl Answers {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= ANSWERS_MAX
    }

    /// Bytes of packets that wait here instead of in the outgoing buffer.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a PUBLISH waits here, which no later one may overtake.
    pub(crate) fn holds_publishes(&self) -> bool {
        self.publishes > 0
    }

    fn push(&mut self, wait: Wait, response: Response) {
        if let Response::Packet(packet) | Response::Publish(packet) = &response {
            self.bytes += packet.len();
        }
        self.publishes += usize::from(matches!(response, Response::Publish(_)));
        self.waiting.push_back((wait, response));
    }

    /// Moves what is ready to `out`.
    fn release(
        &mut self,
        to: &Receiver,
        inbound: &mut Inbound,
        out: &mut Vec<u8>,
        ready: impl Fn(Wait) -> bool,
    ) {
        while let Some(&(wait, _)) = self.waiting.front() {
            if !ready(wait) {
                return;
            }
            let Some((_, response)) = self.waiting.pop_front() else {
                return;
            };
            match response {
                Response::Ack(kind, packet_id, reason) => {
                    wire::ack(out, to, kind, packet_id, reason);
                    match kind {
                        AckKind::PubAck => inbound.acknowledged(),
                        AckKind::PubRec if reason >= 0x80 => inbound.refused(packet_id),
                        _ => {}
                    }
                }
                Response::Packet(packet) => {
                    self.bytes -= packet.len();
                    out.extend_from_slice(&packet);
                }
                Response::Publish(packet) => {
                    self.bytes -= packet.len();
                    self.publishes -= 1;
                    out.extend_from_slice(&packet);
                }
            }
        }
    }
}

impl Connection {
    /// Adds a response behind those that wait already.
    pub(super) fn answer(
        self: &Rc<Self>,
        reactor: &Reactor,
        state: &mut super::State,
        wait: Wait,
        response: Response,
    ) {
        state.answers.push(wait, response);
        if !self.answering.replace(true) {
            reactor.will_answer(self);
        }
    }

    /// It is in no list of those that wait any more.
    pub(crate) fn all_answered(&self) {
        self.answering.set(false);
    }

    /// Sends what has become durable; answers whether something still waits.
    pub(crate) fn release_answers(&self, reactor: &Reactor) -> bool {
        if self.left.get() {
            return false;
        }
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let was_full = state.answers.is_full();
        let durable = reactor.shared.store.durable();
        let ready = |wait| match wait {
            Wait::Turn(turn) => reactor.is_durable(turn),
            Wait::Seq(seq) => seq <= durable,
        };
        state
            .answers
            .release(&self.receiver, &mut state.inbound, &mut state.out, ready);
        if was_full && !state.answers.is_full() {
            self.wake.notify_one();
        }
        !state.answers.is_empty()
    }
}
