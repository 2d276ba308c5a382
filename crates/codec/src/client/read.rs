//! Reads what a server sends, as strictly as the server reads clients: a test kit that forgives proves nothing.

use restante_model::QoS;

use crate::decode::publish::with_properties;
use crate::decode::{Decoded, ack, auth_from};
use crate::encode::{ConnAck, ServerDisconnect, SubAck, UnsubAck};
use crate::error::{DecodeError, Fault};
use crate::frame::{self, Arrived, PacketType};
use crate::packet::{Ack, AckKind, Auth, Publish, UserProperties, Version};
use crate::property::{self, Properties, Property, Value};
use crate::reader::Reader;
use crate::reason::{self, Sender};
use crate::version::return_code;

/// A packet from a server.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerPacket<'a> {
    /// CONNACK. From a 3.x server `reason` is the return code as it stands, 0 to 5.
    ConnAck(Box<ConnAck<'a>>),
    /// PUBLISH
    Publish(ServerPublish<'a>),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP
    Ack(Ack<'a>),
    /// SUBACK
    SubAck(SubAck<'a>),
    /// UNSUBACK
    UnsubAck(UnsubAck<'a>),
    /// PINGRESP
    PingResp,
    /// DISCONNECT (5.0)
    Disconnect(ServerDisconnect<'a>),
    /// AUTH (5.0)
    Auth(Auth<'a>),
}

/// PUBLISH from a server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPublish<'a> {
    /// What a client's PUBLISH has too; `properties` is the whole block.
    pub publish: Publish<'a>,
    /// The identifiers of the subscriptions that matched, in the order they stand.
    pub subscription_ids: Vec<u32>,
}

/// Reads the packet at the start of `input`, as a client of the given version reads what a server sends.
///
/// # Errors
/// The first thing that is wrong, as for [`decode`](crate::decode()).
pub fn decode(
    input: &[u8],
    version: Version,
    packet_size_max: u32,
) -> Result<Decoded<ServerPacket<'_>>, DecodeError> {
    let Some(&first) = input.first() else {
        return Ok(Decoded::NeedMore { at_least: 2 });
    };
    let packet_type = PacketType::of(first);
    let refused = |fault| DecodeError::new(packet_type, fault, Some(version));
    admit(first, packet_type, version).map_err(refused)?;
    match frame::cut(input, packet_size_max).map_err(refused)? {
        Arrived::Partly { at_least } => Ok(Decoded::NeedMore { at_least }),
        Arrived::Whole { body, consumed } => {
            let packet = packet(first, packet_type, body, version).map_err(refused)?;
            Ok(Decoded::Packet { packet, consumed })
        }
    }
}

fn admit(first: u8, packet_type: PacketType, version: Version) -> Result<(), Fault> {
    match packet_type {
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq => {
            return Err(Fault::ClientOnly);
        }
        PacketType::Disconnect if version != Version::V5 => return Err(Fault::ClientOnly),
        PacketType::Auth if version != Version::V5 => return Err(Fault::TypeReserved),
        PacketType::Reserved => return Err(Fault::TypeReserved),
        _ => {}
    }
    frame::check_flags(first, packet_type, Some(version))
}

fn packet(
    first: u8,
    packet_type: PacketType,
    body: &[u8],
    version: Version,
) -> Result<ServerPacket<'_>, Fault> {
    let acknowledged = |kind| ack(kind, body, version, Sender::Server).map(ServerPacket::Ack);
    match packet_type {
        PacketType::ConnAck => connack(body, version).map(|connack| ServerPacket::ConnAck(Box::new(connack))),
        PacketType::Publish => publish(first, body, version).map(ServerPacket::Publish),
        PacketType::PubAck => acknowledged(AckKind::PubAck),
        PacketType::PubRec => acknowledged(AckKind::PubRec),
        PacketType::PubRel => acknowledged(AckKind::PubRel),
        PacketType::PubComp => acknowledged(AckKind::PubComp),
        PacketType::SubAck => suback(body, version).map(ServerPacket::SubAck),
        PacketType::UnsubAck => unsuback(body, version).map(ServerPacket::UnsubAck),
        PacketType::PingResp if body.is_empty() => Ok(ServerPacket::PingResp),
        PacketType::PingResp => Err(Fault::TrailingBytes),
        PacketType::Disconnect => disconnect(body).map(ServerPacket::Disconnect),
        PacketType::Auth => auth_from(body, Sender::Server).map(ServerPacket::Auth),
        // `admit` has refused these.
        PacketType::Reserved => Err(Fault::TypeReserved),
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq => {
            Err(Fault::ClientOnly)
        }
    }
}

fn publish(first: u8, body: &[u8], version: Version) -> Result<ServerPublish<'_>, Fault> {
    let mut subscription_ids = Vec::new();
    let publish = with_properties(
        first,
        body,
        version,
        property::SERVER_PUBLISH,
        |property, value| {
            if let (Property::SubscriptionIdentifier, Value::Number(id)) = (property, value) {
                subscription_ids.push(id);
            }
        },
    )?;
    Ok(ServerPublish {
        publish,
        subscription_ids,
    })
}

fn connack(body: &[u8], version: Version) -> Result<ConnAck<'_>, Fault> {
    let mut reader = Reader::new(body);
    let flags = reader.byte()?;
    if flags > 1 || (flags == 1 && version == Version::V31) {
        return Err(Fault::ConnackFlags);
    }
    let code = reader.byte()?;
    let known = match version {
        Version::V5 => reason::in_connack(code),
        Version::V31 | Version::V311 => code <= return_code::NOT_AUTHORIZED,
    };
    let mut connack = ConnAck {
        session_present: flags == 1,
        reason: reason::check(code, known)?,
        ..ConnAck::default()
    };
    if connack.session_present && code != 0 {
        return Err(Fault::SessionPresentRefused);
    }
    if version == Version::V5 {
        connack_properties(reader.block()?, &mut connack)?;
    }
    reader.finish()?;
    Ok(connack)
}

fn connack_properties<'a>(block: &'a [u8], connack: &mut ConnAck<'a>) -> Result<(), Fault> {
    connack.user_properties = UserProperties(block);
    let mut properties = Properties::new(block, property::CONNACK);
    while let Some((property, value)) = properties.next()? {
        match value {
            Value::Number(number) => connack_number(property, number, connack),
            Value::Text(text) => connack_text(property, text, connack),
            Value::Binary(data) => connack.authentication_data = Some(data),
            Value::Pair(..) => {}
        }
    }
    if connack.authentication_data.is_some() && connack.authentication_method.is_none() {
        return Err(Fault::AuthenticationData);
    }
    Ok(())
}

