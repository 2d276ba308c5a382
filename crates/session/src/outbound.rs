//! What is on its way to the client: the window of unfinished QoS 1 and 2 deliveries and the sending half of QoS 2.
//!
//! One per connection, owned by its task. It begins with the bindings that the store kept and hands them back when
//! the connection ends; QoS 0 never enters it. Bounded by the client's receive maximum and [`INFLIGHT_MAX`], or by
//! what was stored when that is more.
//!
//! The order of work on a resumed connection: [`Outbound::resend`] until it has nothing due now, then again whenever
//! an answer made room; [`Outbound::begin`] gives no room until all that was resumed has gone out, so nothing new
//! overtakes it `[MQTT-4.6.0-1]`, `[MQTT-4.6.0-6]`.

use restante_codec::packet::AckKind;
use restante_model::{Binding, QoS, Seq};

use crate::{
    packet_ids::PacketIds,
    reason_code as code,
    violation::Violation,
    window::{Slot, Standing, Window},
};

/// The largest window. With at most half of all packet ids in use, the search for a free one passes over no more ids
/// than it hands out, whichever deliveries the client leaves open; with nearly all in use, it could pass over 65,000
/// for one.
pub const INFLIGHT_MAX: u16 = 1 << 15;

/// The deliveries in flight to one client.
#[derive(Debug)]
pub struct Outbound {
    window: Window,
    ids: PacketIds,
    /// The most PUBLISH without an end on this connection `[MQTT-3.3.4-9]`.
    inflight: usize,
    /// No delivery before this one waits to be sent again. `None` = none does.
    resume_at: Option<Slot>,
}

/// A delivery that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its packet id, never 0.
    pub packet_id: u16,
    /// Log `PacketIdsReserved { next }` with this number now (K10).
    pub reserve: Option<u16>,
}

/// One resumed packet that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// The delivery, with its old packet id `[MQTT-4.4.0-1]`.
    pub binding: Binding,
    /// What to send.
    pub kind: ResendKind,
}

/// Which packet goes out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendKind {
    /// The PUBLISH, with DUP set `[MQTT-3.3.1-1]`.
    Publish,
    /// The PUBREL: the client has the message already.
    PubRel,
}

/// A delivery that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Which message.
    pub seq: Seq,
    /// The store holds its binding: log `Unbound`.
    pub stored: bool,
}

/// What an acknowledgement of the client means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The delivery is over, the message acknowledged, and its packet id free.
    Done {
        /// Which message.
        seq: Seq,
        /// At which QoS it was delivered.
        qos: QoS,
        /// The store holds its binding: log `Unbound`.
        stored: bool,
        /// The client refused it (reason code 0x80 or above): `refused-by-client` (K27, K44).
        refused: bool,
    },
    /// PUBREC: send PUBREL, once everything the broker has logged up to now for this client is durable (K2).
    Release {
        /// Under which packet id.
        packet_id: u16,
        /// Which message.
        seq: Seq,
        /// Log `Released` for it; false when an earlier PUBREC did `[MQTT-4.3.3-4]`.
        first: bool,
    },
    /// Nothing is in flight under this packet id, as after a repeated acknowledgement. No error.
    Unknown {
        /// Answer a PUBREC with PUBREL and this reason code (3.x: without code), so that the client comes to an end.
        pubrel: Option<u8>,
    },
    /// The packet does not belong to this delivery: disconnect.
    WrongKind(Violation),
}

impl Outbound {
    /// Takes up what was stored of a session, or begins with nothing.
    ///
    /// `inflight` is the window of the terms, 1 to [`INFLIGHT_MAX`] (what is beyond counts as that); `next_packet_id` the stored reservation, 0 = none;
    /// `bindings` in the order they were sent. Bindings that cannot be (packet id 0 or taken twice, QoS 0) are left
    /// out: their messages count as not in flight and come from the queue again.
    pub fn new(inflight: u16, next_packet_id: u16, bindings: Vec<Binding>) -> Outbound {
        let mut window = Window::new();
        for binding in bindings {
            if binding.qos != QoS::AtMostOnce {
                window.push(binding, Standing::Waiting);
            }
        }
        Outbound {
            resume_at: window.first(),
            window,
            ids: PacketIds::resume(next_packet_id),
            inflight: usize::from(inflight.clamp(1, INFLIGHT_MAX)),
        }
    }

