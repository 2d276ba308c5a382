//! SUBSCRIBE and UNSUBSCRIBE.

use super::*;

pub(super) fn rows() -> Vec<Row> {
    [subscribe_3x(), subscribe_5(), unsubscribe()].concat()
}

fn subscribe_3x() -> Vec<Row> {
    vec![
        valid(
            "SUBSCRIBE",
            V311,
            "MQTT-3.8.3-2",
            frame(0x82, b"\0\x01\0\x01a\x01"),
        ),
        valid(
            "SUBSCRIBE, 3.1",
            V31,
            "MQTT-3.8.3-2",
            frame(0x82, b"\0\x01\0\x01a\x02"),
        ),
        valid(
            "SUBSCRIBE to three",
            V311,
            "MQTT-3.8.4-5",
            frame(0x82, b"\0\x01\0\x03a/b\0\0\x03c/+\x01\0\x01#\x02"),
        ),
        valid(
            "filter beyond ASCII",
            V311,
            "MQTT-3.8.3-1",
            frame(0x82, "\0\x01\0\x06é/日\0".as_bytes()),
        ),
        otherwise(
            "SUBSCRIBE sent again, 3.1",
            V31,
            "3.1 section 2.1",
            frame(0x8a, b"\0\x01\0\x01a\x01"),
        ),
        bad(
            "SUBSCRIBE sent again, 3.1.1",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x8a, b"\0\x01\0\x01a\x01"),
        ),
        bad(
            "SUBSCRIBE with flags 0",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x80, b"\0\x01\0\x01a\x01"),
        ),
        bad(
            "SUBSCRIBE with flags 0, 3.1",
            V31,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x80, b"\0\x01\0\x01a\x01"),
        ),
        bad(
            "SUBSCRIBE packet id 0",
            V311,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x82, b"\0\0\0\x01a\x01"),
        ),
        bad(
            "SUBSCRIBE to nothing",
            V311,
            "MQTT-3.8.3-2",
            PROTOCOL,
            frame(0x82, b"\0\x01"),
        ),
        bad(
            "SUBSCRIBE without a body",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x82, b""),
        ),
        bad(
            "SUBSCRIBE QoS 3",
            V311,
            "MQTT-3.8.3.1",
            PROTOCOL,
            frame(0x82, b"\0\x01\0\x01a\x03"),
        ),
        bad(
            "SUBSCRIBE reserved bit",
            V311,
            "MQTT-3.8.3-5",
            MALFORMED,
            frame(0x82, b"\0\x01\0\x01a\x04"),
        ),
        bad(
            "SUBSCRIBE high bit",
            V311,
            "MQTT-3.8.3-5",
            MALFORMED,
            frame(0x82, b"\0\x01\0\x01a\x81"),
        ),
        bad(
            "filter without QoS",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x82, b"\0\x01\0\x01a"),
        ),
        bad(
            "filter cut short",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x82, b"\0\x01\0\x04a\0"),
        ),
        bad(
            "second filter without QoS",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x82, b"\0\x01\0\x01a\0\0\x01b"),
        ),
        bad(
            "filter is not UTF-8",
            V311,
            "MQTT-1.5.4-1",
            MALFORMED,
            frame(0x82, b"\0\x01\0\x01\xff\0"),
        ),
        bad(
            "filter with U+0000",
            V311,
            "MQTT-1.5.4-2",
            MALFORMED,
            frame(0x82, b"\0\x01\0\x02a\0\0"),
        ),
        // A wrong filter is answered in SUBACK, by the floor above.
        valid("filter empty", V311, "MQTT-4.7.3-1", frame(0x82, b"\0\x01\0\0\0")),
        valid(
            "filter with # inside",
            V5,
            "MQTT-4.7.1-1",
            frame(0x82, b"\0\x01\0\0\x05a/#/b\0"),
        ),
    ]
}

