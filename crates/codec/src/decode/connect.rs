//! CONNECT.

use restante_model::QoS;

use crate::error::{DecodeError, Fault};
use crate::forward;
use crate::frame::PacketType;
use crate::packet::{Connect, Packet, UserProperties, Version, Will};
use crate::property::{self, Properties, Property, Value};
use crate::reader::Reader;
use crate::varint;

/// Set in the level by mosquitto's bridges that speak 3.x.
const BRIDGE: u8 = 0x80;

/// Reads the body of a CONNECT. Once the version is known, errors carry it, so that they can be answered.
pub(super) fn connect(body: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let refused = |fault, version| DecodeError::new(PacketType::Connect, fault, version);
    let mut reader = Reader::new(body);
    let (version, bridge) = protocol(&mut reader).map_err(|(fault, form)| refused(fault, form))?;
    behind_protocol(reader, version, bridge)
        .map(|connect| Packet::Connect(Box::new(connect)))
        .map_err(|fault| refused(fault, Some(version)))
}

/// The version that the beginning of a CONNECT asks for, if as much of it has arrived: to answer one that is refused
/// for its size.
#[cold]
pub(super) fn version_asked(packet: &[u8]) -> Option<Version> {
    let (_, length_bytes) = varint::read(packet.get(1..)?).ok()??;
    let mut reader = Reader::new(packet.get(1 + length_bytes..)?);
    match protocol(&mut reader) {
        Ok((version, _)) => Some(version),
        Err((_, form)) => form,
    }
}

/// Protocol name and level `[MQTT-3.1.2-1]`, `[MQTT-3.1.2-2]`. What is not spoken here comes with the version whose
/// CONNACK such a client may understand.
fn protocol(reader: &mut Reader<'_>) -> Result<(Version, bool), (Fault, Option<Version>)> {
    let unreadable = |fault| (fault, None);
    let name = reader.binary().map_err(unreadable)?;
    let level = reader.byte().map_err(unreadable)?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok((Version::V31, false)),
        (b"MQTT", 4) => Ok((Version::V311, false)),
        (b"MQTT", 5) => Ok((Version::V5, false)),
        (b"MQIsdp", level) if level == BRIDGE | 3 => Ok((Version::V31, true)),
        (b"MQTT", level) if level == BRIDGE | 4 => Ok((Version::V311, true)),
        (b"MQIsdp", _) => Err((Fault::ProtocolLevel(level), Some(Version::V31))),
        (b"MQTT", 0..5) => Err((Fault::ProtocolLevel(level), Some(Version::V311))),
        (b"MQTT", _) => Err((Fault::ProtocolLevel(level), Some(Version::V5))),
        (_, 0..5) => Err((Fault::ProtocolName, Some(Version::V311))),
        _ => Err((Fault::ProtocolName, Some(Version::V5))),
    }
}

fn behind_protocol(mut reader: Reader<'_>, version: Version, bridge: bool) -> Result<Connect<'_>, Fault> {
    let flags = Flags::check(reader.byte()?, version)?;
    let mut connect = Connect {
        version,
        bridge,
        clean: flags.clean,
        keep_alive: reader.two()?,
        client_id: "",
        will: None,
        username: None,
        password: None,
        session_expiry: None,
        receive_maximum: None,
        maximum_packet_size: None,
        topic_alias_maximum: 0,
        request_response_information: false,
        request_problem_information: true,
        authentication_method: None,
        authentication_data: None,
        user_properties: UserProperties::default(),
    };
    if version.has_properties() {
        properties(reader.block()?, &mut connect)?;
    }
    connect.client_id = reader.text()?;
    if let Some((qos, retain)) = flags.will {
        connect.will = Some(will(&mut reader, version, qos, retain)?);
    }
    // 3.1 (section 3.1): the length goes before the flags, so a name or password that is announced may be missing.
    let may_be_missing = version == Version::V31;
    if flags.username && !(may_be_missing && reader.is_empty()) {
        connect.username = Some(reader.text()?);
    }
    if flags.password && !(may_be_missing && reader.is_empty()) {
        connect.password = Some(reader.binary()?);
    }
    reader.finish()?;
    Ok(connect)
}

/// The connect flags, checked (5.0 section 3.1.2.3).
struct Flags {
    clean: bool,
    will: Option<(QoS, bool)>,
    username: bool,
    password: bool,
}

impl Flags {
    fn check(byte: u8, version: Version) -> Result<Flags, Fault> {
        if byte & 1 != 0 {
            return Err(Fault::ConnectReservedFlag);
        }
        let will_qos = QoS::from_bits((byte >> 3) & 0b11).ok_or(Fault::WillQos)?;
        let will_retain = byte & 0b10_0000 != 0;
        let will = match byte & 0b100 != 0 {
            true => Some((will_qos, will_retain)),
            false if will_qos != QoS::AtMostOnce || will_retain => return Err(Fault::WillFlags),
            false => None,
        };
        let username = byte & 0b1000_0000 != 0;
        let password = byte & 0b0100_0000 != 0;
        if password && !username && version != Version::V5 {
            return Err(Fault::PasswordAlone);
        }
        Ok(Flags {
            clean: byte & 0b10 != 0,
            will,
            username,
            password,
        })
    }
}

fn properties<'a>(block: &'a [u8], connect: &mut Connect<'a>) -> Result<(), Fault> {
    connect.user_properties = UserProperties(block);
    let mut properties = Properties::new(block, property::CONNECT);
    while let Some((property, value)) = properties.next()? {
        match (property, value) {
            (Property::SessionExpiryInterval, Value::Number(seconds)) => {
                connect.session_expiry = Some(seconds)
            }
            (Property::ReceiveMaximum, Value::Number(count)) => connect.receive_maximum = Some(count as u16),
            (Property::MaximumPacketSize, Value::Number(size)) => connect.maximum_packet_size = Some(size),
            (Property::TopicAliasMaximum, Value::Number(count)) => connect.topic_alias_maximum = count as u16,
            (Property::RequestResponseInformation, Value::Number(flag)) => {
                connect.request_response_information = flag == 1;
            }
            (Property::RequestProblemInformation, Value::Number(flag)) => {
                connect.request_problem_information = flag == 1;
            }
            (Property::AuthenticationMethod, Value::Text(text)) => connect.authentication_method = Some(text),
            (Property::AuthenticationData, Value::Binary(data)) => connect.authentication_data = Some(data),
            _ => {}
        }
    }
    if connect.authentication_data.is_some() && connect.authentication_method.is_none() {
        return Err(Fault::AuthenticationData);
    }
    Ok(())
}

fn will<'a>(reader: &mut Reader<'a>, version: Version, qos: QoS, retain: bool) -> Result<Will<'a>, Fault> {
    let mut delay = 0;
    let mut message_expiry = None;
    let mut forwarded = Vec::new();
    if version.has_properties() {
        let block = reader.block()?;
        let mut properties = Properties::new(block, property::WILL);
        while let Some((property, value)) = properties.next()? {
            match (property, value) {
                (Property::WillDelayInterval, Value::Number(seconds)) => delay = seconds,
                (Property::MessageExpiryInterval, Value::Number(seconds)) => message_expiry = Some(seconds),
                _ => {}
            }
        }
        forward::write(block, &mut forwarded);
    }
    let topic = reader.topic_name()?;
    if topic.is_empty() {
        return Err(Fault::TopicEmpty);
    }
    let payload = reader.binary()?;
    Ok(Will {
        topic,
        payload,
        qos,
        retain,
        delay,
        message_expiry,
        properties: forwarded,
    })
}
