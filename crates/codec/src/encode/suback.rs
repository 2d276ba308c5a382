//! SUBACK and UNSUBACK.

use super::block::Block;
use super::{Receiver, first_byte, put_packet};
use crate::error::TooLarge;
use crate::frame::PacketType;
use crate::packet::{PacketId, Version};
use crate::property::Property;
use crate::reason;

/// SUBACK.
#[derive(Clone, Debug, PartialEq)]
pub struct SubAck<'a> {
    /// Of which SUBSCRIBE.
    pub packet_id: PacketId,
    /// One code for each filter, in their order `[MQTT-3.9.3-1]`. Refusals are told to 3.x clients as 0x80 (3.1
    /// has no word for a refusal; 0x80 is what servers say to it).
    pub reasons: &'a [u8],
    /// Words for a human; left out where it does not fit `[MQTT-3.9.2-1]`.
    pub reason_string: Option<&'a str>,
}

impl SubAck<'_> {
    /// Appends the packet.
    ///
    /// # Errors
    /// It does not fit even without its reason string: nothing was written.
    pub fn write(&self, to: &Receiver, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        let first = first_byte(PacketType::SubAck, 0);
        let packet_id = self.packet_id.get().to_be_bytes();
        if to.version == Version::V5 {
            return with_reason_string(first, packet_id, self.reason_string, self.reasons, to, out);
        }
        let codes = self
            .reasons
            .iter()
            .map(|&code| if reason::is_error(code) { 0x80 } else { code });
        let codes: Vec<u8> = codes.collect();
        put_packet(first, &[&packet_id, &codes], to.packet_size_max, out)
    }
}

/// UNSUBACK.
#[derive(Clone, Debug, PartialEq)]
pub struct UnsubAck<'a> {
    /// Of which UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One code for each filter, in their order `[MQTT-3.11.3-1]`; 3.x clients are not told.
    pub reasons: &'a [u8],
    /// Words for a human; left out where it does not fit `[MQTT-3.11.2-1]`.
    pub reason_string: Option<&'a str>,
}

impl UnsubAck<'_> {
    /// Appends the packet.
    ///
    /// # Errors
    /// It does not fit even without its reason string: nothing was written.
    pub fn write(&self, to: &Receiver, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        let first = first_byte(PacketType::UnsubAck, 0);
        let packet_id = self.packet_id.get().to_be_bytes();
        if to.version == Version::V5 {
            return with_reason_string(first, packet_id, self.reason_string, self.reasons, to, out);
        }
        put_packet(first, &[&packet_id], to.packet_size_max, out)
    }
}

fn with_reason_string(
    first: u8,
    packet_id: [u8; 2],
    reason_string: Option<&str>,
    codes: &[u8],
    to: &Receiver,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    if reason_string.is_some() && to.problem_information {
        let mut block = Block::default();
        let written = block
            .text(Property::ReasonString, reason_string)
            .and_then(|()| block.with_length())
            .and_then(|block| put_packet(first, &[&packet_id, &block, codes], to.packet_size_max, out));
        if written.is_ok() {
            return Ok(());
        }
    }
    put_packet(first, &[&packet_id, &[0], codes], to.packet_size_max, out)
}
