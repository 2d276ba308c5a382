//! What a test client receives, as owned values.

use restante_codec::client::ServerPacket;
use restante_codec::packet::AckKind;
use restante_model::QoS;

/// A packet from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// CONNACK
    ConnAck(ConnAck),
    /// PUBLISH
    Publish(Message),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP
    Ack(Ack),
    /// SUBACK: packet identifier and reasons.
    SubAck(u16, Vec<u8>),
    /// UNSUBACK: packet identifier and reasons (none in 3.x).
    UnsubAck(u16, Vec<u8>),
    /// PINGRESP
    PingResp,
    /// DISCONNECT with its reason (5.0)
    Disconnect(u8),
    /// AUTH with its reason (5.0)
    Auth(u8),
}

/// CONNACK.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ConnAck {
    /// Whether there was a session.
    pub session_present: bool,
    /// Reason (5.0) or return code (3.x).
    pub reason: u8,
    /// Session expiry interval in seconds.
    pub session_expiry: Option<u32>,
    /// Receive maximum.
    pub receive_maximum: Option<u16>,
    /// Maximum packet size in bytes.
    pub maximum_packet_size: Option<u32>,
    /// Topic alias maximum.
    pub topic_alias_maximum: Option<u16>,
    /// Assigned client identifier.
    pub assigned_client_id: Option<String>,
    /// Server keep-alive in seconds.
    pub server_keep_alive: Option<u16>,
    /// Reason string.
    pub reason_string: Option<String>,
}

/// PUBLISH from the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The topic; empty with an alias that was said before.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// QoS.
    pub qos: QoS,
    /// Packet identifier; 0 at QoS 0.
    pub packet_id: u16,
    /// Sent before.
    pub dup: bool,
    /// Retain flag.
    pub retain: bool,
    /// Topic alias (5.0).
    pub topic_alias: Option<u16>,
    /// What is left of the message expiry interval, in seconds (5.0).
    pub message_expiry: Option<u32>,
    /// Subscription identifiers (5.0).
    pub subscription_ids: Vec<u32>,
    /// The whole property block, encoded (5.0).
    pub properties: Vec<u8>,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Which.
    pub kind: AckKind,
    /// Of which packet.
    pub packet_id: u16,
    /// Reason; 0 where absent.
    pub reason: u8,
}

impl Received {
    pub(crate) fn own(packet: ServerPacket<'_>) -> Received {
        match packet {
            ServerPacket::ConnAck(connack) => Received::ConnAck(ConnAck {
                session_present: connack.session_present,
                reason: connack.reason,
                session_expiry: connack.session_expiry,
                receive_maximum: connack.receive_maximum,
                maximum_packet_size: connack.maximum_packet_size,
                topic_alias_maximum: connack.topic_alias_maximum,
                assigned_client_id: connack.assigned_client_id.map(str::to_owned),
                server_keep_alive: connack.server_keep_alive,
                reason_string: connack.reason_string.map(str::to_owned),
            }),
            ServerPacket::Publish(received) => Received::Publish(Message {
                topic: received.publish.topic.to_owned(),
                payload: received.publish.payload.to_vec(),
                qos: received.publish.qos,
                packet_id: received.publish.packet_id.map_or(0, |id| id.get()),
                dup: received.publish.dup,
                retain: received.publish.retain,
                topic_alias: received.publish.topic_alias,
                message_expiry: received.publish.message_expiry,
                subscription_ids: received.subscription_ids,
                properties: received.publish.properties.to_vec(),
            }),
            ServerPacket::Ack(ack) => Received::Ack(Ack {
                kind: ack.kind,
                packet_id: ack.packet_id.get(),
                reason: ack.reason,
            }),
            ServerPacket::SubAck(suback) => Received::SubAck(suback.packet_id.get(), suback.reasons.to_vec()),
            ServerPacket::UnsubAck(unsuback) => {
                Received::UnsubAck(unsuback.packet_id.get(), unsuback.reasons.to_vec())
            }
            ServerPacket::PingResp => Received::PingResp,
            ServerPacket::Disconnect(disconnect) => Received::Disconnect(disconnect.reason),
            ServerPacket::Auth(auth) => Received::Auth(auth.reason),
        }
    }
}
