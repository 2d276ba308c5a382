//! CONNECT: its properties and those of the will (5.0).

use super::*;

/// Clean start, client id `c`.
fn with(properties: &[u8]) -> Vec<u8> {
    let length = [properties.len() as u8];
    frame(
        0x10,
        &[
            b"\0\x04MQTT\x05\x02\0\x3c",
            length.as_slice(),
            properties,
            b"\0\x01c",
        ]
        .concat(),
    )
}

/// A will to topic `w` at QoS 0.
fn will(properties: &[u8]) -> Vec<u8> {
    let length = [properties.len() as u8];
    frame(
        0x10,
        &[
            b"\0\x04MQTT\x05\x06\0\x3c\0\0\x01c",
            length.as_slice(),
            properties,
            b"\0\x01w\0\x01m",
        ]
        .concat(),
    )
}

pub(super) fn rows() -> Vec<Row> {
    [numbers(), texts(), wills()].concat()
}

fn numbers() -> Vec<Row> {
    vec![
        valid("session expiry", None, "MQTT-3.1.2-23", with(b"\x11\0\0\x0e\x10")),
        valid("session expiry 0", None, "MQTT-3.1.2-23", with(b"\x11\0\0\0\0")),
        valid(
            "session never expires",
            None,
            "MQTT-3.1.2-23",
            with(b"\x11\xff\xff\xff\xff"),
        ),
        bad(
            "session expiry twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x11\0\0\0\x01\x11\0\0\0\x01"),
        ),
        bad(
            "session expiry cut short",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            with(b"\x11\0\0\x01"),
        ),
        valid("receive maximum 1", None, "MQTT-3.3.4-9", with(b"\x21\0\x01")),
        bad(
            "receive maximum 0",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x21\0\0"),
        ),
        bad(
            "receive maximum twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x21\0\x01\x21\0\x02"),
        ),
        valid(
            "maximum packet size 1",
            None,
            "MQTT-3.1.2-24",
            with(b"\x27\0\0\0\x01"),
        ),
        bad(
            "maximum packet size 0",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x27\0\0\0\0"),
        ),
        bad(
            "maximum packet size twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x27\0\0\0\x09\x27\0\0\0\x09"),
        ),
        valid(
            "topic alias maximum",
            None,
            "MQTT-3.1.2-26",
            with(b"\x22\xff\xff"),
        ),
        otherwise("topic alias maximum 0", None, "MQTT-3.1.2-27", with(b"\x22\0\0")),
        bad(
            "topic alias maximum twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x22\0\x01\x22\0\x01"),
        ),
        valid(
            "request response information",
            None,
            "MQTT-3.1.2-28",
            with(b"\x19\x01"),
        ),
        otherwise(
            "request response information 0",
            None,
            "MQTT-3.1.2-28",
            with(b"\x19\0"),
        ),
        bad(
            "request response information 2",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x19\x02"),
        ),
        bad(
            "request response information twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x19\x01\x19\x01"),
        ),
        valid("no problem information", None, "MQTT-3.1.2-29", with(b"\x17\0")),
        otherwise(
            "request problem information",
            None,
            "MQTT-3.1.2-29",
            with(b"\x17\x01"),
        ),
        bad(
            "request problem information 255",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x17\xff"),
        ),
        bad(
            "request problem information twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x17\0\x17\0"),
        ),
        bad(
            "no property length",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x05\x02\0\x3c"),
        ),
        bad(
            "property length beyond the packet",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x05\x02\0\x3c\x7f\0\x01c"),
        ),
        bad(
            "property length in two bytes",
            None,
            "MQTT-1.5.5-1",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x05\x02\0\x3c\x80\0\0\x01c"),
        ),
        bad(
            "property length of five bytes",
            None,
            "MQTT-1.5.5",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x05\x02\0\x3c\x80\x80\x80\x80\x01\0\x01c"),
        ),
    ]
}

