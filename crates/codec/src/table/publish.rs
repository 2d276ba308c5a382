//! PUBLISH: flags, topic, packet identifier, payload.

use super::*;

pub(super) fn rows() -> Vec<Row> {
    [flags(), topics(), bodies()].concat()
}

fn flags() -> Vec<Row> {
    vec![
        valid("PUBLISH QoS 0", V311, "MQTT-3.3.1-4", frame(0x30, b"\0\x01ahi")),
        valid(
            "PUBLISH QoS 0, 3.1",
            V31,
            "MQTT-3.3.1-4",
            frame(0x30, b"\0\x01ahi"),
        ),
        valid(
            "PUBLISH QoS 0, 5.0",
            V5,
            "MQTT-3.3.1-4",
            frame(0x30, b"\0\x01a\0hi"),
        ),
        valid(
            "PUBLISH QoS 1",
            V311,
            "MQTT-2.2.1-3",
            frame(0x32, b"\0\x01a\0\x01hi"),
        ),
        valid(
            "PUBLISH QoS 1, 5.0",
            V5,
            "MQTT-2.2.1-3",
            frame(0x32, b"\0\x01a\xff\xff\0hi"),
        ),
        valid(
            "PUBLISH QoS 2",
            V311,
            "MQTT-2.2.1-3",
            frame(0x34, b"\0\x01a\x01\0hi"),
        ),
        valid(
            "PUBLISH QoS 2, 5.0",
            V5,
            "MQTT-2.2.1-3",
            frame(0x34, b"\0\x01a\0\x01\0hi"),
        ),
        valid(
            "retained PUBLISH",
            V311,
            "MQTT-3.3.1-5",
            frame(0x31, b"\0\x01ahi"),
        ),
        valid(
            "PUBLISH sent again",
            V5,
            "MQTT-3.3.1-1",
            frame(0x3a, b"\0\x01a\0\x01\0hi"),
        ),
        valid(
            "retained PUBLISH sent again at QoS 2",
            V311,
            "MQTT-3.3.1-1",
            frame(0x3d, b"\0\x01a\0\x01hi"),
        ),
        bad(
            "PUBLISH QoS 3",
            V311,
            "MQTT-3.3.1-4",
            MALFORMED,
            frame(0x36, b"\0\x01a\0\x01hi"),
        ),
        bad(
            "PUBLISH QoS 3, 5.0",
            V5,
            "MQTT-3.3.1-4",
            MALFORMED,
            frame(0x36, b"\0\x01a\0\x01\0hi"),
        ),
        bad(
            "PUBLISH QoS 3, 3.1",
            V31,
            "MQTT-3.3.1-4",
            MALFORMED,
            frame(0x37, b"\0\x01a\0\x01hi"),
        ),
        bad(
            "QoS 3 by the first byte alone",
            V5,
            "MQTT-3.3.1-4",
            MALFORMED,
            b"\x36".to_vec(),
        ),
        bad(
            "DUP with QoS 0",
            V311,
            "MQTT-3.3.1-2",
            MALFORMED,
            frame(0x38, b"\0\x01ahi"),
        ),
        bad(
            "DUP with QoS 0, 5.0",
            V5,
            "MQTT-3.3.1-2",
            MALFORMED,
            frame(0x39, b"\0\x01a\0hi"),
        ),
        bad(
            "PUBLISH packet id 0",
            V311,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x32, b"\0\x01a\0\0hi"),
        ),
        bad(
            "PUBLISH packet id 0, 5.0",
            V5,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x34, b"\0\x01a\0\0\0hi"),
        ),
        bad(
            "PUBLISH packet id 0, 3.1",
            V31,
            "MQTT-2.2.1-3",
            PROTOCOL,
            frame(0x32, b"\0\x01a\0\0hi"),
        ),
    ]
}