fn subscribe_5() -> Vec<Row> {
    let with = |properties: &[u8]| {
        frame(
            0x82,
            &[
                b"\0\x01",
                [properties.len() as u8].as_slice(),
                properties,
                b"\0\x01a\x01",
            ]
            .concat(),
        )
    };
    let option = |byte: u8| frame(0x82, &[b"\0\x01\0\0\x01a".as_slice(), &[byte]].concat());
    let shared = |byte: u8| frame(0x82, &[b"\0\x01\0\0\x0a$share/g/a".as_slice(), &[byte]].concat());
    vec![
        valid("SUBSCRIBE, 5.0", V5, "MQTT-3.8.3-2", option(0x01)),
        valid("SUBSCRIBE with all options", V5, "MQTT-3.8.3-3", option(0x2e)),
        valid("retain handling 1", V5, "MQTT-3.8.3.1", option(0x10)),
        bad("retain handling 3", V5, "MQTT-3.8.3.1", PROTOCOL, option(0x30)),
        bad("SUBSCRIBE QoS 3, 5.0", V5, "MQTT-3.8.3.1", PROTOCOL, option(0x03)),
        bad("option bit 6", V5, "MQTT-3.8.3-5", MALFORMED, option(0x41)),
        bad("option bit 7", V5, "MQTT-3.8.3-5", MALFORMED, option(0x81)),
        valid("shared subscription", V5, "MQTT-4.8.2-1", shared(0x09)),
        bad(
            "shared subscription with no-local",
            V5,
            "MQTT-3.8.3-4",
            PROTOCOL,
            shared(0x05),
        ),
        valid(
            "$share without a name",
            V5,
            "MQTT-4.8.2-1",
            frame(0x82, b"\0\x01\0\0\x06$share\x04"),
        ),
        valid(
            "$share is plain in 3.1.1",
            V311,
            "MQTT-3.8.3-1",
            frame(0x82, b"\0\x01\0\x0a$share/g/a\x01"),
        ),
        valid("subscription identifier 1", V5, "MQTT-3.3.4-3", with(b"\x0b\x01")),
        valid(
            "subscription identifier largest",
            V5,
            "MQTT-3.3.4-3",
            with(b"\x0b\xff\xff\xff\x7f"),
        ),
        bad(
            "subscription identifier 0",
            V5,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x0b\0"),
        ),
        bad(
            "subscription identifier twice",
            V5,
            "MQTT-2.2.2.2",
            PROTOCOL,
            with(b"\x0b\x01\x0b\x02"),
        ),
        bad(
            "subscription identifier overlong",
            V5,
            "MQTT-1.5.5-1",
            MALFORMED,
            with(b"\x0b\x81\0"),
        ),
        bad(
            "subscription identifier too long",
            V5,
            "MQTT-1.5.5",
            MALFORMED,
            with(b"\x0b\xff\xff\xff\xff\x01"),
        ),
        otherwise(
            "SUBSCRIBE with user properties",
            V5,
            "MQTT-3.8.2.1.3",
            with(b"\x26\0\x01k\0\x01v\x26\0\0\0\0"),
        ),
        bad(
            "SUBSCRIBE with a reason string",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x1f\0\x01r"),
        ),
        bad(
            "SUBSCRIBE with a topic alias",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            with(b"\x23\0\x01"),
        ),
        bad(
            "SUBSCRIBE to nothing, 5.0",
            V5,
            "MQTT-3.8.3-2",
            PROTOCOL,
            frame(0x82, b"\0\x01\0"),
        ),
        bad(
            "SUBSCRIBE without property length",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x82, b"\0\x01"),
        ),
        bad(
            "SUBSCRIBE packet id 0, 5.0",
            V5,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x82, b"\0\0\0\0\x01a\0"),
        ),
        bad(
            "SUBSCRIBE sent again, 5.0",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0x8a, b"\0\x01\0\0\x01a\0"),
        ),
        bad(
            "filter without options",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x82, b"\0\x01\0\0\x01a"),
        ),
    ]
}

fn unsubscribe() -> Vec<Row> {
    vec![
        valid(
            "UNSUBSCRIBE",
            V311,
            "MQTT-3.10.3-2",
            frame(0xa2, b"\0\x01\0\x01a"),
        ),
        valid(
            "UNSUBSCRIBE, 5.0",
            V5,
            "MQTT-3.10.3-2",
            frame(0xa2, b"\0\x01\0\0\x01a\0\x01b"),
        ),
        otherwise(
            "UNSUBSCRIBE sent again, 3.1",
            V31,
            "3.1 section 2.1",
            frame(0xaa, b"\0\x01\0\x01a"),
        ),
        otherwise(
            "UNSUBSCRIBE with user properties",
            V5,
            "MQTT-3.10.2.1.2",
            frame(0xa2, b"\0\x01\x07\x26\0\x01k\0\x01v\0\x01a"),
        ),
        bad(
            "UNSUBSCRIBE sent again, 3.1.1",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0xaa, b"\0\x01\0\x01a"),
        ),
        bad(
            "UNSUBSCRIBE with flags 0",
            V311,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0xa0, b"\0\x01\0\x01a"),
        ),
        bad(
            "UNSUBSCRIBE with flags 0, 5.0",
            V5,
            "MQTT-2.1.3-1",
            MALFORMED,
            frame(0xa0, b"\0\x01\0\0\x01a"),
        ),
        bad(
            "UNSUBSCRIBE packet id 0",
            V5,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0xa2, b"\0\0\0\0\x01a"),
        ),
        bad(
            "UNSUBSCRIBE from nothing",
            V311,
            "MQTT-3.10.3-2",
            PROTOCOL,
            frame(0xa2, b"\0\x01"),
        ),
        bad(
            "UNSUBSCRIBE from nothing, 5.0",
            V5,
            "MQTT-3.10.3-2",
            PROTOCOL,
            frame(0xa2, b"\0\x01\0"),
        ),
        bad(
            "UNSUBSCRIBE without a body",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xa2, b""),
        ),
        bad(
            "UNSUBSCRIBE filter cut short",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0xa2, b"\0\x01\0\x03a"),
        ),
        bad(
            "UNSUBSCRIBE filter not UTF-8",
            V311,
            "MQTT-1.5.4-1",
            MALFORMED,
            frame(0xa2, b"\0\x01\0\x01\xc0"),
        ),
        bad(
            "UNSUBSCRIBE filter with U+0000",
            V5,
            "MQTT-1.5.4-2",
            MALFORMED,
            frame(0xa2, b"\0\x01\0\0\x01\0"),
        ),
        bad(
            "UNSUBSCRIBE with a subscription identifier",
            V5,
            "MQTT-2.2.2.2",
            MALFORMED,
            frame(0xa2, b"\0\x01\x02\x0b\x01\0\x01a"),
        ),
    ]
}
