//! Protocol versions: names, levels, and how a 5.0 reason is said to a 3.x client.

use crate::packet::Version;
use crate::reason;

impl Version {
    /// The protocol name in CONNECT `[MQTT-3.1.2-1]`.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Version::V31 => "MQIsdp",
            Version::V311 | Version::V5 => "MQTT",
        }
    }

    /// The number in CONNECT: 3, 4 or 5.
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// Whether packets have properties and reason codes.
    pub const fn has_properties(self) -> bool {
        matches!(self, Version::V5)
    }
}

/// The 3.x return codes of CONNACK (3.1.1 section 3.2.2.3).
pub mod return_code {
    /// Connection accepted.
    pub const ACCEPTED: u8 = 0;
    /// Unacceptable protocol version.
    pub const PROTOCOL_VERSION: u8 = 1;
    /// Identifier rejected.
    pub const IDENTIFIER_REJECTED: u8 = 2;
    /// Server unavailable.
    pub const SERVER_UNAVAILABLE: u8 = 3;
    /// Bad user name or password.
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 4;
    /// Not authorized.
    pub const NOT_AUTHORIZED: u8 = 5;
}

/// The 3.x return code that says the same as a 5.0 CONNACK reason.
///
/// `None` where 3.x has no word for it (malformed packets, protocol errors and the like): the connection is then
/// closed without a CONNACK, as 3.1.1 asks in section 3.2.2.3.
pub const fn connack_return_code(reason_code: u8) -> Option<u8> {
    match reason_code {
        reason::SUCCESS => Some(return_code::ACCEPTED),
        reason::UNSUPPORTED_PROTOCOL_VERSION => Some(return_code::PROTOCOL_VERSION),
        reason::CLIENT_IDENTIFIER_NOT_VALID => Some(return_code::IDENTIFIER_REJECTED),
        reason::BAD_USER_NAME_OR_PASSWORD => Some(return_code::BAD_USER_NAME_OR_PASSWORD),
        reason::NOT_AUTHORIZED
        | reason::BANNED
        | reason::BAD_AUTHENTICATION_METHOD
        | reason::TOPIC_NAME_INVALID => Some(return_code::NOT_AUTHORIZED),
        reason::UNSPECIFIED_ERROR
        | reason::IMPLEMENTATION_SPECIFIC_ERROR
        | reason::SERVER_UNAVAILABLE
        | reason::SERVER_BUSY
        | reason::QUOTA_EXCEEDED
        | reason::USE_ANOTHER_SERVER
        | reason::SERVER_MOVED
        | reason::CONNECTION_RATE_EXCEEDED => Some(return_code::SERVER_UNAVAILABLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_3x_cannot_say_have_no_return_code() {
        assert_eq!(connack_return_code(0x00), Some(0));
        assert_eq!(connack_return_code(0x84), Some(1));
        assert_eq!(connack_return_code(0x85), Some(2));
        assert_eq!(connack_return_code(0x97), Some(3));
        assert_eq!(connack_return_code(0x86), Some(4));
        assert_eq!(connack_return_code(0x87), Some(5));
        assert_eq!(connack_return_code(0x81), None);
        assert_eq!(connack_return_code(0x82), None);
    }
}
