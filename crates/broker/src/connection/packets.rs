//! What the client sends, packet by packet.

use std::{
    io::{self, Read as _},
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
};

use restante_codec::{
    DecodeLimits, Decoded, decode,
    packet::{Ack, AckKind, Disconnect, Packet},
};
use restante_model::{NotKept, QoS};
use restante_session::{Answer, ReleaseOutcome, Violation};
use restante_store::change::Change;
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use super::{Closing, Connection, Response, Wait};
use crate::{
    reactor::{READ_BYTES, Reactor},
    wire,
};

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Nothing,
    /// All there was.
    Some,
    /// A whole buffer: there may be more.
    Full,
}

impl Connection {
    /// Reads what the socket has, up to one buffer, and does what it says.
    pub(super) fn read_some(self: &Rc<Self>, reactor: &Rc<Reactor>) -> Result<Read, Closing> {
        let mut scratch = reactor.scratch.borrow_mut();
        let mut partial = std::mem::take(&mut self.state.borrow_mut().partial);
        // A large packet under way is gathered in the connection's own buffer, which grows with what was received;
        // the beginning of a small one is put in front of the next read.
        let gather = partial.len() > READ_BYTES / 2;
        let carried = if gather { 0 } else { partial.len() };
        scratch[..carried].copy_from_slice(&partial[..carried]);
        let count = match read_once(&self.stream, &mut scratch[carried..]) {
            Ok(0) => return Err(Closing::Lost),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.state.borrow_mut().partial = partial;
                return Ok(Read::Nothing);
            }
            Err(_) => return Err(Closing::Lost),
        };
        let filled_up = carried + count == scratch.len();
        reactor
            .shared
            .counters
            .bytes_received
            .fetch_add(count as u64, Relaxed);
        if gather {
            partial.extend_from_slice(&scratch[..count]);
            drop(scratch);
            let consumed = self.take_packets(reactor, &partial)?;
            partial.drain(..consumed);
        } else {
            let filled = carried + count;
            let consumed = self.take_packets(reactor, &scratch[..filled])?;
            partial.clear();
            partial.extend_from_slice(&scratch[consumed..filled]);
        }
        if partial.is_empty() {
            partial = Vec::new();
        }
        self.state.borrow_mut().partial = partial;
        Ok(if filled_up { Read::Full } else { Read::Some })
    }

    /// Does what whole packets say; answers how many bytes they were.
    pub(super) fn take_packets(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        input: &[u8],
    ) -> Result<usize, Closing> {
        reactor.look_at_clock();
        let limits = DecodeLimits {
            packet_size_max: reactor.shared.limits.packet_size_max,
        };
        let mut consumed = 0;
        loop {
            let decoded = decode(&input[consumed..], Some(self.version()), &limits).map_err(|error| {
                Closing::Violation(Violation {
                    reason: error.reason_code(),
                    why: error.statement(),
                })
            })?;
            match decoded {
                Decoded::Packet {
                    packet,
                    consumed: length,
                } => {
                    self.take_packet(reactor, packet)?;
                    consumed += length;
                }
                Decoded::NeedMore { .. } => break,
            }
        }
        if consumed > 0 {
            self.state.borrow_mut().keep_alive.heard(reactor.steady());
        }
        Ok(consumed)
    }

    fn take_packet(self: &Rc<Self>, reactor: &Rc<Reactor>, packet: Packet<'_>) -> Result<(), Closing> {
        match packet {
            Packet::Publish(publish) => self.take_publish(reactor, &publish),
            Packet::Ack(ack) if ack.kind == AckKind::PubRel => {
                self.take_pubrel(reactor, &ack);
                Ok(())
            }
            Packet::Ack(ack) => self.take_ack(reactor, &ack),
            Packet::Subscribe(subscribe) => self.take_subscribe(reactor, &subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                self.take_unsubscribe(reactor, &unsubscribe);
                Ok(())
            }
            Packet::PingReq => {
                wire::ping_response(&mut self.state.borrow_mut().out);
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.take_disconnect(&disconnect)),
            // A second CONNECT [MQTT-3.1.0-2], or AUTH without a method [MQTT-4.12.0-6].
            Packet::Connect(_) | Packet::Auth(_) => Err(Closing::Violation(Violation {
                reason: 0x82,
                why: "CONNECT comes once, and AUTH only when a method was agreed",
            })),
        }
    }

    fn take_disconnect(&self, disconnect: &Disconnect<'_>) -> Closing {
        match self.terms.session_expiry_at_disconnect(disconnect.session_expiry) {
            Ok(expiry) => Closing::ByClient {
                reason: disconnect.reason,
                expiry,
            },
            Err(violation) => Closing::Violation(violation),
        }
    }

    /// PUBREL: the receipt goes, and PUBCOMP waits until that is durable (K2).
    fn take_pubrel(self: &Rc<Self>, reactor: &Rc<Reactor>, ack: &Ack<'_>) {
        let mut state = self.state.borrow_mut();
        let packet_id = ack.packet_id.get();
        let (turn, reason) = match (state.inbound.pubrel(packet_id), self.session) {
            (ReleaseOutcome::Known, Some(session)) if self.is_persistent() => {
                let done = Change::Completed { session, packet_id };
                (
                    reactor.decide(|turn| {
                        turn.batch.change(&done);
                    }),
                    0,
                )
            }
            (ReleaseOutcome::Known, _) => (self.all_recorded(reactor), 0),
            (ReleaseOutcome::Unknown { reason }, _) => (self.all_recorded(reactor), reason),
        };
        let response = Response::Ack(AckKind::PubComp, packet_id, reason);
        self.answer(reactor, &mut state, Wait::Turn(turn), response);
    }

    /// The turn that must be durable for all that was recorded of this session until now. Nothing is recorded of one that
    /// is not persistent: it goes on when the store has failed.
    pub(super) fn all_recorded(&self, reactor: &Reactor) -> u64 {
        match self.is_persistent() {
            true => reactor.last_turn(),
            false => 0,
        }
    }

    /// PUBACK, PUBREC, PUBCOMP for a delivery.
    fn take_ack(self: &Rc<Self>, reactor: &Rc<Reactor>, ack: &Ack<'_>) -> Result<(), Closing> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let packet_id = ack.packet_id.get();
        match state.outbound.answer(ack.kind, packet_id, ack.reason) {
            Answer::Done {
                seq,
                qos,
                stored,
                refused,
            } => {
                match (refused, qos) {
                    (true, _) => reactor.shared.counters.not_kept(NotKept::RefusedByClient, 1),
                    // PUBREC said it.
                    (false, QoS::ExactlyOnce) => {}
                    (false, _) => reactor.shared.counters.not_kept(NotKept::Acknowledged, 1),
                }
                if let Some(session) = self.session.filter(|_| stored && self.is_persistent()) {
                    let change = Change::Unbound { session, packet_id };
                    // While it is bound the cursor need not know of it; without a binding it must, or a crash in between
                    // would deliver it a second time.
                    let unknown = qos == QoS::ExactlyOnce
                        && seq > state.cursor_written
                        && !state.aside.contains_key(&packet_id);
                    reactor.decide(|turn| {
                        if unknown {
                            self.record_cursor(state, &mut turn.batch);
                        }
                        turn.batch.change(&change);
                    });
                }
                self.acked(reactor, state, packet_id, false);
                self.delivery_over(reactor, state, packet_id);
            }
            Answer::Release { packet_id, first, .. } => {
                reactor
                    .shared
                    .counters
                    .not_kept(NotKept::Acknowledged, u64::from(first));
                // With the record of the PUBREC (K44).
                self.acked(reactor, state, packet_id, true);
                let turn = match self.session.filter(|_| first && self.is_persistent()) {
                    Some(session) => reactor.decide(|turn| {
                        turn.batch.change(&Change::Released { session, packet_id });
                    }),
                    None => self.all_recorded(reactor),
                };
                let response = Response::Ack(AckKind::PubRel, packet_id, 0);
                self.answer(reactor, state, Wait::Turn(turn), response);
            }
            Answer::Unknown { pubrel: Some(reason) } => {
                let response = Response::Ack(AckKind::PubRel, packet_id, reason);
                self.answer(reactor, state, Wait::Turn(self.all_recorded(reactor)), response);
            }
            Answer::Unknown { pubrel: None } => {}
            Answer::WrongKind(violation) => return Err(Closing::Violation(violation)),
        }
        Ok(())
    }
}

/// Reads once. When that leaves room in the buffer the socket is empty, and no second call has to find out.
fn read_once(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut short = None;
    let read = stream.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(stream)).read(buffer)?;
        if count > 0 && count < buffer.len() {
            short = Some(count);
            // So that the next wait is for what comes after this.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    short.map_or(read, Ok)
}
