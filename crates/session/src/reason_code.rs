//! The reason codes of MQTT 5.0 (section 2.4) and the CONNACK codes of 3.x that this floor uses.

/// Success, granted QoS 0, normal disconnection.
pub const SUCCESS: u8 = 0x00;
/// UNSUBACK: there was no such subscription.
pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
/// From here on a code is a failure.
pub const FAILURE: u8 = 0x80;
/// The bytes are not a packet.
pub const MALFORMED_PACKET: u8 = 0x81;
/// A packet that may not come, or not now.
pub const PROTOCOL_ERROR: u8 = 0x82;
/// The client id is not accepted.
pub const CLIENT_IDENTIFIER_NOT_VALID: u8 = 0x85;
/// The authentication method is not known.
pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
/// Nothing was heard for one and a half times the keep-alive.
pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
/// The topic filter is not one we accept.
pub const TOPIC_FILTER_INVALID: u8 = 0x8F;
/// No exchange is under way under this packet id.
pub const PACKET_IDENTIFIER_NOT_FOUND: u8 = 0x92;
/// More publishes at once than announced.
pub const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
/// A topic alias of 0 or above the announced maximum.
pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
/// A limit of ours is reached.
pub const QUOTA_EXCEEDED: u8 = 0x97;

/// 3.x SUBACK: the subscription failed.
pub const SUBACK_FAILURE_3X: u8 = 0x80;
/// 3.x CONNACK: the client id is not accepted.
pub const CONNACK_IDENTIFIER_REJECTED_3X: u8 = 2;
/// 3.x CONNACK: not authorised.
pub const CONNACK_NOT_AUTHORISED_3X: u8 = 5;
