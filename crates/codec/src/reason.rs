//! The reason codes of MQTT 5.0 (section 2.4): constants, their names, and which packet may carry which.

use crate::error::Fault;

macro_rules! codes {
    ($($name:ident = $value:literal, $words:literal;)*) => {
        $(#[doc = $words] pub const $name: u8 = $value;)*

        /// The name the specification gives a code; `None` for a number that is no reason code.
        ///
        /// 0x00 to 0x02 have several names; as an acknowledgement 0x00 is success.
        pub const fn name(code: u8) -> Option<&'static str> {
            match code {
                $($value => Some($words),)*
                _ => None,
            }
        }
    };
}

codes! {
    SUCCESS = 0x00, "success";
    GRANTED_QOS_1 = 0x01, "granted QoS 1";
    GRANTED_QOS_2 = 0x02, "granted QoS 2";
    DISCONNECT_WITH_WILL = 0x04, "disconnect with will message";
    NO_MATCHING_SUBSCRIBERS = 0x10, "no matching subscribers";
    NO_SUBSCRIPTION_EXISTED = 0x11, "no subscription existed";
    CONTINUE_AUTHENTICATION = 0x18, "continue authentication";
    REAUTHENTICATE = 0x19, "re-authenticate";
    UNSPECIFIED_ERROR = 0x80, "unspecified error";
    MALFORMED_PACKET = 0x81, "malformed packet";
    PROTOCOL_ERROR = 0x82, "protocol error";
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
    UNSUPPORTED_PROTOCOL_VERSION = 0x84, "unsupported protocol version";
    CLIENT_IDENTIFIER_NOT_VALID = 0x85, "client identifier not valid";
    BAD_USER_NAME_OR_PASSWORD = 0x86, "bad user name or password";
    NOT_AUTHORIZED = 0x87, "not authorized";
    SERVER_UNAVAILABLE = 0x88, "server unavailable";
    SERVER_BUSY = 0x89, "server busy";
    BANNED = 0x8A, "banned";
    SERVER_SHUTTING_DOWN = 0x8B, "server shutting down";
    BAD_AUTHENTICATION_METHOD = 0x8C, "bad authentication method";
    KEEP_ALIVE_TIMEOUT = 0x8D, "keep alive timeout";
    SESSION_TAKEN_OVER = 0x8E, "session taken over";
    TOPIC_FILTER_INVALID = 0x8F, "topic filter invalid";
    TOPIC_NAME_INVALID = 0x90, "topic name invalid";
    PACKET_IDENTIFIER_IN_USE = 0x91, "packet identifier in use";
    PACKET_IDENTIFIER_NOT_FOUND = 0x92, "packet identifier not found";
    RECEIVE_MAXIMUM_EXCEEDED = 0x93, "receive maximum exceeded";
    TOPIC_ALIAS_INVALID = 0x94, "topic alias invalid";
    PACKET_TOO_LARGE = 0x95, "packet too large";
    MESSAGE_RATE_TOO_HIGH = 0x96, "message rate too high";
    QUOTA_EXCEEDED = 0x97, "quota exceeded";
    ADMINISTRATIVE_ACTION = 0x98, "administrative action";
    PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid";
    RETAIN_NOT_SUPPORTED = 0x9A, "retain not supported";
    QOS_NOT_SUPPORTED = 0x9B, "QoS not supported";
    USE_ANOTHER_SERVER = 0x9C, "use another server";
    SERVER_MOVED = 0x9D, "server moved";
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E, "shared subscriptions not supported";
    CONNECTION_RATE_EXCEEDED = 0x9F, "connection rate exceeded";
    MAXIMUM_CONNECT_TIME = 0xA0, "maximum connect time";
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1, "subscription identifiers not supported";
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2, "wildcard subscriptions not supported";
}

/// 0x00 in DISCONNECT: the will is not published.
pub const NORMAL_DISCONNECTION: u8 = SUCCESS;
/// 0x00 in SUBACK.
pub const GRANTED_QOS_0: u8 = SUCCESS;

/// Whether the code says that something failed.
pub const fn is_error(code: u8) -> bool {
    code >= 0x80
}

/// Who sends a packet: some codes are for one side only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// The code, if the packet carries it.
pub(crate) fn check(code: u8, allowed: bool) -> Result<u8, Fault> {
    if allowed {
        Ok(code)
    } else {
        Err(Fault::ReasonCode(code))
    }
}

/// PUBACK and PUBREC `[MQTT-3.4.2-1]`, `[MQTT-3.5.2-1]`. Only a server knows that nobody matched.
pub(crate) const fn in_puback(code: u8, sender: Sender) -> bool {
    match code {
        SUCCESS
        | UNSPECIFIED_ERROR
        | IMPLEMENTATION_SPECIFIC_ERROR
        | NOT_AUTHORIZED
        | TOPIC_NAME_INVALID
        | PACKET_IDENTIFIER_IN_USE
        | QUOTA_EXCEEDED
        | PAYLOAD_FORMAT_INVALID => true,
        NO_MATCHING_SUBSCRIBERS => matches!(sender, Sender::Server),
        _ => false,
    }
}

