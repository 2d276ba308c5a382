//! CONNECT: protocol, flags and payload.

use super::*;

/// 3.1.1 with keep alive 60.
fn v311(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(
        0x10,
        &[b"\0\x04MQTT\x04".as_slice(), &[flags], b"\0\x3c", payload].concat(),
    )
}

/// 3.1 with keep alive 60.
fn v31(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(
        0x10,
        &[b"\0\x06MQIsdp\x03".as_slice(), &[flags], b"\0\x3c", payload].concat(),
    )
}

/// 5.0 with keep alive 60, without properties.
fn v5(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(
        0x10,
        &[b"\0\x04MQTT\x05".as_slice(), &[flags], b"\0\x3c\0", payload].concat(),
    )
}

pub(super) fn rows() -> Vec<Row> {
    [protocols(), flags(), payloads()].concat()
}

fn protocols() -> Vec<Row> {
    const VERSION: u8 = 0x84;
    let named = |name: &[u8], level: u8| frame(0x10, &[name, &[level, 2, 0, 0], b"\0\x01c"].concat());
    vec![
        valid("CONNECT 3.1.1", None, "MQTT-3.1.2-1", v311(0x02, b"\0\x01c")),
        valid("CONNECT 3.1", None, "MQTT-3.1.2-1", v31(0x02, b"\0\x01c")),
        valid("CONNECT 5.0", None, "MQTT-3.1.2-1", v5(0x02, b"\0\x01c")),
        valid("bridge, 3.1.1", None, "MQTT-3.1.2-2", named(b"\0\x04MQTT", 0x84)),
        valid("bridge, 3.1", None, "MQTT-3.1.2-2", named(b"\0\x06MQIsdp", 0x83)),
        bad(
            "bridge, 5.0",
            None,
            "MQTT-3.1.2-2",
            VERSION,
            named(b"\0\x04MQTT", 0x85),
        ),
        bad(
            "level 3 of MQTT",
            None,
            "MQTT-3.1.2-2",
            VERSION,
            named(b"\0\x04MQTT", 3),
        ),
        bad("level 6", None, "MQTT-3.1.2-2", VERSION, named(b"\0\x04MQTT", 6)),
        bad("level 0", None, "MQTT-3.1.2-2", VERSION, named(b"\0\x04MQTT", 0)),
        bad(
            "level 4 of MQIsdp",
            None,
            "MQTT-3.1.2-2",
            VERSION,
            named(b"\0\x06MQIsdp", 4),
        ),
        bad(
            "protocol name in lower case",
            None,
            "MQTT-3.1.2-1",
            VERSION,
            named(b"\0\x04mqtt", 4),
        ),
        bad(
            "protocol name too long",
            None,
            "MQTT-3.1.2-1",
            VERSION,
            named(b"\0\x05MQTTX", 5),
        ),
        bad(
            "protocol name empty",
            None,
            "MQTT-3.1.2-1",
            VERSION,
            named(b"\0\0", 4),
        ),
        bad(
            "protocol name cut short",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQ"),
        ),
        bad(
            "CONNECT without a body",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            b"\x10\x00".to_vec(),
        ),
        bad(
            "no level",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT"),
        ),
        bad(
            "no connect flags",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x04"),
        ),
        bad(
            "no keep alive",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x04\x02"),
        ),
        bad(
            "half a keep alive",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            frame(0x10, b"\0\x04MQTT\x04\x02\0"),
        ),
        bad(
            "CONNECT with flag 1",
            None,
            "MQTT-2.1.3-1",
            MALFORMED,
            b"\x11\x0d\0\x04MQTT\x04\x02\0\0\0\x01c".to_vec(),
        ),
        bad(
            "CONNECT with DUP",
            None,
            "MQTT-2.1.3-1",
            MALFORMED,
            b"\x18\x0d\0\x04MQTT\x04\x02\0\0\0\x01c".to_vec(),
        ),
    ]
}