    /// How many new deliveries may begin now: 0 while resumed ones are still to be sent.
    pub fn room(&self) -> usize {
        if self.window.waiting() > 0 {
            return 0;
        }
        self.inflight.saturating_sub(self.window.len())
    }

    /// Begins a delivery at QoS 1 or 2; `None` = no room now (or QoS 0, which needs none).
    ///
    /// A QoS 2 PUBLISH leaves when its binding is durable, and the reservation with it (K1); a QoS 1 PUBLISH need
    /// not wait. `aside`: see [`Binding::aside`].
    pub fn begin(&mut self, seq: Seq, qos: QoS, retain: bool, aside: bool) -> Option<Begun> {
        if self.room() == 0 || qos == QoS::AtMostOnce {
            return None;
        }
        let packet_id = self.ids.take(|id| self.window.has_packet_id(id));
        let binding = Binding {
            seq,
            packet_id,
            qos,
            released: false,
            retain,
            aside,
        };
        self.window.push(binding, Standing::New).then(|| Begun {
            packet_id,
            reserve: self.ids.reserve(),
        })
    }

    /// Reserves packet ids before the first is needed: what to log as `PacketIdsReserved { next }` with the opening
    /// of a persistent session, so that its commit is over before anything is delivered (K10). What it answers must be
    /// logged whether the session is new or taken up again: from here on its ids count as reserved.
    #[must_use = "ids that are not logged as reserved are used again after a crash"]
    pub fn reserve_ahead(&mut self) -> Option<u16> {
        self.ids.reserve()
    }

    /// The next packet id to be used: to be logged as `PacketIdsReserved { next }` when the connection ends, so that
    /// the rest of the reservation is not wasted.
    pub fn next_packet_id(&self) -> u16 {
        self.ids.next()
    }

    /// The next resumed packet, in the order of the first sending; `None` when nothing is due now: all have gone
    /// out, or as many PUBLISH as the client takes at once (the window may have been larger on the last connection).
    ///
    /// What it names is durable, so it leaves at once. Put behind answers that wait for the disk, it would be overtaken
    /// by the QoS 1 deliveries that begin after it, or by the client's own acknowledgement (see
    /// [`Outbound::is_publish_due`]).
    pub fn resend(&mut self) -> Option<Resend> {
        while let Some(at) = self.resume_at {
            if self.window.waiting() == 0 {
                break;
            }
            if self.window.standing(at) == Standing::Waiting {
                let binding = self.window.get(at);
                let kind = match binding.released {
                    true => ResendKind::PubRel,
                    false if self.on_the_way() >= self.inflight => return None,
                    false => ResendKind::Publish,
                };
                self.window.sent(at);
                return Some(Resend { binding, kind });
            }
            self.resume_at = self.window.after(at);
        }
        self.resume_at = None;
        None
    }

    /// Takes an acknowledgement from the client: PUBACK, PUBREC or PUBCOMP. (PUBREL belongs to
    /// [`Inbound::pubrel`](crate::Inbound::pubrel).)
    pub fn answer(&mut self, kind: AckKind, packet_id: u16, reason: u8) -> Answer {
        let failed = reason >= code::FAILURE;
        let Some(at) = self.window.find(packet_id) else {
            let told = kind == AckKind::PubRec && !failed;
            return Answer::Unknown {
                pubrel: told.then_some(code::PACKET_IDENTIFIER_NOT_FOUND),
            };
        };
        let binding = self.window.get(at);
        match (kind, binding.qos, binding.released) {
            (AckKind::PubAck, QoS::AtLeastOnce, _) => self.done(at, failed),
            (AckKind::PubRec, QoS::ExactlyOnce, false) if failed => self.done(at, true),
            (AckKind::PubRec, QoS::ExactlyOnce, released) => {
                self.window.release(at);
                self.window.sent(at);
                Answer::Release {
                    packet_id,
                    seq: binding.seq,
                    first: !released,
                }
            }
            // PUBCOMP with 0x92 is an end too: the client has finished with this packet id before.
            (AckKind::PubComp, QoS::ExactlyOnce, true) => self.done(at, false),
            _ => Answer::WrongKind(Violation {
                reason: code::PROTOCOL_ERROR,
                why: "the acknowledgement does not fit the QoS or the state of the delivery it names",
            }),
        }
    }

