//! What can be wrong with bytes from the network, in words, with the statement it breaks and the code to answer.
//!
//! Statement numbers are those of MQTT 5.0 unless they say otherwise.

use std::fmt;

use crate::frame::PacketType;
use crate::packet::Version;
use crate::property::Property;
use crate::reason;

/// Why bytes are not a packet that the sender may send. The connection is to be closed `[MQTT-4.13.1-1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{packet_type} refused: {fault}")]
pub struct DecodeError {
    packet_type: PacketType,
    fault: Fault,
    version: Option<Version>,
}

impl DecodeError {
    pub(crate) fn new(packet_type: PacketType, fault: Fault, version: Option<Version>) -> DecodeError {
        DecodeError {
            packet_type,
            fault,
            version,
        }
    }

    /// What was wrong.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The packet it was found in, by the first byte.
    pub fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The version to answer in: the connection's, or for a CONNECT the one it asked for (for a protocol name or
    /// level we do not speak, the form that such a client is likely to understand). `None` where the bytes do not
    /// tell: then there is nobody to answer.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The 5.0 reason code for CONNACK or DISCONNECT: 0x81, 0x82, 0x84, 0x90, 0x94 or 0x95.
    pub fn reason_code(&self) -> u8 {
        self.fault.reason_code()
    }

    /// The normative statement that was broken, as `MQTT-x.y.z-n`, or the section where there is no numbered one.
    pub fn statement(&self) -> &'static str {
        self.fault.statement()
    }
}

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The packet is larger than the receiver takes; found from the fixed header.
    PacketTooLarge {
        /// Bytes of the whole packet.
        size: u32,
        /// The limit in bytes.
        size_max: u32,
    },
    /// A variable byte integer of more than four bytes.
    IntegerTooLong,
    /// A variable byte integer in more bytes than needed.
    IntegerOverlong,
    /// Packet type 0, or AUTH before 5.0.
    TypeReserved,
    /// Fixed header flags other than the packet has.
    Flags,
    /// The first packet is not CONNECT.
    NotConnect,
    /// A second CONNECT.
    SecondConnect,
    /// A packet that only a server sends.
    ServerOnly,
    /// A packet that only a client sends.
    ClientOnly,
    /// A field runs past the end of its packet or block.
    Truncated,
    /// Bytes after the last field.
    TrailingBytes,
    /// QoS 3 in PUBLISH.
    PublishQos,
    /// DUP with QoS 0.
    DupWithoutQos,
    /// Packet identifier 0.
    PacketIdZero,
    /// Text that is not UTF-8.
    NotUtf8,
    /// U+0000 in a text.
    Nul,
    /// A wildcard in a topic name.
    TopicWildcard,
    /// A topic name of more levels than we take.
    TopicLevels,
    /// No topic name, and no alias in its place.
    TopicEmpty,
    /// Topic alias 0.
    TopicAliasZero,
    /// A response topic that is no topic name.
    ResponseTopic,
    /// A protocol name other than `MQTT` and `MQIsdp`.
    ProtocolName,
    /// A protocol level that is not spoken here.
    ProtocolLevel(u8),
    /// The reserved connect flag.
    ConnectReservedFlag,
    /// Will QoS or will retain without a will.
    WillFlags,
    /// Will QoS 3.
    WillQos,
    /// A password without a user name, before 5.0.
    PasswordAlone,
    /// Authentication data without a method.
    AuthenticationData,
    /// AUTH without a method.
    AuthenticationMethod,
    /// SUBSCRIBE without a filter.
    NothingSubscribed,
    /// UNSUBSCRIBE without a filter.
    NothingUnsubscribed,
    /// Reserved bits in subscription options.
    OptionBits,
    /// QoS 3 in subscription options.
    OptionQos,
    /// Retain handling 3.
    OptionRetainHandling,
    /// No-local on a shared subscription.
    NoLocalShared,
    /// A property identifier that does not exist.
    PropertyUnknown(u32),
    /// A property in a packet it does not belong to.
    PropertyNotAllowed(Property),
    /// A property twice.
    PropertyTwice(Property),
    /// A property of 0 or 1 with another value.
    PropertyNotBoolean(Property),
    /// 0 in a property that is never 0.
    PropertyZero(Property),
    /// A subscription identifier in a PUBLISH from a client.
    SubscriptionIdFromClient,
    /// A reason code that the packet does not carry, or not from this side.
    ReasonCode(u8),
    /// Reserved bits in CONNACK's flags.
    ConnackFlags,
    /// Session present although the connection was refused.
    SessionPresentRefused,
    /// SUBACK or UNSUBACK without a code.
    NoCodes,
}

