//! The table of packets against the decoder.

use std::collections::{BTreeMap, BTreeSet};

use restante_codec::packet::{Packet, Version};
use restante_codec::table::{Expect, LIMITS, Row, rows};
use restante_codec::{Decoded, decode};

use crate::again;

fn version_behind(row: &Row, packet: &Packet<'_>) -> Version {
    match packet {
        Packet::Connect(connect) => connect.version,
        _ => row.version.unwrap(),
    }
}

#[test]
fn every_row_is_treated_as_it_says() {
    for row in rows() {
        let decoded = decode(&row.bytes, row.version, &LIMITS);
        match (row.expect, decoded) {
            (Expect::Valid, Ok(Decoded::Packet { packet, consumed })) => {
                assert_eq!(consumed, row.bytes.len(), "{}", row.name);
                assert_eq!(
                    again::write(&packet, version_behind(&row, &packet)),
                    row.bytes,
                    "{}",
                    row.name
                );
            }
            (Expect::ValidOtherwise, Ok(Decoded::Packet { packet, consumed })) => {
                assert_eq!(consumed, row.bytes.len(), "{}", row.name);
                let bytes = again::write(&packet, version_behind(&row, &packet));
                assert_ne!(bytes, row.bytes, "{}: is plainly valid", row.name);
                let read_again = decode(&bytes, row.version, &LIMITS);
                let Ok(Decoded::Packet {
                    packet: read_again, ..
                }) = read_again
                else {
                    panic!("{}: not read again: {read_again:?}", row.name);
                };
                assert_eq!(
                    again::write(&read_again, version_behind(&row, &packet)),
                    bytes,
                    "{}",
                    row.name
                );
            }
            (Expect::Refused(code), Err(error)) => {
                assert_eq!(error.reason_code(), code, "{}: {error}", row.name);
                assert_eq!(error.statement(), row.statement, "{}: {error}", row.name);
            }
            (Expect::NeedMore(expected), Ok(Decoded::NeedMore { at_least })) => {
                assert_eq!(at_least, expected, "{}", row.name);
            }
            (expected, found) => panic!("{}: expected {expected:?}, found {found:?}", row.name),
        }
    }
}

#[test]
fn what_follows_a_packet_is_left_alone() {
    for row in rows() {
        let mut longer = row.bytes.clone();
        longer.extend_from_slice(b"\xc0\x00rest");
        if matches!(row.expect, Expect::Valid | Expect::ValidOtherwise) {
            assert_eq!(
                decode(&longer, row.version, &LIMITS),
                decode(&row.bytes, row.version, &LIMITS)
            );
        }
    }
}

/// However the bytes arrive, the answer is the same: a part is never another packet, and never refused when the
/// whole is not.
#[test]
fn parts_wait_or_are_refused_as_the_whole() {
    for row in rows() {
        let fault = decode(&row.bytes, row.version, &LIMITS)
            .map(|_| ())
            .map_err(|error| error.fault());
        // The long rows are long in one field; the places that differ are at the two ends.
        let ends = (0..row.bytes.len().min(600)).chain(row.bytes.len().saturating_sub(4)..row.bytes.len());
        for end in ends {
            match decode(&row.bytes[..end], row.version, &LIMITS) {
                Ok(Decoded::NeedMore { at_least }) => assert!(at_least > end, "{}: {end}", row.name),
                Ok(Decoded::Packet { .. }) => panic!("{}: a packet in the first {end} bytes", row.name),
                // Only the version to answer in may be known later than the fault.
                Err(error) => assert_eq!(Err(error.fault()), fault, "{}: {end}", row.name),
            }
        }
    }
}

#[test]
fn names_differ_and_statements_have_a_form() {
    let mut names = BTreeSet::new();
    for row in rows() {
        assert!(names.insert(row.name), "two rows are called {}", row.name);
        assert!(
            row.statement.starts_with("MQTT-") || row.statement.starts_with("3.1 section"),
            "{}",
            row.name
        );
    }
    assert!(names.len() >= 300, "{} rows", names.len());
}

/// A fault that no row shows is a rule that nobody has tried.
#[test]
fn every_fault_a_client_can_make_is_in_the_table() {
    let mut seen = BTreeMap::new();
    for row in rows() {
        if let Err(error) = decode(&row.bytes, row.version, &LIMITS) {
            let fault = format!("{:?}", error.fault());
            let name = fault.split(['(', ' ']).next().unwrap().to_owned();
            *seen.entry(name).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), 41, "{seen:#?}");
}

#[test]
fn errors_say_packet_fault_and_statement() {
    let text = |version, bytes: &[u8]| decode(bytes, version, &LIMITS).unwrap_err().to_string();
    assert_eq!(
        text(Some(Version::V311), b"\x32\x05\0\x01a\0\0"),
        "PUBLISH refused: the packet identifier is 0 [MQTT-2.2.1-3]"
    );
    assert_eq!(
        text(Some(Version::V5), b"\x30\x07\0\x01a\x03\x23\0\0"),
        "PUBLISH refused: the topic alias is 0 [MQTT-3.3.2-8]"
    );
    assert_eq!(
        text(Some(Version::V5), b"\x40\x06\0\x01\0\x02\x24\x01"),
        "PUBACK refused: the packet does not carry the property maximum QoS (0x24) [MQTT-2.2.2.2]"
    );
    assert_eq!(
        text(None, b"\x10\xff\xff\x7f"),
        "CONNECT refused: the packet is larger than allowed size=2097155 size_max=100000 [MQTT-3.2.2-15]"
    );
    assert_eq!(
        text(None, b"\x10\x0d\0\x04MQTT\x06\x02\0\0\0\x01c"),
        "CONNECT refused: the protocol level is not supported: level 6 [MQTT-3.1.2-2]"
    );
}

/// A refused CONNECT is answered in the words of the version it asked for.
#[test]
fn refused_connects_say_how_to_answer() {
    let version = |name: &str| {
        let row = rows().into_iter().find(|row| row.name == name).unwrap();
        decode(&row.bytes, row.version, &LIMITS).unwrap_err().version()
    };
    assert_eq!(version("level 6"), Some(Version::V5));
    assert_eq!(version("bridge, 5.0"), Some(Version::V5));
    assert_eq!(version("level 3 of MQTT"), Some(Version::V311));
    assert_eq!(version("level 4 of MQIsdp"), Some(Version::V31));
    assert_eq!(version("protocol name in lower case"), Some(Version::V311));
    assert_eq!(version("protocol name too long"), Some(Version::V5));
    assert_eq!(version("no level"), None);
    assert_eq!(version("large CONNECT announced"), None);
    assert_eq!(version("large CONNECT begins"), Some(Version::V5));
    assert_eq!(version("HTTP instead of CONNECT"), None);
    assert_eq!(version("receive maximum 0"), Some(Version::V5));
    assert_eq!(version("will at QoS 3"), Some(Version::V311));
    assert_eq!(version("reserved connect flag, 3.1"), Some(Version::V31));
    assert_eq!(version("topic with #"), Some(Version::V5));
}