fn flags() -> Vec<Row> {
    let will = b"\0\x01c\0\x01w\0\x02hi";
    vec![
        valid("kept session", None, "MQTT-3.1.2-5", v311(0x00, b"\0\x01c")),
        bad(
            "reserved connect flag",
            None,
            "MQTT-3.1.2-3",
            MALFORMED,
            v311(0x03, b"\0\x01c"),
        ),
        bad(
            "reserved connect flag, 5.0",
            None,
            "MQTT-3.1.2-3",
            MALFORMED,
            v5(0x01, b"\0\x01c"),
        ),
        bad(
            "reserved connect flag, 3.1",
            None,
            "MQTT-3.1.2-3",
            MALFORMED,
            v31(0x03, b"\0\x01c"),
        ),
        valid("will at QoS 0", None, "MQTT-3.1.2-9", v311(0x06, will)),
        valid("will at QoS 1, retained", None, "MQTT-3.1.2-15", v311(0x2e, will)),
        valid("will at QoS 2", None, "MQTT-3.1.2-12", v31(0x16, will)),
        bad(
            "will at QoS 3",
            None,
            "MQTT-3.1.2-12",
            MALFORMED,
            v311(0x1e, will),
        ),
        bad(
            "QoS 3 without a will",
            None,
            "MQTT-3.1.2-12",
            MALFORMED,
            v5(0x1a, b"\0\x01c"),
        ),
        bad(
            "will QoS without a will",
            None,
            "MQTT-3.1.2-11",
            MALFORMED,
            v311(0x0a, b"\0\x01c"),
        ),
        bad(
            "will QoS without a will, 5.0",
            None,
            "MQTT-3.1.2-11",
            MALFORMED,
            v5(0x12, b"\0\x01c"),
        ),
        bad(
            "will retain without a will",
            None,
            "MQTT-3.1.2-11",
            MALFORMED,
            v311(0x22, b"\0\x01c"),
        ),
        bad(
            "will flag, but no will",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v311(0x06, b"\0\x01c"),
        ),
        bad(
            "will without payload",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v311(0x06, b"\0\x01c\0\x01w"),
        ),
        bad(
            "will, but no will flag",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v311(0x02, will),
        ),
        valid(
            "user name and password",
            None,
            "MQTT-3.1.2-19",
            v311(0xc2, b"\0\x01c\0\x01u\0\x01p"),
        ),
        valid(
            "user name only",
            None,
            "MQTT-3.1.2-18",
            v311(0x82, b"\0\x01c\0\x01u"),
        ),
        valid(
            "password only, 5.0",
            None,
            "MQTT-3.1.2-19",
            v5(0x42, b"\0\x01c\0\x01p"),
        ),
        bad(
            "password only",
            None,
            "MQTT-3.1.2-22 of 3.1.1",
            MALFORMED,
            v311(0x42, b"\0\x01c\0\x01p"),
        ),
        bad(
            "password only, 3.1",
            None,
            "MQTT-3.1.2-22 of 3.1.1",
            MALFORMED,
            v31(0x42, b"\0\x01c\0\x01p"),
        ),
        bad(
            "user name flag, but no user name",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v311(0x82, b"\0\x01c"),
        ),
        bad(
            "password flag, but no password",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v5(0xc2, b"\0\x01c\0\x01u"),
        ),
        bad(
            "user name, but no flag",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v311(0x02, b"\0\x01c\0\x01u"),
        ),
        otherwise(
            "user name announced and missing, 3.1",
            None,
            "3.1 section 3.1",
            v31(0x82, b"\0\x01c"),
        ),
        otherwise(
            "both announced and missing, 3.1",
            None,
            "3.1 section 3.1",
            v31(0xc2, b"\0\x01c"),
        ),
        otherwise(
            "password announced and missing, 3.1",
            None,
            "3.1 section 3.1",
            v31(0xc2, b"\0\x01c\0\x01u"),
        ),
        bad(
            "user name cut short, 3.1",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v31(0x82, b"\0\x01c\0\x05u"),
        ),
    ]
}

