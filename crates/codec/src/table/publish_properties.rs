//! PUBLISH: properties (5.0).

use super::*;

/// To topic `a` at QoS 0.
fn with(properties: &[u8]) -> Vec<u8> {
    frame(
        0x30,
        &[b"\0\x01a", [properties.len() as u8].as_slice(), properties, b"hi"].concat(),
    )
}

/// Without a topic.
fn aliased(properties: &[u8]) -> Vec<u8> {
    frame(
        0x30,
        &[b"\0\0", [properties.len() as u8].as_slice(), properties, b"hi"].concat(),
    )
}

pub(super) fn rows() -> Vec<Row> {
    [of_this_hop(), of_the_message()].concat()
}

fn of_this_hop() -> Vec<Row> {
    vec![
        valid("topic alias and topic", V5, "MQTT-3.3.2-12", with(b"\x23\0\x01")),
        valid("topic alias alone", V5, "MQTT-3.3.2-12", aliased(b"\x23\xff\xff")),
        bad("topic alias 0", V5, "MQTT-3.3.2-8", 0x94, with(b"\x23\0\0")),
        bad(
            "topic alias 0 alone",
            V5,
            "MQTT-3.3.2-8",
            0x94,
            aliased(b"\x23\0\0"),
        ),
        bad(
            "topic alias twice",
            V5,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x23\0\x01\x23\0\x01"),
        ),
        bad(
            "topic alias cut short",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            with(b"\x23\0"),
        ),
        bad(
            "neither topic nor alias, but properties",
            V5,
            "MQTT-4.7.3-1",
            PROTOCOL,
            aliased(b"\x01\x01"),
        ),
        bad(
            "subscription identifier from a client",
            V5,
            "MQTT-3.3.4-6",
            PROTOCOL,
            with(b"\x0b\x01"),
        ),
        bad(
            "session expiry in PUBLISH",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x11\0\0\0\x01"),
        ),
        bad(
            "reason string in PUBLISH",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x1f\0\x01r"),
        ),
        bad(
            "will delay in PUBLISH",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x18\0\0\0\x01"),
        ),
        bad(
            "receive maximum in PUBLISH",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x21\0\x01"),
        ),
        bad(
            "unknown property in PUBLISH",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x04\0"),
        ),
        bad(
            "property length beyond the PUBLISH",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x30, b"\0\x01a\x05\x01\x01"),
        ),
        bad(
            "property beyond its block",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x30, b"\0\x01a\x03\x02\0\0\0\x05hi"),
        ),
        bad(
            "property identifier without value",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            with(b"\x01"),
        ),
        bad(
            "PUBLISH property length overlong",
            V5,
            "MQTT-1.5.5-1",
            MALFORMED,
            frame(0x30, b"\0\x01a\x80\0hi"),
        ),
    ]
}

fn of_the_message() -> Vec<Row> {
    vec![
        valid("payload format 0", V5, "MQTT-3.3.2-4", with(b"\x01\0")),
        valid("payload format 1", V5, "MQTT-3.3.2-4", with(b"\x01\x01")),
        bad("payload format 2", V5, "MQTT-2.2.2.2", PROTOCOL, with(b"\x01\x02")),
        bad("payload format twice", V5, "MQTT-2.2.2.2", PROTOCOL, with(b"\x01\x01\x01\x01")),
        valid("message expiry", V5, "MQTT-3.3.2-5", with(b"\x02\0\0\0\x3c")),
        valid("message expiry 0", V5, "MQTT-3.3.2-5", with(b"\x02\0\0\0\0")),
        valid("message expiry largest", V5, "MQTT-3.3.2-5", with(b"\x02\xff\xff\xff\xff")),
        bad("message expiry twice", V5, "MQTT-2.2.2.2", PROTOCOL, with(b"\x02\0\0\0\x01\x02\0\0\0\x01")),
        valid("content type", V5, "MQTT-3.3.2-19", with(b"\x03\0\x0atext/plain")),
        valid("content type empty", V5, "MQTT-3.3.2-19", with(b"\x03\0\0")),
        bad("content type is not UTF-8", V5, "MQTT-1.5.4-1", MALFORMED, with(b"\x03\0\x01\xff")),
        bad("content type with U+0000", V5, "MQTT-1.5.4-2", MALFORMED, with(b"\x03\0\x02a\0")),
        bad("content type twice", V5, "MQTT-2.2.2.2", PROTOCOL, with(b"\x03\0\x01a\x03\0\x01a")),
        valid("response topic", V5, "MQTT-3.3.2-13", with(b"\x08\0\x03r/1")),
        bad("response topic empty", V5, "MQTT-3.3.2-14", PROTOCOL, with(b"\x08\0\0")),
        bad("response topic with +", V5, "MQTT-3.3.2-14", PROTOCOL, with(b"\x08\0\x03r/+")),
        bad("response topic with #", V5, "MQTT-3.3.2-14", PROTOCOL, with(b"\x08\0\x01#")),
        bad("response topic with U+0000", V5, "MQTT-1.5.4-2", MALFORMED, with(b"\x08\0\x01\0")),
        bad("response topic is not UTF-8", V5, "MQTT-1.5.4-1", MALFORMED, with(b"\x08\0\x01\xc1")),
        bad("response topic twice", V5, "MQTT-2.2.2.2", PROTOCOL, with(b"\x08\0\x01r\x08\0\x01r")),
        valid("correlation data", V5, "MQTT-3.3.2-16", with(b"\x09\0\x03\0\xff\x80")),
        valid("correlation data empty", V5, "MQTT-3.3.2-16", with(b"\x09\0\0")),
        bad("correlation data twice", V5, "MQTT-2.2.2.2", PROTOCOL, with(b"\x09\0\x01a\x09\0\x01a")),
        bad("correlation data cut short", V5, "MQTT-2.1.4", MALFORMED, with(b"\x09\0\x05a")),
        valid(
            "user properties of one name",
            V5,
            "MQTT-3.3.2-18",
            with(b"\x26\0\x01k\0\x01b\x26\0\x01k\0\x01a\x26\0\x01k\0\x01b"),
        ),
        bad("user property is not UTF-8", V5, "MQTT-1.5.4-1", MALFORMED, with(b"\x26\0\x01k\0\x01\xff")),
        otherwise(
            "all properties, in another order",
            V5,
            "MQTT-3.3.2-17",
            with(b"\x26\0\x01k\0\x01v\x01\x01\x02\0\0\0\x09\x26\0\x01l\0\x01w\x23\0\x05\x08\0\x01r\x09\0\x01c\x03\0\x01t"),
        ),
    ]
}
