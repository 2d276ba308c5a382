//! DISCONNECT and AUTH, which a server sends in 5.0 only.

use super::block::Block;
use super::{Receiver, first_byte, put_packet};
use crate::error::TooLarge;
use crate::frame::PacketType;
use crate::packet::{Auth, UserProperties};
use crate::property::Property;
use crate::reason;

/// DISCONNECT from a server (5.0); a 3.x client is told nothing before the connection is closed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ServerDisconnect<'a> {
    /// Why `[MQTT-3.14.2-1]`.
    pub reason: u8,
    /// Words for a human; left out where it does not fit `[MQTT-3.14.2-3]`.
    pub reason_string: Option<&'a str>,
    /// Left out where they do not fit `[MQTT-3.14.2-4]`.
    pub user_properties: UserProperties<'a>,
    /// Another server.
    pub server_reference: Option<&'a str>,
}

impl ServerDisconnect<'_> {
    /// Appends the packet in its shortest form.
    ///
    /// # Errors
    /// It does not fit even without reason string and user properties: nothing was written.
    pub fn write(&self, to: &Receiver, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        debug_assert!(
            to.version.has_properties(),
            "DISCONNECT from a server exists in 5.0 only"
        );
        self.put(self.reason_string, self.user_properties, to, out)
            .or_else(|TooLarge| self.put(None, self.user_properties, to, out))
            .or_else(|TooLarge| self.put(None, UserProperties::default(), to, out))
    }

    fn put(
        &self,
        reason_string: Option<&str>,
        user_properties: UserProperties<'_>,
        to: &Receiver,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLarge> {
        let mut block = Block::default();
        block.text(Property::ReasonString, reason_string)?;
        block.users(user_properties)?;
        block.text(Property::ServerReference, self.server_reference)?;
        put_reason_and_block(
            first_byte(PacketType::Disconnect, 0),
            self.reason,
            &block,
            to.packet_size_max,
            out,
        )
    }
}

impl Auth<'_> {
    /// Appends the packet, from either side (5.0).
    ///
    /// # Errors
    /// It does not fit: nothing was written.
    pub fn write(&self, to: &Receiver, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        debug_assert!(to.version.has_properties(), "AUTH exists in 5.0 only");
        let mut block = Block::default();
        block.text(Property::AuthenticationMethod, self.method)?;
        block.binary(Property::AuthenticationData, self.data)?;
        let first = first_byte(PacketType::Auth, 0);
        if self.reason == reason::SUCCESS && block.is_empty() {
            return put_packet(first, &[], to.packet_size_max, out);
        }
        put_packet(
            first,
            &[&[self.reason], &block.with_length()?],
            to.packet_size_max,
            out,
        )
    }
}

/// A body of a reason and properties, both left out at the end where they say nothing.
pub(crate) fn put_reason_and_block(
    first: u8,
    code: u8,
    block: &Block,
    size_max: u32,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    match (code, block.is_empty()) {
        (reason::SUCCESS, true) => put_packet(first, &[], size_max, out),
        (_, true) => put_packet(first, &[&[code]], size_max, out),
        (_, false) => put_packet(first, &[&[code], &block.with_length()?], size_max, out),
    }
}