fn texts() -> Vec<Row> {
    vec![
        valid(
            "user properties",
            None,
            "MQTT-1.5.7-1",
            with(b"\x26\0\x01k\0\x01v\x26\0\x01k\0\x01w"),
        ),
        valid(
            "user property of nothing",
            None,
            "MQTT-1.5.7-1",
            with(b"\x26\0\0\0\0"),
        ),
        bad(
            "user property without value",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            with(b"\x26\0\x01k"),
        ),
        bad(
            "user property name is not UTF-8",
            None,
            "MQTT-1.5.4-1",
            MALFORMED,
            with(b"\x26\0\x01\xff\0\x01v"),
        ),
        bad(
            "user property value with U+0000",
            None,
            "MQTT-1.5.4-2",
            MALFORMED,
            with(b"\x26\0\x01k\0\x01\0"),
        ),
        valid(
            "authentication method",
            None,
            "MQTT-3.1.2-30",
            with(b"\x15\0\x01m"),
        ),
        valid(
            "authentication method and data",
            None,
            "MQTT-4.12.0-1",
            with(b"\x15\0\x01m\x16\0\x02\0\xff"),
        ),
        otherwise(
            "authentication data before its method",
            None,
            "MQTT-4.12.0-1",
            with(b"\x16\0\x01d\x15\0\x01m"),
        ),
        bad(
            "authentication data without method",
            None,
            "MQTT-3.1.2.11.10",
            PROTOCOL,
            with(b"\x16\0\x01d"),
        ),
        bad(
            "authentication method twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x15\0\x01m\x15\0\x01m"),
        ),
        bad(
            "authentication data twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x15\0\x01m\x16\0\x01d\x16\0\x01d"),
        ),
        otherwise(
            "properties in another order",
            None,
            "MQTT-2.2.2.2",
            with(b"\x26\0\x01k\0\x01v\x21\0\x09\x11\0\0\0\x01"),
        ),
        bad("property 0", None, "MQTT-2.2.2.2", MALFORMED, with(b"\0\0")),
        bad(
            "property that does not exist",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x7f\0"),
        ),
        bad(
            "property identifier in two bytes",
            None,
            "MQTT-1.5.5-1",
            MALFORMED,
            with(b"\x91\0\0\0\0\x01"),
        ),
        bad(
            "property identifier of two bytes",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x91\x01\0\0\0\x01"),
        ),
        bad(
            "topic alias in CONNECT",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x23\0\x01"),
        ),
        bad(
            "reason string in CONNECT",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x1f\0\x01r"),
        ),
        bad(
            "will delay outside the will",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x18\0\0\0\x01"),
        ),
        bad(
            "maximum QoS in CONNECT",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x24\x01"),
        ),
    ]
}

fn wills() -> Vec<Row> {
    vec![
        valid("will delay", None, "MQTT-3.1.3-9", will(b"\x18\0\0\0\x0a")),
        otherwise("will delay 0", None, "MQTT-3.1.3-9", will(b"\x18\0\0\0\0")),
        bad(
            "will delay twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            will(b"\x18\0\0\0\x0a\x18\0\0\0\x0a"),
        ),
        valid("will expires", None, "MQTT-3.1.3.2.4", will(b"\x02\0\0\0\x01")),
        valid(
            "will expires at once",
            None,
            "MQTT-3.1.3.2.4",
            will(b"\x02\0\0\0\0"),
        ),
        valid(
            "will with all properties",
            None,
            "MQTT-3.1.3-10",
            will(b"\x18\0\0\0\x01\x02\0\0\0\x02\x01\x01\x03\0\x01t\x08\0\x01r\x09\0\x01\0\x26\0\x01k\0\x01v"),
        ),
        bad(
            "will payload format 2",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            will(b"\x01\x02"),
        ),
        bad(
            "will payload format twice",
            None,
            "MQTT-2.2.2.2",
            PROTOCOL,
            will(b"\x01\x01\x01\x01"),
        ),
        bad(
            "will response topic with a wildcard",
            None,
            "MQTT-3.3.2-14",
            PROTOCOL,
            will(b"\x08\0\x03r/#"),
        ),
        bad(
            "will with a topic alias",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            will(b"\x23\0\x01"),
        ),
        bad(
            "will with a subscription identifier",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            will(b"\x0b\x01"),
        ),
        bad(
            "will with a session expiry",
            None,
            "MQTT-2.2.2.2",
            MALFORMED,
            will(b"\x11\0\0\0\x01"),
        ),
        bad(
            "will without property length",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x05\x06\0\x3c\0\0\x01c"),
        ),
    ]
}