impl Fault {
    /// The 5.0 reason code.
    pub const fn reason_code(self) -> u8 {
        self.facts().0
    }

    /// The statement, as `MQTT-x.y.z-n`, or the section where there is no numbered one.
    pub const fn statement(self) -> &'static str {
        self.facts().1
    }

    /// Code, statement and words of each fault: the one place where they stand.
    const fn facts(self) -> (u8, &'static str, &'static str) {
        use reason::{MALFORMED_PACKET as MALFORMED, PROTOCOL_ERROR as PROTOCOL};
        match self {
            Fault::PacketTooLarge { .. } => (
                reason::PACKET_TOO_LARGE,
                "MQTT-3.2.2-15",
                "the packet is larger than allowed",
            ),
            Fault::IntegerTooLong => (
                MALFORMED,
                "MQTT-1.5.5",
                "a variable byte integer has more than four bytes",
            ),
            Fault::IntegerOverlong => (
                MALFORMED,
                "MQTT-1.5.5-1",
                "a variable byte integer has more bytes than it needs",
            ),
            Fault::TypeReserved => (
                MALFORMED,
                "MQTT-2.1.2",
                "the packet type is reserved in this version",
            ),
            Fault::Flags => (
                MALFORMED,
                "MQTT-2.1.3-1",
                "the flags of the fixed header are not those of the packet",
            ),
            Fault::NotConnect => (PROTOCOL, "MQTT-3.1.0-1", "the first packet must be CONNECT"),
            Fault::SecondConnect => (PROTOCOL, "MQTT-3.1.0-2", "CONNECT may be sent only once"),
            Fault::ServerOnly => (PROTOCOL, "MQTT-2.1.2", "only a server sends this packet"),
            Fault::ClientOnly => (PROTOCOL, "MQTT-2.1.2", "only a client sends this packet"),
            Fault::Truncated => (MALFORMED, "MQTT-2.1.4", "a field runs past the end of the packet"),
            Fault::TrailingBytes => (MALFORMED, "MQTT-2.1.4", "bytes follow the last field"),
            Fault::PublishQos => (MALFORMED, "MQTT-3.3.1-4", "both QoS bits are set"),
            Fault::DupWithoutQos => (MALFORMED, "MQTT-3.3.1-2", "DUP is set with QoS 0"),
            Fault::PacketIdZero => (PROTOCOL, "MQTT-2.2.1-3", "the packet identifier is 0"),
            Fault::NotUtf8 => (MALFORMED, "MQTT-1.5.4-1", "a text is not UTF-8"),
            Fault::Nul => (MALFORMED, "MQTT-1.5.4-2", "a text contains U+0000"),
            Fault::TopicWildcard => (
                reason::TOPIC_NAME_INVALID,
                "MQTT-3.3.2-2",
                "the topic name contains a wildcard",
            ),
            Fault::TopicLevels => (
                reason::TOPIC_NAME_INVALID,
                "MQTT-4.7.3",
                "the topic name has more than 128 levels",
            ),
            Fault::TopicEmpty => (PROTOCOL, "MQTT-4.7.3-1", "the topic name is empty"),
            Fault::TopicAliasZero => (
                reason::TOPIC_ALIAS_INVALID,
                "MQTT-3.3.2-8",
                "the topic alias is 0",
            ),
            Fault::ResponseTopic => (
                PROTOCOL,
                "MQTT-3.3.2-14",
                "the response topic is empty or contains a wildcard",
            ),
            Fault::ProtocolName => (
                reason::UNSUPPORTED_PROTOCOL_VERSION,
                "MQTT-3.1.2-1",
                "the protocol name is neither MQTT nor MQIsdp",
            ),
            Fault::ProtocolLevel(_) => (
                reason::UNSUPPORTED_PROTOCOL_VERSION,
                "MQTT-3.1.2-2",
                "the protocol level is not supported: level",
            ),
            Fault::ConnectReservedFlag => (MALFORMED, "MQTT-3.1.2-3", "the reserved connect flag is set"),
            Fault::WillFlags => (
                MALFORMED,
                "MQTT-3.1.2-11",
                "will QoS or will retain is set without a will",
            ),
            Fault::WillQos => (MALFORMED, "MQTT-3.1.2-12", "the will QoS is 3"),
            Fault::PasswordAlone => (
                MALFORMED,
                "MQTT-3.1.2-22 of 3.1.1",
                "a password needs a user name before 5.0",
            ),
            Fault::AuthenticationData => (PROTOCOL, "MQTT-3.1.2.11.10", "authentication data needs a method"),
            Fault::AuthenticationMethod => {
                (PROTOCOL, "MQTT-3.15.2.2.2", "AUTH needs an authentication method")
            }
            Fault::NothingSubscribed => (PROTOCOL, "MQTT-3.8.3-2", "SUBSCRIBE needs a topic filter"),
            Fault::NothingUnsubscribed => (PROTOCOL, "MQTT-3.10.3-2", "UNSUBSCRIBE needs a topic filter"),
            Fault::OptionBits => (
                MALFORMED,
                "MQTT-3.8.3-5",
                "reserved bits of the subscription options are set",
            ),
            Fault::OptionQos => (PROTOCOL, "MQTT-3.8.3.1", "the maximum QoS of a subscription is 3"),
            Fault::OptionRetainHandling => (
                PROTOCOL,
                "MQTT-3.8.3.1",
                "the retain handling of a subscription is 3",
            ),
            Fault::NoLocalShared => (
                PROTOCOL,
                "MQTT-3.8.3-4",
                "no-local is set on a shared subscription",
            ),
            Fault::PropertyUnknown(_) => (MALFORMED, "MQTT-2.2.2.2", "there is no property with identifier"),
            Fault::PropertyNotAllowed(_) => (
                MALFORMED,
                "MQTT-2.2.2.2",
                "the packet does not carry the property",
            ),
            Fault::PropertyTwice(_) => (PROTOCOL, "MQTT-2.2.2.2", "a property stands twice:"),
            Fault::PropertyNotBoolean(_) => (PROTOCOL, "MQTT-2.2.2.2", "neither 0 nor 1 is the value of"),
            Fault::PropertyZero(_) => (PROTOCOL, "MQTT-2.2.2.2", "0 is not allowed as"),
            Fault::SubscriptionIdFromClient => (
                PROTOCOL,
                "MQTT-3.3.4-6",
                "a client's PUBLISH has a subscription identifier",
            ),
            Fault::ReasonCode(_) => (PROTOCOL, "MQTT-2.4", "the packet does not carry reason code"),
            Fault::ConnackFlags => (
                MALFORMED,
                "MQTT-3.2.2-1",
                "reserved connect acknowledge flags are set",
            ),
            Fault::SessionPresentRefused => (
                PROTOCOL,
                "MQTT-3.2.2-6",
                "session present is set although the connection is refused",
            ),
            Fault::NoCodes => (PROTOCOL, "MQTT-3.9.3-1", "there is no reason code for any filter"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, statement, words) = self.facts();
        f.write_str(words)?;
        match *self {
            Fault::PacketTooLarge { size, size_max } => write!(f, " size={size} size_max={size_max}")?,
            Fault::ProtocolLevel(level) => write!(f, " {level}")?,
            Fault::PropertyUnknown(id) => write!(f, " {id:#04x}")?,
            Fault::PropertyNotAllowed(property)
            | Fault::PropertyTwice(property)
            | Fault::PropertyNotBoolean(property)
            | Fault::PropertyZero(property) => write!(f, " {} ({:#04x})", property.name(), property.id())?,
            Fault::ReasonCode(code) => write!(f, " {code:#04x}")?,
            _ => {}
        }
        write!(f, " [{statement}]")
    }
}

/// A packet that cannot be written within the receiver's maximum packet size (or within MQTT's own bounds: 65,535
/// bytes for a text or binary field, 268,435,455 for a packet). It is not sent `[MQTT-3.1.2-24]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet does not fit what the receiver takes: leave something out, or do not send it")]
pub struct TooLarge;
