//! The fixed header (5.0 section 2.1): packet type, flags and length, before the body has arrived.

use std::fmt;

use crate::error::{DecodeError, Fault};
use crate::packet::Version;
use crate::varint;

/// The longest fixed header in bytes.
pub const HEADER_BYTES_MAX: usize = 5;

/// The largest packet MQTT can say, in bytes, with its fixed header.
pub const PACKET_BYTES_MAX: u32 = varint::VALUE_MAX + HEADER_BYTES_MAX as u32;

/// What a packet is, by the upper half of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum PacketType {
    Reserved = 0,
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// The type in a packet's first byte.
    #[inline]
    pub const fn of(first: u8) -> PacketType {
        match first >> 4 {
            1 => PacketType::Connect,
            2 => PacketType::ConnAck,
            3 => PacketType::Publish,
            4 => PacketType::PubAck,
            5 => PacketType::PubRec,
            6 => PacketType::PubRel,
            7 => PacketType::PubComp,
            8 => PacketType::Subscribe,
            9 => PacketType::SubAck,
            10 => PacketType::Unsubscribe,
            11 => PacketType::UnsubAck,
            12 => PacketType::PingReq,
            13 => PacketType::PingResp,
            14 => PacketType::Disconnect,
            15 => PacketType::Auth,
            _ => PacketType::Reserved,
        }
    }

    /// The name the specification gives it.
    pub const fn name(self) -> &'static str {
        match self {
            PacketType::Reserved => "packet type 0",
            PacketType::Connect => "CONNECT",
            PacketType::ConnAck => "CONNACK",
            PacketType::Publish => "PUBLISH",
            PacketType::PubAck => "PUBACK",
            PacketType::PubRec => "PUBREC",
            PacketType::PubRel => "PUBREL",
            PacketType::PubComp => "PUBCOMP",
            PacketType::Subscribe => "SUBSCRIBE",
            PacketType::SubAck => "SUBACK",
            PacketType::Unsubscribe => "UNSUBSCRIBE",
            PacketType::UnsubAck => "UNSUBACK",
            PacketType::PingReq => "PINGREQ",
            PacketType::PingResp => "PINGRESP",
            PacketType::Disconnect => "DISCONNECT",
            PacketType::Auth => "AUTH",
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How long the packet at the start of `input` is, in bytes with its fixed header, or `None` while the fixed header
/// itself has not arrived. Nothing else is checked: the size limit is [`decode`](crate::decode)'s.
///
/// # Errors
/// A remaining length of more than four bytes, or in more bytes than it needs.
#[inline]
pub fn frame_len(input: &[u8]) -> Result<Option<usize>, DecodeError> {
    match Frame::read(input) {
        Ok(frame) => Ok(frame.map(|frame| frame.len())),
        Err(fault) => {
            let first = input.first().copied().unwrap_or_default();
            Err(DecodeError::new(PacketType::of(first), fault, None))
        }
    }
}

/// A fixed header that has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    header_len: usize,
    body_len: u32,
}

impl Frame {
    #[inline]
    fn read(input: &[u8]) -> Result<Option<Frame>, Fault> {
        let Some(length) = input.get(1..) else {
            return Ok(None);
        };
        let read = varint::read(length)?;
        Ok(read.map(|(body_len, bytes)| Frame {
            header_len: 1 + bytes,
            body_len,
        }))
    }

    fn len(self) -> usize {
        self.header_len + self.body_len as usize
    }
}

/// How far a packet has arrived.
pub(crate) enum Arrived<'a> {
    /// The input must have this many bytes before it is worth another look.
    Partly { at_least: usize },
    /// All of it.
    Whole { body: &'a [u8], consumed: usize },
}

/// Cuts the first packet out of `input`; refuses it by its announced size before its body is there.
#[inline]
pub(crate) fn cut(input: &[u8], packet_size_max: u32) -> Result<Arrived<'_>, Fault> {
    let Some(frame) = Frame::read(input)? else {
        return Ok(Arrived::Partly {
            at_least: (input.len() + 1).max(2),
        });
    };
    let length = frame.len();
    if length > packet_size_max as usize {
        return Err(Fault::PacketTooLarge {
            size: length as u32,
            size_max: packet_size_max,
        });
    }
    match input.get(frame.header_len..length) {
        Some(body) => Ok(Arrived::Whole {
            body,
            consumed: length,
        }),
        None => Ok(Arrived::Partly { at_least: length }),
    }
}

/// Whether the flags in the first byte are those of its packet `[MQTT-2.1.3-1]`.
///
/// 3.1 lets PUBREL, SUBSCRIBE and UNSUBSCRIBE be sent again with DUP; 3.1.1 took that away.
#[inline]
pub(crate) fn check_flags(first: u8, packet_type: PacketType, version: Option<Version>) -> Result<(), Fault> {
    let flags = first & 0x0f;
    let right = match packet_type {
        PacketType::Publish if flags & 0b0110 == 0b0110 => return Err(Fault::PublishQos),
        PacketType::Publish if flags & 0b1110 == 0b1000 => return Err(Fault::DupWithoutQos),
        PacketType::Publish => true,
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => {
            flags == 0b0010 || (flags == 0b1010 && version == Some(Version::V31))
        }
        _ => flags == 0,
    };
    if right { Ok(()) } else { Err(Fault::Flags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_known_from_the_header_alone() {
        assert_eq!(frame_len(&[]), Ok(None));
        assert_eq!(frame_len(&[0x30]), Ok(None));
        assert_eq!(frame_len(&[0x30, 0x80]), Ok(None));
        assert_eq!(frame_len(&[0x30, 0x05]), Ok(Some(7)));
        assert_eq!(
            frame_len(&[0x30, 0xff, 0xff, 0xff, 0x7f]),
            Ok(Some(PACKET_BYTES_MAX as usize))
        );
        assert!(frame_len(&[0x30, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(frame_len(&[0x30, 0x85, 0x00]).is_err());
    }
}