fn payloads() -> Vec<Row> {
    let long = [b"\0\x40".as_slice(), &[b'x'; 64]].concat();
    let longest = [b"\xff\xff".as_slice(), &[b'x'; 65_535]].concat();
    vec![
        valid("client id empty", None, "MQTT-3.1.3-6", v311(0x02, b"\0\0")),
        valid(
            "client id empty, kept session",
            None,
            "MQTT-3.1.3-8 of 3.1.1",
            v311(0x00, b"\0\0"),
        ),
        valid("client id empty, 5.0", None, "MQTT-3.1.3-6", v5(0x00, b"\0\0")),
        valid(
            "client id of 64 bytes, 3.1",
            None,
            "MQTT-3.1.3-5",
            v31(0x02, &long),
        ),
        valid(
            "client id of 65,535 bytes",
            None,
            "MQTT-1.5.4",
            v5(0x02, &longest),
        ),
        valid(
            "client id beyond ASCII",
            None,
            "MQTT-3.1.3-4",
            v311(0x02, "\0\x06dé日".as_bytes()),
        ),
        valid(
            "client id begins with U+FEFF",
            None,
            "MQTT-1.5.4-3",
            v311(0x02, b"\0\x04\xef\xbb\xbfc"),
        ),
        bad("no client id", None, "MQTT-2.1.4", MALFORMED, v311(0x02, b"")),
        bad(
            "client id cut short",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v311(0x02, b"\0\x05c"),
        ),
        bad(
            "client id is not UTF-8",
            None,
            "MQTT-1.5.4-1",
            MALFORMED,
            v311(0x02, b"\0\x01\xff"),
        ),
        bad(
            "client id with a surrogate",
            None,
            "MQTT-1.5.4-1",
            MALFORMED,
            v5(0x02, b"\0\x03\xed\xa0\x80"),
        ),
        bad(
            "client id with U+0000",
            None,
            "MQTT-1.5.4-2",
            MALFORMED,
            v311(0x02, b"\0\x02c\0"),
        ),
        bad(
            "client id with a long zero",
            None,
            "MQTT-1.5.4-1",
            MALFORMED,
            v311(0x02, b"\0\x02\xc0\x80"),
        ),
        bad(
            "bytes after the payload",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v311(0x02, b"\0\x01c!"),
        ),
        bad(
            "bytes after the payload, 5.0",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v5(0x02, b"\0\x01c\0\0"),
        ),
        bad(
            "bytes after the payload, 3.1",
            None,
            "MQTT-2.1.4",
            MALFORMED,
            v31(0x02, b"\0\x01c\0"),
        ),
        valid(
            "will with an empty payload",
            None,
            "MQTT-3.1.3-11",
            v311(0x06, b"\0\x01c\0\x01w\0\0"),
        ),
        valid(
            "will payload of any bytes",
            None,
            "MQTT-3.1.3.4",
            v311(0x06, b"\0\x01c\0\x01w\0\x03\0\xff\xfe"),
        ),
        bad(
            "will topic empty",
            None,
            "MQTT-4.7.3-1",
            PROTOCOL,
            v311(0x06, b"\0\x01c\0\0\0\0"),
        ),
        bad(
            "will topic with a wildcard",
            None,
            "MQTT-3.3.2-2",
            0x90,
            v311(0x06, b"\0\x01c\0\x03w/+\0\0"),
        ),
        bad(
            "will topic with a wildcard, 5.0",
            None,
            "MQTT-3.3.2-2",
            0x90,
            v5(0x06, b"\0\x01c\0\0\x01#\0\0"),
        ),
        bad(
            "will topic of 129 levels",
            None,
            "MQTT-4.7.3",
            0x90,
            v311(
                0x06,
                &[b"\0\x01c\0\x80".as_slice(), &[b'/'; 128], b"\0\0"].concat(),
            ),
        ),
        bad(
            "will topic with U+0000",
            None,
            "MQTT-1.5.4-2",
            MALFORMED,
            v311(0x06, b"\0\x01c\0\x02w\0\0\0"),
        ),
        bad(
            "will topic is not UTF-8",
            None,
            "MQTT-1.5.4-1",
            MALFORMED,
            v311(0x06, b"\0\x01c\0\x01\xfe\0\0"),
        ),
        valid(
            "user name empty",
            None,
            "MQTT-3.1.3-12",
            v311(0x82, b"\0\x01c\0\0"),
        ),
        bad(
            "user name is not UTF-8",
            None,
            "MQTT-1.5.4-1",
            MALFORMED,
            v311(0x82, b"\0\x01c\0\x01\x80"),
        ),
        bad(
            "user name with U+0000",
            None,
            "MQTT-1.5.4-2",
            MALFORMED,
            v5(0x82, b"\0\x01c\0\x01\0"),
        ),
        valid(
            "password of any bytes",
            None,
            "MQTT-3.1.3.6",
            v311(0xc2, b"\0\x01c\0\x01u\0\x03\0\xff\x80"),
        ),
        valid(
            "password empty",
            None,
            "MQTT-3.1.3.6",
            v311(0xc2, b"\0\x01c\0\x01u\0\0"),
        ),
        valid(
            "everything",
            None,
            "MQTT-3.1.3-1",
            v5(0xf6, b"\0\x01c\0\0\x01w\0\x02hi\0\x01u\0\x01p"),
        ),
    ]
}
