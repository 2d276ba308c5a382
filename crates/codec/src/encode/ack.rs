//! PUBACK, PUBREC, PUBREL, PUBCOMP.

use super::{Receiver, put_packet};
use crate::encode::block::Block;
use crate::error::TooLarge;
use crate::packet::{Ack, AckKind, PacketId, Version};
use crate::property::Property;
use crate::reason;

impl Ack<'_> {
    /// An acknowledgement that all is well.
    pub const fn success(kind: AckKind, packet_id: PacketId) -> Ack<'static> {
        Ack {
            kind,
            packet_id,
            reason: reason::SUCCESS,
            reason_string: None,
        }
    }

    /// Appends the packet in its shortest form. 3.x has no reason: there a refusal cannot be said, and it is for the
    /// caller whether the acknowledgement is sent at all.
    ///
    /// # Errors
    /// The receiver takes not even the short form: nothing was written.
    #[inline]
    pub fn write(&self, to: &Receiver, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        let [high, low] = self.packet_id.get().to_be_bytes();
        let says_more = self.reason != reason::SUCCESS || self.reason_string.is_some();
        if to.version == Version::V5 && says_more {
            return self.write_reason(to, out);
        }
        if to.packet_size_max < 4 {
            return Err(TooLarge);
        }
        out.extend_from_slice(&[self.first_byte(), 2, high, low]);
        Ok(())
    }

    fn write_reason(&self, to: &Receiver, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        let [high, low] = self.packet_id.get().to_be_bytes();
        let head = [high, low, self.reason];
        if self.reason_string.is_some() && to.problem_information {
            let mut block = Block::default();
            let written = block
                .text(Property::ReasonString, self.reason_string)
                .and_then(|()| block.with_length())
                .and_then(|block| put_packet(self.first_byte(), &[&head, &block], to.packet_size_max, out));
            if written.is_ok() {
                return Ok(());
            }
        }
        let head = if self.reason == reason::SUCCESS {
            &head[..2]
        } else {
            &head
        };
        put_packet(self.first_byte(), &[head], to.packet_size_max, out)
    }

    fn first_byte(&self) -> u8 {
        let flags = if self.kind == AckKind::PubRel { 0b0010 } else { 0 };
        (self.kind as u8) << 4 | flags
    }
}
