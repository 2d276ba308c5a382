//! Bytes from a client to packets. Strict: what the specification calls malformed or a protocol error is refused.
//!
//! Nothing is copied and, but for CONNECT and the filter lists, nothing is allocated.

mod ack;
mod connect;
mod leave;
pub(crate) mod publish;
mod subscribe;

use crate::error::{DecodeError, Fault};
use crate::frame::{self, Arrived, PacketType};
use crate::packet::{AckKind, Packet, Version};

pub(crate) use ack::ack;
pub(crate) use leave::auth_from;

/// What a receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The largest packet in bytes, with its fixed header. Checked before the body has arrived.
    pub packet_size_max: u32,
}

/// What stands at the start of the input.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<P> {
    /// Not yet a whole packet.
    NeedMore {
        /// How many bytes the input must have, in all, before another try can find more: the length of the packet
        /// once its fixed header is there. Grow as bytes arrive; a stranger announces what he likes.
        at_least: usize,
    },
    /// A packet.
    Packet {
        /// The packet, borrowing from the input.
        packet: P,
        /// How many bytes of the input it was.
        consumed: usize,
    },
}

/// Reads the packet at the start of `input`, as a server reads what a client sends.
///
/// `version` is that of the connection; `None` until CONNECT was read, and then only CONNECT is taken
/// `[MQTT-3.1.0-1]`, `[MQTT-3.1.0-2]`. What can be refused by the first byte or the fixed header is refused as soon
/// as these are there.
///
/// # Errors
/// The first thing that is wrong. The connection cannot go on: answer with the error's reason code (5.0) and close
/// `[MQTT-4.13.1-1]`.
#[inline]
pub fn decode<'a>(
    input: &'a [u8],
    version: Option<Version>,
    limits: &DecodeLimits,
) -> Result<Decoded<Packet<'a>>, DecodeError> {
    let Some(&first) = input.first() else {
        return Ok(Decoded::NeedMore { at_least: 2 });
    };
    let packet_type = PacketType::of(first);
    let refused = |fault| DecodeError::new(packet_type, fault, version);
    admit(first, packet_type, version).map_err(refused)?;
    let arrived = frame::cut(input, limits.packet_size_max).map_err(|fault| match version {
        None => DecodeError::new(packet_type, fault, connect::version_asked(input)),
        Some(_) => refused(fault),
    })?;
    match arrived {
        Arrived::Partly { at_least } => Ok(Decoded::NeedMore { at_least }),
        Arrived::Whole { body, consumed } => {
            let packet = match version {
                None => connect::connect(body)?,
                Some(version) => packet(first, packet_type, body, version).map_err(refused)?,
            };
            Ok(Decoded::Packet { packet, consumed })
        }
    }
}

/// What the first byte alone decides.
#[inline]
fn admit(first: u8, packet_type: PacketType, version: Option<Version>) -> Result<(), Fault> {
    match (packet_type, version) {
        (PacketType::Connect, Some(_)) => return Err(Fault::SecondConnect),
        (PacketType::Connect, None) => {}
        (_, None) => return Err(Fault::NotConnect),
        (PacketType::Reserved, _) | (PacketType::Auth, Some(Version::V31 | Version::V311)) => {
            return Err(Fault::TypeReserved);
        }
        (PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp, _) => {
            return Err(Fault::ServerOnly);
        }
        _ => {}
    }
    frame::check_flags(first, packet_type, version)
}

#[inline]
fn packet(first: u8, packet_type: PacketType, body: &[u8], version: Version) -> Result<Packet<'_>, Fault> {
    use crate::reason::Sender::Client;
    match packet_type {
        PacketType::Publish => publish::publish(first, body, version).map(Packet::Publish),
        PacketType::PubAck => ack(AckKind::PubAck, body, version, Client).map(Packet::Ack),
        PacketType::PubRec => ack(AckKind::PubRec, body, version, Client).map(Packet::Ack),
        PacketType::PubRel => ack(AckKind::PubRel, body, version, Client).map(Packet::Ack),
        PacketType::PubComp => ack(AckKind::PubComp, body, version, Client).map(Packet::Ack),
        PacketType::Subscribe => subscribe::subscribe(body, version).map(Packet::Subscribe),
        PacketType::Unsubscribe => subscribe::unsubscribe(body, version).map(Packet::Unsubscribe),
        PacketType::PingReq if body.is_empty() => Ok(Packet::PingReq),
        PacketType::PingReq => Err(Fault::TrailingBytes),
        PacketType::Disconnect => leave::disconnect(body, version).map(Packet::Disconnect),
        PacketType::Auth => leave::auth(body).map(Packet::Auth),
        // `admit` has refused these; refusing them again costs nothing and cannot panic.
        PacketType::Connect => Err(Fault::SecondConnect),
        PacketType::Reserved => Err(Fault::TypeReserved),
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => {
            Err(Fault::ServerOnly)
        }
    }
}