fn connack_number(property: Property, number: u32, connack: &mut ConnAck<'_>) {
    let flag = Some(number == 1);
    match property {
        Property::SessionExpiryInterval => connack.session_expiry = Some(number),
        Property::ReceiveMaximum => connack.receive_maximum = Some(number as u16),
        Property::MaximumQos => connack.maximum_qos = QoS::from_bits(number as u8),
        Property::RetainAvailable => connack.retain_available = flag,
        Property::MaximumPacketSize => connack.maximum_packet_size = Some(number),
        Property::TopicAliasMaximum => connack.topic_alias_maximum = Some(number as u16),
        Property::WildcardSubscriptionAvailable => connack.wildcard_subscription_available = flag,
        Property::SubscriptionIdentifierAvailable => connack.subscription_identifiers_available = flag,
        Property::SharedSubscriptionAvailable => connack.shared_subscription_available = flag,
        Property::ServerKeepAlive => connack.server_keep_alive = Some(number as u16),
        _ => {}
    }
}

fn connack_text<'a>(property: Property, text: &'a str, connack: &mut ConnAck<'a>) {
    match property {
        Property::AssignedClientIdentifier => connack.assigned_client_id = Some(text),
        Property::ReasonString => connack.reason_string = Some(text),
        Property::ResponseInformation => connack.response_information = Some(text),
        Property::ServerReference => connack.server_reference = Some(text),
        Property::AuthenticationMethod => connack.authentication_method = Some(text),
        _ => {}
    }
}

fn suback(body: &[u8], version: Version) -> Result<SubAck<'_>, Fault> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    let reason_string = if version == Version::V5 {
        reason_string(reader.block()?)?
    } else {
        None
    };
    let reasons = reader.rest();
    if reasons.is_empty() {
        return Err(Fault::NoCodes);
    }
    for &code in reasons {
        let known = match version {
            Version::V5 => reason::in_suback(code),
            Version::V31 | Version::V311 => code <= 2 || code == 0x80,
        };
        reason::check(code, known)?;
    }
    Ok(SubAck {
        packet_id,
        reasons,
        reason_string,
    })
}

fn unsuback(body: &[u8], version: Version) -> Result<UnsubAck<'_>, Fault> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    if version != Version::V5 {
        reader.finish()?;
        return Ok(UnsubAck {
            packet_id,
            reasons: &[],
            reason_string: None,
        });
    }
    let reason_string = reason_string(reader.block()?)?;
    let reasons = reader.rest();
    if reasons.is_empty() {
        return Err(Fault::NoCodes);
    }
    for &code in reasons {
        reason::check(code, reason::in_unsuback(code))?;
    }
    Ok(UnsubAck {
        packet_id,
        reasons,
        reason_string,
    })
}

fn reason_string(block: &[u8]) -> Result<Option<&str>, Fault> {
    let mut found = None;
    let mut properties = Properties::new(block, property::ACK);
    while let Some((property, value)) = properties.next()? {
        if let (Property::ReasonString, Value::Text(text)) = (property, value) {
            found = Some(text);
        }
    }
    Ok(found)
}

fn disconnect(body: &[u8]) -> Result<ServerDisconnect<'_>, Fault> {
    let mut disconnect = ServerDisconnect::default();
    let mut reader = Reader::new(body);
    if reader.is_empty() {
        return Ok(disconnect);
    }
    let code = reader.byte()?;
    disconnect.reason = reason::check(code, reason::in_disconnect(code, Sender::Server))?;
    if !reader.is_empty() {
        let block = reader.block()?;
        disconnect.user_properties = UserProperties(block);
        let mut properties = Properties::new(block, property::SERVER_DISCONNECT);
        while let Some((property, value)) = properties.next()? {
            match (property, value) {
                (Property::ReasonString, Value::Text(text)) => disconnect.reason_string = Some(text),
                (Property::ServerReference, Value::Text(text)) => disconnect.server_reference = Some(text),
                _ => {}
            }
        }
        reader.finish()?;
    }
    Ok(disconnect)
}
