//! DISCONNECT and AUTH.

use super::*;

pub(super) fn rows() -> Vec<Row> {
    [disconnects(), auths()].concat()
}

fn disconnects() -> Vec<Row> {
    vec![
        valid("DISCONNECT, 3.1.1", V311, "MQTT-3.14.4-3", b"\xe0\x00".to_vec()),
        valid("DISCONNECT, 3.1", V31, "MQTT-3.14.4-3", b"\xe0\x00".to_vec()),
        valid(
            "DISCONNECT without a reason, 5.0",
            V5,
            "MQTT-3.14.2.1",
            b"\xe0\x00".to_vec(),
        ),
        otherwise(
            "DISCONNECT normal in one byte",
            V5,
            "MQTT-3.14.2-1",
            frame(0xe0, b"\0"),
        ),
        valid(
            "DISCONNECT with the will",
            V5,
            "MQTT-3.14.2-1",
            frame(0xe0, b"\x04"),
        ),
        otherwise(
            "DISCONNECT without properties",
            V5,
            "MQTT-3.14.2.2.1",
            frame(0xe0, b"\x04\0"),
        ),
        valid(
            "DISCONNECT malformed packet",
            V5,
            "MQTT-3.14.2-1",
            frame(0xe0, b"\x81"),
        ),
        valid(
            "DISCONNECT with session expiry",
            V5,
            "MQTT-3.14.2.2.2",
            frame(0xe0, b"\0\x05\x11\0\0\0\x3c"),
        ),
        valid(
            "DISCONNECT with session expiry 0",
            V5,
            "MQTT-3.14.2.2.2",
            frame(0xe0, b"\0\x05\x11\0\0\0\0"),
        ),
        valid(
            "DISCONNECT with a reason string",
            V5,
            "MQTT-3.14.2.2.3",
            frame(0xe0, b"\x82\x05\x1f\0\x02no"),
        ),
        otherwise(
            "DISCONNECT with a user property",
            V5,
            "MQTT-3.14.2.2.4",
            frame(0xe0, b"\0\x07\x26\0\x01k\0\x01v"),
        ),
        bad(
            "DISCONNECT with a body, 3.1.1",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xe0, b"\0"),
        ),
        bad(
            "DISCONNECT with a body, 3.1",
            V31,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xe0, b"\0"),
        ),
        bad(
            "DISCONNECT with flag 1",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            b"\xe1\x00".to_vec(),
        ),
        bad(
            "DISCONNECT with flag 2, 3.1.1",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            b"\xe2\x00".to_vec(),
        ),
        bad(
            "DISCONNECT with granted QoS 1",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xe0, b"\x01"),
        ),
        bad(
            "DISCONNECT server busy from a client",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xe0, b"\x89"),
        ),
        bad(
            "DISCONNECT taken over from a client",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xe0, b"\x8e"),
        ),
        bad(
            "DISCONNECT not authorized from a client",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xe0, b"\x87"),
        ),
        bad(
            "DISCONNECT with a reason that does not exist",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xe0, b"\xff"),
        ),
        bad(
            "DISCONNECT with two session expiries",
            V5,
            "MQTT-2.2.2.2",
            PROTOCOL,
            frame(0xe0, b"\0\x0a\x11\0\0\0\x01\x11\0\0\0\x01"),
        ),
        bad(
            "DISCONNECT with a server reference",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            frame(0xe0, b"\0\x04\x1c\0\x01a"),
        ),
        bad(
            "DISCONNECT with bytes at its end",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xe0, b"\0\0\0"),
        ),
        bad(
            "DISCONNECT with properties cut short",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xe0, b"\0\x05\x11\0"),
        ),
    ]
}

fn auths() -> Vec<Row> {
    vec![
        valid(
            "AUTH continues",
            V5,
            "MQTT-4.12.0-3",
            frame(0xf0, b"\x18\x04\x15\0\x01m"),
        ),
        valid(
            "AUTH again",
            V5,
            "MQTT-4.12.1-1",
            frame(0xf0, b"\x19\x08\x15\0\x01m\x16\0\x01\xff"),
        ),
        otherwise(
            "AUTH with words",
            V5,
            "MQTT-3.15.2-2",
            frame(0xf0, b"\x18\x0f\x1f\0\x01r\x15\0\x01m\x26\0\x01k\0\x01v"),
        ),
        bad(
            "AUTH empty is success, from a client",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            b"\xf0\x00".to_vec(),
        ),
        bad(
            "AUTH success from a client",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xf0, b"\0\x04\x15\0\x01m"),
        ),
        bad(
            "AUTH with a reason that does not exist",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xf0, b"\x17\x04\x15\0\x01m"),
        ),
        bad(
            "AUTH with an error",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0xf0, b"\x87\x04\x15\0\x01m"),
        ),
        bad(
            "AUTH without a method",
            V5,
            "MQTT-3.15.2.2.2",
            PROTOCOL,
            frame(0xf0, b"\x18\0"),
        ),
        bad(
            "AUTH with data only",
            V5,
            "MQTT-3.15.2.2.2",
            PROTOCOL,
            frame(0xf0, b"\x18\x04\x16\0\x01d"),
        ),
        bad(
            "AUTH without property length",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xf0, b"\x18"),
        ),
        bad(
            "AUTH with flag 1",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0xf1, b"\x18\x04\x15\0\x01m"),
        ),
        bad(
            "AUTH with two methods",
            V5,
            "MQTT-2.2.2.2",
            PROTOCOL,
            frame(0xf0, b"\x18\x08\x15\0\x01m\x15\0\x01m"),
        ),
        bad(
            "AUTH with a session expiry",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            frame(0xf0, b"\x18\x09\x15\0\x01m\x11\0\0\0\x01"),
        ),
        bad(
            "AUTH with bytes at its end",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xf0, b"\x18\x04\x15\0\x01m!"),
        ),
    ]
}
