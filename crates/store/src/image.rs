//! What the store knows, as values: what a reader of it is given.

use bytes::Bytes;
use restante_model::{Binding, Cursor, Epochs, MessageId, QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::parts::Parts;

/// One persistent session, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionImage {
    /// Its id.
    pub session: SessionId,
    /// Client id.
    pub client_id: Box<str>,
    /// Protocol version number of the last connection; see [`Change::SessionOpened`](crate::change::Change::SessionOpened).
    pub version: u8,
    /// Session expiry interval in seconds; `u32::MAX` = never.
    pub expiry: u32,
    /// Whether it was connected when the image was taken (or when the broker died).
    pub connected: bool,
    /// When it was last opened or detached.
    pub since: UnixMillis,
    /// Subscriptions in the order of their filters.
    pub subscriptions: Vec<SubscriptionImage>,
    /// How far it has acknowledged.
    pub cursor: Cursor,
    /// Packet ids of its own QoS 2 publishes that wait for PUBREL.
    pub receipts: Vec<u16>,
    /// What is in flight to it, in the order it was sent.
    pub bindings: Vec<Binding>,
    /// The next packet id that was certainly not used; 0 = none reserved yet.
    pub next_packet_id: u16,
    /// The will of its last connection, unless void.
    pub will: Option<Will>,
}

/// One subscription of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionImage {
    /// The filter's text, `$share/…` included.
    pub filter: Box<str>,
    /// The queue it reads.
    pub queue: Option<QueueId>,
    /// Its options by sequence.
    pub epochs: Epochs,
}

/// A will.
#[derive(Clone, Debug, PartialEq)]
pub struct Will {
    /// Topic.
    pub topic: Box<str>,
    /// Payload.
    pub payload: Bytes,
    /// QoS.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// Seconds after the connection is lost.
    pub delay: u32,
    /// Message expiry interval in seconds.
    pub message_expiry: Option<u32>,
    /// The 5.0 properties that travel with it, encoded.
    pub properties: Bytes,
}

/// A message read back. Its parts are a slice of a whole page: copy what is kept for long.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage {
    /// Its sequence.
    pub seq: Seq,
    /// Its identity and publish time.
    pub id: MessageId,
    /// Publisher's QoS.
    pub qos: QoS,
    /// The retain flag as published.
    pub retain: bool,
    /// When it expires, or [`UnixMillis::NEVER`].
    pub deadline: UnixMillis,
    /// Sender, topic, properties and payload.
    pub parts: Parts,
}