fn topics() -> Vec<Row> {
    let longest = [b"\xff\xff".as_slice(), &[b'a'; 65_535]].concat();
    vec![
        valid(
            "topic of one slash",
            V311,
            "MQTT-4.7.3-1",
            frame(0x30, b"\0\x01/"),
        ),
        valid(
            "topic with empty levels",
            V5,
            "MQTT-4.7.3-1",
            frame(0x30, b"\0\x05//a//\0"),
        ),
        valid("topic with spaces", V311, "MQTT-4.7.3", frame(0x30, b"\0\x03a b")),
        valid(
            "topic begins with a dollar",
            V311,
            "MQTT-4.7.2-1",
            frame(0x30, b"\0\x04$SYS"),
        ),
        valid(
            "topic beyond ASCII",
            V311,
            "MQTT-3.3.2-1",
            frame(0x30, "\0\x0eé/日本/🚪".as_bytes()),
        ),
        valid(
            "topic with U+FEFF",
            V5,
            "MQTT-1.5.4-3",
            frame(0x30, b"\0\x04\xef\xbb\xbfa\0"),
        ),
        valid(
            "topic with a control character",
            V311,
            "MQTT-1.5.4",
            frame(0x30, b"\0\x02a\x01"),
        ),
        valid(
            "topic of 65,535 bytes",
            V311,
            "MQTT-4.7.3-3",
            frame(0x30, &longest),
        ),
        bad(
            "topic empty",
            V311,
            "MQTT-4.7.3-1",
            PROTOCOL,
            frame(0x30, b"\0\0hi"),
        ),
        bad(
            "topic empty, 3.1",
            V31,
            "MQTT-4.7.3-1",
            PROTOCOL,
            frame(0x30, b"\0\0hi"),
        ),
        bad(
            "topic empty without alias",
            V5,
            "MQTT-4.7.3-1",
            PROTOCOL,
            frame(0x30, b"\0\0\0hi"),
        ),
        bad(
            "topic with +",
            V311,
            "MQTT-3.3.2-2",
            0x90,
            frame(0x30, b"\0\x03a/+hi"),
        ),
        bad(
            "topic with #",
            V5,
            "MQTT-3.3.2-2",
            0x90,
            frame(0x30, b"\0\x03a/#\0hi"),
        ),
        valid(
            "topic of 128 levels",
            V311,
            "MQTT-4.7.3",
            frame(0x30, &[b"\0\x7f".as_slice(), &[b'/'; 127]].concat()),
        ),
        bad(
            "topic of 129 levels",
            V311,
            "MQTT-4.7.3",
            0x90,
            frame(0x30, &[b"\0\x80".as_slice(), &[b'/'; 128]].concat()),
        ),
        bad(
            "topic with # in a level",
            V5,
            "MQTT-3.3.2-2",
            0x90,
            frame(0x30, b"\0\x02a#\0hi"),
        ),
        bad(
            "topic with +, 3.1",
            V31,
            "MQTT-3.3.2-2",
            0x90,
            frame(0x30, b"\0\x01+hi"),
        ),
        bad(
            "topic with # far back",
            V311,
            "MQTT-3.3.2-2",
            0x90,
            frame(0x30, b"\0\x12aaaaaaaa/bbbbbbbb#"),
        ),
        bad(
            "topic with U+0000",
            V311,
            "MQTT-1.5.4-2",
            MALFORMED,
            frame(0x30, b"\0\x03a\0bhi"),
        ),
        bad(
            "topic with U+0000, 5.0",
            V5,
            "MQTT-1.5.4-2",
            MALFORMED,
            frame(0x30, b"\0\x01\0\0hi"),
        ),
        bad(
            "topic is not UTF-8",
            V311,
            "MQTT-1.5.4-1",
            MALFORMED,
            frame(0x30, b"\0\x02a\xffhi"),
        ),
        bad(
            "topic with a surrogate",
            V311,
            "MQTT-1.5.4-1",
            MALFORMED,
            frame(0x30, b"\0\x03\xed\xbf\xbf"),
        ),
        bad(
            "topic beyond U+10FFFF",
            V5,
            "MQTT-1.5.4-1",
            MALFORMED,
            frame(0x30, b"\0\x04\xf4\x90\x80\x80\0"),
        ),
        bad(
            "topic ends within a character",
            V5,
            "MQTT-1.5.4-1",
            MALFORMED,
            frame(0x30, b"\0\x02\xe2\x82\0"),
        ),
    ]
}

fn bodies() -> Vec<Row> {
    let binary = [b"\0\x01a\0".as_slice(), &(0..=255).collect::<Vec<u8>>()].concat();
    let full = [b"\0\x01a".as_slice(), &vec![7; 99_993]].concat();
    vec![
        valid("payload empty", V311, "MQTT-3.3.3", frame(0x30, b"\0\x01a")),
        valid(
            "payload empty, 5.0",
            V5,
            "MQTT-3.3.3",
            frame(0x32, b"\0\x01a\0\x01\0"),
        ),
        valid(
            "retained and empty",
            V311,
            "MQTT-3.3.1-6",
            frame(0x31, b"\0\x01a"),
        ),
        valid("payload of all bytes", V5, "MQTT-3.3.3", frame(0x30, &binary)),
        valid(
            "the largest packet taken",
            V311,
            "MQTT-3.2.2-15",
            frame(0x30, &full),
        ),
        bad(
            "PUBLISH without a body",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            b"\x30\x00".to_vec(),
        ),
        bad(
            "half a topic length",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x30, b"\0"),
        ),
        bad(
            "topic beyond the packet",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x30, b"\0\x09abc"),
        ),
        bad(
            "no packet id",
            V311,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x32, b"\0\x01a"),
        ),
        bad(
            "half a packet id",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x32, b"\0\x01a\0"),
        ),
        bad(
            "no property length in PUBLISH",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x32, b"\0\x01a\0\x01"),
        ),
        bad(
            "no property length at QoS 0",
            V5,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x30, b"\0\x01a"),
        ),
    ]
}
