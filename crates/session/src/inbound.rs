//! What the client publishes: topic aliases, the receive maximum, and the receiving half of QoS 2.
//!
//! One per connection, owned by its task. Aliases and the quota begin anew with each connection `[MQTT-3.3.2-7]`;
//! the receipts (packet ids of QoS 2 publishes that wait for their PUBREL) are the session's and are handed in.
//! Bounded: [`ALIAS_BYTES_MAX`] of aliases, and one receipt per packet id.
//!
//! Answers to one client go out in the order of its packets, each when what it says is durable. That order matters
//! here: the PUBREC for a duplicate and the PUBCOMP for an unknown packet id say that something *earlier* is durable,
//! so they must not overtake the answers that still wait.

use restante_codec::packet::{Publish, Version};
use restante_model::QoS;

use crate::{handshake::Terms, packet_id_table::PacketIdTable, reason_code as code, violation::Violation};

/// Bytes of topic names that the aliases of one connection may stand for, together.
pub const ALIAS_BYTES_MAX: usize = 1 << 20;

/// As many exchanges of earlier connections as there are packet ids.
const CREDIT_MAX: i32 = u16::MAX as i32;

/// The receiving half of one connection.
#[derive(Debug)]
pub struct Inbound {
    version: Version,
    alias_max: u16,
    /// `aliases[i]` is alias `i + 1`; empty = not set. Grows up to the highest alias used.
    aliases: Vec<Box<str>>,
    alias_bytes: usize,
    receive_maximum: i32,
    /// QoS 1 and 2 publishes of this connection, less the exchanges that have ended. Below 0 when the client has
    /// finished exchanges of an earlier connection: each PUBCOMP lets it send one more (section 4.9), also when it
    /// arrives after the client has used its whole quota, so this must not stop at 0. Not below [`CREDIT_MAX`].
    unfinished: i32,
    receipts: PacketIdTable,
}

/// A PUBLISH that may be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The topic name, from the packet or from the alias.
    pub topic: &'a str,
    /// Whether it is the first of its kind.
    pub novelty: Novelty,
}

/// Whether a PUBLISH brings a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// A message to be processed. At QoS 2 its packet id is now taken: log the receipt with the message.
    Fresh,
    /// A QoS 2 PUBLISH whose packet id waits for PUBREL: answer PUBREC, do nothing else `[MQTT-4.3.3-10]`.
    Duplicate,
}

/// What a PUBREL means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The receipt is gone here: log `Completed`, and send PUBCOMP when that is durable (K2).
    Known,
    /// There was no receipt, as after a repeated PUBREL: send PUBCOMP with this reason code, behind what waits
    /// (3.x: without code).
    Unknown {
        /// Reason code of the PUBCOMP.
        reason: u8,
    },
}

impl Inbound {
    /// Begins a connection. `receipts` are the stored packet ids of QoS 2 publishes that wait for PUBREL; none for
    /// a new session.
    pub fn new(terms: &Terms, receipts: &[u16]) -> Inbound {
        let mut table = PacketIdTable::default();
        for &packet_id in receipts {
            table.insert(packet_id, 0);
        }
        Inbound {
            version: terms.version,
            alias_max: terms.alias_max_in,
            aliases: Vec::new(),
            alias_bytes: 0,
            receive_maximum: i32::from(terms.receive_maximum),
            unfinished: 0,
            receipts: table,
        }
    }

    /// Takes a PUBLISH.
    ///
    /// # Errors
    /// An alias of 0 or above the maximum (0x94), an alias that was not set (0x82), more aliased topics than
    /// [`ALIAS_BYTES_MAX`] (0x97), more QoS 1 and 2 publishes at once than announced (0x93) `[MQTT-3.3.4-7]`: the
    /// connection must end.
    pub fn publish<'s>(&'s mut self, publish: &Publish<'s>) -> Result<Arrival<'s>, Violation> {
        let novelty = self.admit(publish)?;
        let topic = match publish.topic_alias {
            None if publish.topic.is_empty() => return Err(NO_TOPIC),
            None => publish.topic,
            Some(alias) => self.resolve(alias, publish.topic)?,
        };
        Ok(Arrival { topic, novelty })
    }

