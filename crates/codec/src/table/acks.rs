//! PUBACK, PUBREC, PUBREL, PUBCOMP.

use super::*;

pub(super) fn rows() -> Vec<Row> {
    [short(), reasons(), properties()].concat()
}

fn short() -> Vec<Row> {
    vec![
        valid("PUBACK, 3.1.1", V311, "MQTT-3.3.4-1", frame(0x40, b"\0\x01")),
        valid("PUBACK, 3.1", V31, "MQTT-3.3.4-1", frame(0x40, b"\xff\xff")),
        valid(
            "PUBACK of two bytes, 5.0",
            V5,
            "MQTT-3.4.2.1",
            frame(0x40, b"\0\x01"),
        ),
        valid("PUBREC, 3.1.1", V311, "MQTT-4.3.3-1", frame(0x50, b"\0\x01")),
        valid(
            "PUBREC of two bytes, 5.0",
            V5,
            "MQTT-3.5.2.1",
            frame(0x50, b"\0\x01"),
        ),
        valid("PUBREL, 3.1.1", V311, "MQTT-3.6.1-1", frame(0x62, b"\0\x01")),
        valid(
            "PUBREL of two bytes, 5.0",
            V5,
            "MQTT-3.6.1-1",
            frame(0x62, b"\0\x01"),
        ),
        valid("PUBCOMP, 3.1.1", V311, "MQTT-4.3.3-1", frame(0x70, b"\0\x01")),
        valid(
            "PUBCOMP of two bytes, 5.0",
            V5,
            "MQTT-3.7.2.1",
            frame(0x70, b"\0\x01"),
        ),
        otherwise(
            "PUBREL sent again, 3.1",
            V31,
            "3.1 section 2.1",
            frame(0x6a, b"\0\x01"),
        ),
        bad(
            "PUBREL sent again, 3.1.1",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x6a, b"\0\x01"),
        ),
        bad(
            "PUBREL with flags 0",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x60, b"\0\x01"),
        ),
        bad(
            "PUBREL with flags 0, 5.0",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x60, b"\0\x01"),
        ),
        bad(
            "PUBREL with flags 0, 3.1",
            V31,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x60, b"\0\x01"),
        ),
        bad(
            "PUBREL with flags 3",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x63, b"\0\x01"),
        ),
        bad(
            "PUBACK with flags 2",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x42, b"\0\x01"),
        ),
        bad(
            "PUBREC with flags 2",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x52, b"\0\x01"),
        ),
        bad(
            "PUBCOMP with flags 1",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x71, b"\0\x01"),
        ),
        bad(
            "PUBACK packet id 0",
            V311,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x40, b"\0\0"),
        ),
        bad(
            "PUBREC packet id 0",
            V5,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x50, b"\0\0"),
        ),
        bad(
            "PUBREL packet id 0",
            V5,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x62, b"\0\0"),
        ),
        bad(
            "PUBCOMP packet id 0",
            V31,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x70, b"\0\0"),
        ),
        bad(
            "PUBACK without a body",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x40, b""),
        ),
        bad(
            "PUBACK of one byte",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x40, b"\0"),
        ),
        bad(
            "PUBACK of three bytes, 3.1.1",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x40, b"\0\x01\0"),
        ),
        bad(
            "PUBREL of three bytes, 3.1",
            V31,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x62, b"\0\x01\0"),
        ),
    ]
}

fn reasons() -> Vec<Row> {
    vec![
        valid(
            "PUBACK with a reason",
            V5,
            "MQTT-3.4.2-1",
            frame(0x40, b"\0\x01\x97"),
        ),
        otherwise(
            "PUBACK with success in three bytes",
            V5,
            "MQTT-3.4.2-1",
            frame(0x40, b"\0\x01\0"),
        ),
        otherwise(
            "PUBACK with success in four bytes",
            V5,
            "MQTT-3.4.2.2.1",
            frame(0x40, b"\0\x01\0\0"),
        ),
        otherwise(
            "PUBACK refused, no properties",
            V5,
            "MQTT-3.4.2.2.1",
            frame(0x40, b"\0\x01\x80\0"),
        ),
        valid("PUBREC refused", V5, "MQTT-3.5.2-1", frame(0x50, b"\0\x01\x83")),
        valid(
            "PUBREL of nothing known",
            V5,
            "MQTT-3.6.2-1",
            frame(0x62, b"\0\x01\x92"),
        ),
        valid(
            "PUBCOMP of nothing known",
            V5,
            "MQTT-3.7.2-1",
            frame(0x70, b"\0\x01\x92"),
        ),
        bad(
            "PUBACK 0x10 from a client",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0x40, b"\0\x01\x10"),
        ),
        bad(
            "PUBREC 0x10 from a client",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0x50, b"\0\x01\x10"),
        ),
        bad(
            "PUBACK with PUBREL's reason",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0x40, b"\0\x01\x92"),
        ),
        bad(
            "PUBREC with a reason that does not exist",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0x50, b"\0\x01\x7f"),
        ),
        bad(
            "PUBREL with PUBACK's reason",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0x62, b"\0\x01\x80"),
        ),
        bad(
            "PUBCOMP with PUBACK's reason",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0x70, b"\0\x01\x87"),
        ),
        bad(
            "PUBACK with granted QoS 1",
            V5,
            "MQTT-2.4",
            PROTOCOL,
            frame(0x40, b"\0\x01\x01"),
        ),
    ]
}

fn properties() -> Vec<Row> {
    vec![
        valid(
            "PUBACK with a reason string",
            V5,
            "MQTT-3.4.2-2",
            frame(0x40, b"\0\x01\x80\x06\x1f\0\x03why"),
        ),
        valid(
            "PUBREC with a reason string",
            V5,
            "MQTT-3.5.2-2",
            frame(0x50, b"\0\x01\x80\x06\x1f\0\x03why"),
        ),
        valid(
            "PUBREL with a reason string",
            V5,
            "MQTT-3.6.2-2",
            frame(0x62, b"\0\x01\x92\x06\x1f\0\x03why"),
        ),
        valid(
            "PUBCOMP with a reason string",
            V5,
            "MQTT-3.7.2-2",
            frame(0x70, b"\0\x01\0\x06\x1f\0\x03why"),
        ),
        otherwise(
            "PUBACK with user properties",
            V5,
            "MQTT-3.4.2-3",
            frame(0x40, b"\0\x01\0\x0e\x26\0\x01k\0\x01v\x26\0\x01k\0\x01v"),
        ),
        bad(
            "PUBACK with two reason strings",
            V5,
            "MQTT-2.2.2.2",
            PROTOCOL,
            frame(0x40, b"\0\x01\0\x08\x1f\0\x01a\x1f\0\x01b"),
        ),
        bad(
            "PUBACK with a topic alias",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            frame(0x40, b"\0\x01\0\x03\x23\0\x01"),
        ),
        bad(
            "PUBREL with a server reference",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            frame(0x62, b"\0\x01\0\x04\x1c\0\x01a"),
        ),
        bad(
            "PUBACK with bytes at its end",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x40, b"\0\x01\0\0\0"),
        ),
        bad(
            "PUBACK with properties cut short",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x40, b"\0\x01\0\x05\x1f"),
        ),
        bad(
            "PUBREC reason string not UTF-8",
            V5,
            "MQTT-1.5.4-1",
            MALFORMED,
            frame(0x50, b"\0\x01\0\x04\x1f\0\x01\xff"),
        ),
    ]
}
