//! Writes CONNECT.

use crate::encode::block::Block;
use crate::encode::{first_byte, put_binary, put_packet};
use crate::error::TooLarge;
use crate::frame::{PACKET_BYTES_MAX, PacketType};
use crate::packet::{Connect, Version, Will};
use crate::property::Property;

/// Appends a CONNECT.
///
/// # Errors
/// A field is over 65,535 bytes.
pub fn connect(connect: &Connect<'_>, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let version = connect.version;
    let mut body = Vec::new();
    put_binary(version.protocol_name().as_bytes(), &mut body)?;
    body.push(version.level() | if connect.bridge { 0x80 } else { 0 });
    body.push(flags(connect));
    body.extend_from_slice(&connect.keep_alive.to_be_bytes());
    if version == Version::V5 {
        body.extend_from_slice(&connect_block(connect)?.with_length()?);
    }
    put_binary(connect.client_id.as_bytes(), &mut body)?;
    if let Some(will) = &connect.will {
        if version == Version::V5 {
            body.extend_from_slice(&will_block(will).with_length()?);
        }
        put_binary(will.topic.as_bytes(), &mut body)?;
        put_binary(will.payload, &mut body)?;
    }
    if let Some(username) = connect.username {
        put_binary(username.as_bytes(), &mut body)?;
    }
    if let Some(password) = connect.password {
        put_binary(password, &mut body)?;
    }
    put_packet(
        first_byte(PacketType::Connect, 0),
        &[&body],
        PACKET_BYTES_MAX,
        out,
    )
}

fn flags(connect: &Connect<'_>) -> u8 {
    let will = connect.will.as_ref().map_or(0, |will| {
        0b100 | (will.qos as u8) << 3 | u8::from(will.retain) << 5
    });
    u8::from(connect.clean) << 1
        | will
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.username.is_some()) << 7
}

/// What has its default value is not written.
fn connect_block(connect: &Connect<'_>) -> Result<Block, TooLarge> {
    let mut block = Block::default();
    block.four(Property::SessionExpiryInterval, connect.session_expiry);
    block.two(Property::ReceiveMaximum, connect.receive_maximum);
    block.four(Property::MaximumPacketSize, connect.maximum_packet_size);
    block.two(
        Property::TopicAliasMaximum,
        Some(connect.topic_alias_maximum).filter(|&count| count != 0),
    );
    block.flag(
        Property::RequestResponseInformation,
        connect.request_response_information.then_some(true),
    );
    block.flag(
        Property::RequestProblemInformation,
        (!connect.request_problem_information).then_some(false),
    );
    block.users(connect.user_properties)?;
    block.text(Property::AuthenticationMethod, connect.authentication_method)?;
    block.binary(Property::AuthenticationData, connect.authentication_data)?;
    Ok(block)
}

fn will_block(will: &Will<'_>) -> Block {
    let mut block = Block::default();
    block.four(
        Property::WillDelayInterval,
        Some(will.delay).filter(|&delay| delay != 0),
    );
    block.four(Property::MessageExpiryInterval, will.message_expiry);
    block.encoded(&will.properties);
    block
}