    /// PUBACK was sent, with whatever reason code: its place in the quota is free.
    pub fn acknowledged(&mut self) {
        self.ended();
    }

    /// PUBREC was sent with a reason code of 0x80 or above: its place in the quota and its packet id are free.
    pub fn refused(&mut self, packet_id: u16) {
        if self.receipts.remove(packet_id).is_some() {
            self.ended();
        }
    }

    /// Takes a PUBREL.
    pub fn pubrel(&mut self, packet_id: u16) -> ReleaseOutcome {
        self.ended();
        match self.receipts.remove(packet_id) {
            Some(_) => ReleaseOutcome::Known,
            None if self.version == Version::V5 => ReleaseOutcome::Unknown {
                reason: code::PACKET_IDENTIFIER_NOT_FOUND,
            },
            None => ReleaseOutcome::Unknown {
                reason: code::SUCCESS,
            },
        }
    }

    /// How many QoS 1 and 2 publishes have not come to an end, as far as the quota counts them.
    pub fn unfinished(&self) -> u32 {
        self.unfinished.max(0).unsigned_abs()
    }

    /// How many packet ids wait for PUBREL.
    pub fn receipts(&self) -> usize {
        self.receipts.len()
    }

    fn ended(&mut self) {
        self.unfinished = (self.unfinished - 1).max(-CREDIT_MAX);
    }

    /// Quota and duplicates.
    fn admit(&mut self, publish: &Publish<'_>) -> Result<Novelty, Violation> {
        if publish.qos == QoS::AtMostOnce {
            return Ok(Novelty::Fresh);
        }
        let packet_id = publish.packet_id.ok_or(NO_PACKET_ID)?.get();
        let is_exactly_once = publish.qos == QoS::ExactlyOnce;
        if is_exactly_once && self.receipts.contains(packet_id) {
            return Ok(Novelty::Duplicate);
        }
        if self.unfinished >= self.receive_maximum {
            return Err(TOO_MANY);
        }
        self.unfinished += 1;
        if is_exactly_once {
            self.receipts.insert(packet_id, 0);
        }
        Ok(Novelty::Fresh)
    }

    fn resolve<'s>(&'s mut self, alias: u16, topic: &'s str) -> Result<&'s str, Violation> {
        if alias == 0 || alias > self.alias_max {
            return Err(ALIAS_RANGE);
        }
        let at = usize::from(alias) - 1;
        if topic.is_empty() {
            return match self.aliases.get(at) {
                Some(known) if !known.is_empty() => Ok(known),
                _ => Err(ALIAS_UNKNOWN),
            };
        }
        if self.aliases.len() <= at {
            self.aliases.resize(at + 1, Box::default());
        }
        // Clients that send topic and alias every time must not cost an allocation every time.
        if *self.aliases[at] != *topic {
            let bytes = self.alias_bytes - self.aliases[at].len() + topic.len();
            if bytes > ALIAS_BYTES_MAX {
                return Err(ALIAS_BYTES);
            }
            self.alias_bytes = bytes;
            self.aliases[at] = topic.into();
        }
        Ok(topic)
    }
}

const NO_TOPIC: Violation = Violation {
    reason: code::PROTOCOL_ERROR,
    why: "a publish needs a topic name or a topic alias",
};
const NO_PACKET_ID: Violation = Violation {
    reason: code::MALFORMED_PACKET,
    why: "a publish at qos 1 or 2 needs a packet id",
};
const TOO_MANY: Violation = Violation {
    reason: code::RECEIVE_MAXIMUM_EXCEEDED,
    why: "more unfinished publishes at qos 1 and 2 than the receive maximum allows",
};
const ALIAS_RANGE: Violation = Violation {
    reason: code::TOPIC_ALIAS_INVALID,
    why: "the topic alias is 0 or above the topic alias maximum",
};
const ALIAS_UNKNOWN: Violation = Violation {
    reason: code::PROTOCOL_ERROR,
    why: "the topic alias was not set on this connection",
};
const ALIAS_BYTES: Violation = Violation {
    reason: code::QUOTA_EXCEEDED,
    why: "the topic names behind the aliases of this connection take more than 1 MiB",
};

#[cfg(test)]
mod tests;