    /// Whether a PUBLISH that was held back (until its binding is durable, or behind another that is) is still to be
    /// sent. A client that owes acknowledgements from its last connection may have answered meanwhile, and a PUBLISH
    /// that comes after its PUBREL would be taken for a new message.
    pub fn is_publish_due(&self, packet_id: u16) -> bool {
        self.window
            .find(packet_id)
            .is_some_and(|at| !self.window.get(at).released)
    }

    /// Gives up a delivery whose message cannot be sent (it could not be read back, or is too large for the client).
    /// Its packet id is free at once. `None` for an unknown packet id.
    pub fn abandon(&mut self, packet_id: u16) -> Option<Abandoned> {
        let at = self.window.find(packet_id)?;
        let stored = self.is_stored(at);
        let seq = self.remove(at).seq;
        Some(Abandoned { seq, stored })
    }

    /// What is in flight, in the order it was sent: what `SessionDetached` stores.
    pub fn bindings(&self) -> Vec<Binding> {
        self.window.iter().collect()
    }

    /// What is in flight and no binding in the store knows of, in the order it was sent: QoS 1 deliveries that began on
    /// this connection (K10). A cursor that is stored now must leave these open; all others are held by their bindings.
    pub fn without_binding(&self) -> impl Iterator<Item = Binding> + '_ {
        let slots = std::iter::successors(self.window.first(), |&at| self.window.after(at));
        slots
            .filter(|&at| !self.is_stored(at))
            .map(|at| self.window.get(at))
    }

    /// One delivery of [`Outbound::without_binding`], which counts as stored from here on: to be logged as `Bound`. For
    /// a message that nothing else keeps (a retained one may be replaced at any time). `None` when it is stored.
    #[must_use = "a binding that is not logged is believed to be"]
    pub fn bind_one(&mut self, packet_id: u16) -> Option<Binding> {
        let slot = self.window.find(packet_id).filter(|&at| !self.is_stored(at))?;
        self.window.bind(slot);
        Some(self.window.get(slot))
    }

    /// The wanted ones of [`Outbound::without_binding`], which count as stored from here on: to be logged as `Bound`
    /// when the queue they came from may go before the client has answered (K15).
    #[must_use = "bindings that are not logged are believed to be"]
    pub fn bind_begun(&mut self, wanted: impl Fn(u16) -> bool) -> Vec<Binding> {
        let begun: Vec<Binding> = self
            .without_binding()
            .filter(|binding| wanted(binding.packet_id))
            .collect();
        for binding in &begun {
            if let Some(slot) = self.window.find(binding.packet_id) {
                self.window.bind(slot);
            }
        }
        begun
    }

    /// How many deliveries are in flight.
    pub fn in_flight(&self) -> usize {
        self.window.len()
    }

    /// The messages in flight as inclusive ranges, ascending: what a reader of the backlog leaves out. Not what came from
    /// elsewhere ([`Binding::aside`]).
    pub fn bound_ranges(&self) -> Vec<(Seq, Seq)> {
        let own = self.window.iter().filter(|binding| !binding.aside);
        let mut seqs: Vec<Seq> = own.map(|binding| binding.seq).collect();
        seqs.sort_unstable();
        let mut ranges: Vec<(Seq, Seq)> = Vec::new();
        for seq in seqs {
            match ranges.last_mut() {
                Some((_, last)) if seq.0 - last.0 <= 1 => *last = seq,
                _ => ranges.push((seq, seq)),
            }
        }
        ranges
    }

    fn done(&mut self, at: Slot, refused: bool) -> Answer {
        let stored = self.is_stored(at);
        let binding = self.remove(at);
        Answer::Done {
            seq: binding.seq,
            qos: binding.qos,
            stored,
            refused,
        }
    }

    /// QoS 2 bindings are stored when they begin, QoS 1 bindings when the connection ends (K10).
    fn is_stored(&self, at: Slot) -> bool {
        self.window.get(at).qos == QoS::ExactlyOnce || self.window.standing(at) != Standing::New
    }

    /// Removes a delivery, also one that waits to be sent again: a client may acknowledge what it got on its last
    /// connection.
    fn remove(&mut self, at: Slot) -> Binding {
        if self.resume_at == Some(at) {
            self.resume_at = self.window.after(at);
        }
        self.window.remove(at)
    }

    fn on_the_way(&self) -> usize {
        self.window.len() - self.window.waiting()
    }
}

#[cfg(test)]
mod tests;
