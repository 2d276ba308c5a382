//! Writes SUBSCRIBE, UNSUBSCRIBE and DISCONNECT.

use restante_model::SubscriptionOptions;

use crate::encode::block::Block;
use crate::encode::{first_byte, put_binary, put_packet, put_reason_and_block};
use crate::error::TooLarge;
use crate::frame::{PACKET_BYTES_MAX, PacketType};
use crate::packet::{Disconnect, Subscribe, Unsubscribe, Version};
use crate::property::Property;

/// Appends a SUBSCRIBE. The packet has one subscription identifier: that of the first filter.
///
/// # Errors
/// A filter is over 65,535 bytes, or the packet too large for MQTT.
pub fn subscribe(version: Version, subscribe: &Subscribe<'_>, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let mut body = subscribe.packet_id.get().to_be_bytes().to_vec();
    if version == Version::V5 {
        let mut block = Block::default();
        let identifier = subscribe
            .filters
            .first()
            .and_then(|(_, options)| options.identifier);
        block.varint(Property::SubscriptionIdentifier, identifier);
        body.extend_from_slice(&block.with_length()?);
    }
    for (filter, options) in &subscribe.filters {
        put_binary(filter.as_bytes(), &mut body)?;
        body.push(if version == Version::V5 {
            options_byte(options)
        } else {
            options.qos as u8
        });
    }
    put_packet(
        first_byte(PacketType::Subscribe, 0b0010),
        &[&body],
        PACKET_BYTES_MAX,
        out,
    )
}

fn options_byte(options: &SubscriptionOptions) -> u8 {
    options.qos as u8
        | u8::from(options.no_local) << 2
        | u8::from(options.retain_as_published) << 3
        | (options.retain_handling as u8) << 4
}

/// Appends an UNSUBSCRIBE.
///
/// # Errors
/// A filter is over 65,535 bytes, or the packet too large for MQTT.
pub fn unsubscribe(
    version: Version,
    unsubscribe: &Unsubscribe<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let mut body = unsubscribe.packet_id.get().to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    for filter in &unsubscribe.filters {
        put_binary(filter.as_bytes(), &mut body)?;
    }
    put_packet(
        first_byte(PacketType::Unsubscribe, 0b0010),
        &[&body],
        PACKET_BYTES_MAX,
        out,
    )
}

/// Appends a DISCONNECT; in 3.x it is empty.
///
/// # Errors
/// The reason string is over 65,535 bytes.
pub fn disconnect(version: Version, disconnect: &Disconnect<'_>, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let first = first_byte(PacketType::Disconnect, 0);
    if version != Version::V5 {
        return put_packet(first, &[], PACKET_BYTES_MAX, out);
    }
    let mut block = Block::default();
    block.four(Property::SessionExpiryInterval, disconnect.session_expiry);
    block.text(Property::ReasonString, disconnect.reason_string)?;
    put_reason_and_block(first, disconnect.reason, &block, PACKET_BYTES_MAX, out)
}
