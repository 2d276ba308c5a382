//! The MQTT control packets as values that borrow from the bytes they were read from.
//!
//! What a server receives is borrowed (nothing is copied on decode); what it sends is written by `encode`.
//! One set of types serves 3.1, 3.1.1 and 5.0: what a version does not have is empty or absent.

use restante_model::{QoS, SubscriptionOptions};

/// Protocol version, by the number in CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// MQTT 3.1 (`MQIsdp`).
    V31 = 3,
    /// MQTT 3.1.1.
    V311 = 4,
    /// MQTT 5.0.
    V5 = 5,
}

/// A packet identifier, never 0 `[MQTT-2.2.1-3]`.
pub type PacketId = std::num::NonZeroU16;

/// A packet from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet<'a> {
    /// CONNECT
    Connect(Box<Connect<'a>>),
    /// PUBLISH
    Publish(Publish<'a>),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP
    Ack(Ack<'a>),
    /// SUBSCRIBE
    Subscribe(Subscribe<'a>),
    /// UNSUBSCRIBE
    Unsubscribe(Unsubscribe<'a>),
    /// PINGREQ
    PingReq,
    /// DISCONNECT
    Disconnect(Disconnect<'a>),
    /// AUTH (5.0)
    Auth(Auth<'a>),
}

/// CONNECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect<'a> {
    /// The version asked for.
    pub version: Version,
    /// Bridge bit: 3.x clients that set the high bit of the level (mosquitto bridges) are treated as their level.
    pub bridge: bool,
    /// Clean session (3.x) or clean start (5.0).
    pub clean: bool,
    /// Seconds; 0 is none.
    pub keep_alive: u16,
    /// The client identifier; may be empty.
    pub client_id: &'a str,
    /// The will, if any.
    pub will: Option<Will<'a>>,
    /// User name.
    pub username: Option<&'a str>,
    /// Password, any bytes.
    pub password: Option<&'a [u8]>,
    /// Seconds; absent = 0; `u32::MAX` = never (5.0).
    pub session_expiry: Option<u32>,
    /// How many QoS 1 and 2 PUBLISH the client takes at once (5.0); never 0.
    pub receive_maximum: Option<u16>,
    /// The largest packet the client takes (5.0); never 0.
    pub maximum_packet_size: Option<u32>,
    /// How many aliases the client takes (5.0); absent = 0.
    pub topic_alias_maximum: u16,
    /// Whether the client wants response information.
    pub request_response_information: bool,
    /// Whether reason strings and user properties may be sent on packets other than PUBLISH, CONNACK, DISCONNECT.
    pub request_problem_information: bool,
    /// Authentication method (5.0).
    pub authentication_method: Option<&'a str>,
    /// Authentication data (5.0).
    pub authentication_data: Option<&'a [u8]>,
    /// User properties, encoded.
    pub user_properties: UserProperties<'a>,
}

/// The will in a CONNECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Will<'a> {
    /// Where to; a valid topic name.
    pub topic: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// QoS.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// Seconds between the loss of the connection and the will (5.0).
    pub delay: u32,
    /// Message expiry interval in seconds (5.0).
    pub message_expiry: Option<u32>,
    /// The properties that go on to subscribers, encoded as in PUBLISH, without expiry.
    pub properties: Vec<u8>,
}

/// PUBLISH.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish<'a> {
    /// Sent before.
    pub dup: bool,
    /// QoS.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// The topic name; empty only with an alias (5.0). Otherwise valid.
    pub topic: &'a str,
    /// Present exactly for QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// Topic alias (5.0), never 0.
    pub topic_alias: Option<u16>,
    /// Message expiry interval in seconds (5.0). 0 is valid.
    pub message_expiry: Option<u32>,
    /// The property block as received (5.0), without its length, checked.
    pub properties: &'a [u8],
    /// The application message.
    pub payload: &'a [u8],
}

/// Which of the four acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AckKind {
    /// PUBACK
    PubAck = 4,
    /// PUBREC
    PubRec = 5,
    /// PUBREL
    PubRel = 6,
    /// PUBCOMP
    PubComp = 7,
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack<'a> {
    /// Which.
    pub kind: AckKind,
    /// Of which packet.
    pub packet_id: PacketId,
    /// Reason code; 0 where absent. Checked against the codes the packet may carry.
    pub reason: u8,
    /// Reason string (5.0).
    pub reason_string: Option<&'a str>,
}

/// SUBSCRIBE: never without a filter `[MQTT-3.8.3-2]`. The filters are checked for form by the layer above
/// (an invalid one is answered in SUBACK, not by closing), except where MQTT says *malformed*.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// Filters with their options; the identifier of the packet stands in each. At most a third as many as the
    /// packet has bytes.
    pub filters: Vec<(&'a str, SubscriptionOptions)>,
}

/// UNSUBSCRIBE: never without a filter `[MQTT-3.10.3-2]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// The filters.
    pub filters: Vec<&'a str>,
}

/// DISCONNECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect<'a> {
    /// Reason code; 0 where absent.
    pub reason: u8,
    /// A new session expiry interval (5.0).
    pub session_expiry: Option<u32>,
    /// Reason string (5.0).
    pub reason_string: Option<&'a str>,
}

/// AUTH (5.0).
#[derive(Clone, Debug, PartialEq)]
pub struct Auth<'a> {
    /// Reason code: 0x18 or 0x19 from a client, 0x00 or 0x18 from a server.
    pub reason: u8,
    /// Authentication method; absent only in a success without properties.
    pub method: Option<&'a str>,
    /// Authentication data.
    pub data: Option<&'a [u8]>,
}

/// User properties still encoded: the checked property block they stand in. Other properties may stand between them
/// (the sender chooses the order), so read them with [`iter`](UserProperties::iter).
#[derive(Clone, Copy, Debug, Default)]
pub struct UserProperties<'a>(pub &'a [u8]);