/// PUBREL and PUBCOMP `[MQTT-3.6.2-1]`, `[MQTT-3.7.2-1]`.
pub(crate) const fn in_pubrel(code: u8) -> bool {
    matches!(code, SUCCESS | PACKET_IDENTIFIER_NOT_FOUND)
}

/// CONNACK `[MQTT-3.2.2-8]`.
pub(crate) const fn in_connack(code: u8) -> bool {
    matches!(
        code,
        SUCCESS
            | UNSPECIFIED_ERROR..=BANNED
            | BAD_AUTHENTICATION_METHOD
            | TOPIC_NAME_INVALID
            | PACKET_TOO_LARGE
            | QUOTA_EXCEEDED
            | PAYLOAD_FORMAT_INVALID..=SERVER_MOVED
            | CONNECTION_RATE_EXCEEDED
    )
}

/// SUBACK `[MQTT-3.9.3-2]`.
pub(crate) const fn in_suback(code: u8) -> bool {
    matches!(
        code,
        SUCCESS
            ..=GRANTED_QOS_2
                | UNSPECIFIED_ERROR
                | IMPLEMENTATION_SPECIFIC_ERROR
                | NOT_AUTHORIZED
                | TOPIC_FILTER_INVALID
                | PACKET_IDENTIFIER_IN_USE
                | QUOTA_EXCEEDED
                | SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
                | SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED
                | WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    )
}

/// UNSUBACK `[MQTT-3.11.3-2]`.
pub(crate) const fn in_unsuback(code: u8) -> bool {
    matches!(
        code,
        SUCCESS
            | NO_SUBSCRIPTION_EXISTED
            | UNSPECIFIED_ERROR
            | IMPLEMENTATION_SPECIFIC_ERROR
            | NOT_AUTHORIZED
            | TOPIC_FILTER_INVALID
            | PACKET_IDENTIFIER_IN_USE
    )
}

/// DISCONNECT `[MQTT-3.14.2-1]`. 0x8C is missing in the table of section 3.14 but listed for DISCONNECT in 2.4.
pub(crate) const fn in_disconnect(code: u8, sender: Sender) -> bool {
    let either = matches!(
        code,
        UNSPECIFIED_ERROR..=IMPLEMENTATION_SPECIFIC_ERROR
            | BAD_AUTHENTICATION_METHOD
            | TOPIC_NAME_INVALID
            | RECEIVE_MAXIMUM_EXCEEDED..=PAYLOAD_FORMAT_INVALID
    );
    let one_side = match sender {
        Sender::Client => matches!(code, NORMAL_DISCONNECTION | DISCONNECT_WITH_WILL),
        Sender::Server => matches!(
            code,
            NORMAL_DISCONNECTION
                | NOT_AUTHORIZED
                | SERVER_BUSY
                | SERVER_SHUTTING_DOWN
                | KEEP_ALIVE_TIMEOUT..=TOPIC_FILTER_INVALID
                | RETAIN_NOT_SUPPORTED..=WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
        ),
    };
    either || one_side
}

/// AUTH `[MQTT-3.15.2-1]`: success is the server's to say, re-authentication the client's to ask for.
pub(crate) const fn in_auth(code: u8, sender: Sender) -> bool {
    match sender {
        Sender::Client => matches!(code, CONTINUE_AUTHENTICATION | REAUTHENTICATE),
        Sender::Server => matches!(code, SUCCESS | CONTINUE_AUTHENTICATION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_codes_as_in_section_2_4() {
        assert_eq!((0..=255).filter(|&code| name(code).is_some()).count(), 43);
        assert_eq!(name(0x97), Some("quota exceeded"));
        assert_eq!(name(0xA3), None);
    }

    #[test]
    fn every_packet_carries_its_number_of_codes() {
        let count = |allowed: &dyn Fn(u8) -> bool| (0..=255).filter(|&code| allowed(code)).count();
        assert_eq!(count(&in_connack), 22);
        assert_eq!(count(&|code| in_puback(code, Sender::Server)), 9);
        assert_eq!(count(&|code| in_puback(code, Sender::Client)), 8);
        assert_eq!(count(&in_pubrel), 2);
        assert_eq!(count(&in_suback), 12);
        assert_eq!(count(&in_unsuback), 7);
        assert_eq!(count(&|code| in_disconnect(code, Sender::Client)), 15);
        assert_eq!(count(&|code| in_disconnect(code, Sender::Server)), 29);
        assert_eq!(count(&|code| in_auth(code, Sender::Client)), 2);
    }
}
