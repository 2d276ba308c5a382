//! The same bytes through another codec (rmqtt-codec): where both take them, both see the same fields; where they
//! differ, it is in one of the lists below, with the reason.

mod theirs;

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use restante_codec::packet::{Packet, Version};
use restante_codec::table::{LIMITS, rows};
use restante_codec::{Decoded, decode};

/// Rows that are valid and that they refuse.
const ONLY_OURS: &[&str] = &[
    // 3.1 allows DUP there, and lets announced names and passwords be missing.
    "PUBREL sent again, 3.1",
    "SUBSCRIBE sent again, 3.1",
    "UNSUBSCRIBE sent again, 3.1",
    "both announced and missing, 3.1",
    "password announced and missing, 3.1",
    "user name announced and missing, 3.1",
    // The high bit of the level.
    "bridge, 3.1",
    "bridge, 3.1.1",
    // For us it is the session that answers (5.0: a client id is assigned; 3.1.1: identifier rejected).
    "client id empty, 5.0",
    "client id empty, kept session",
    // For us it is answered in SUBACK.
    "filter empty",
    // 0 is a valid expiry interval.
    "message expiry 0",
    "will expires at once",
];

/// Rows that they take wrongly (or leave to the floor above).
const ONLY_THEIRS: &[&str] = &[
    // Only a server sends these, or says this.
    "CONNACK from a client",
    "CONNACK from a client, 3.1.1",
    "SUBACK from a client",
    "SUBACK from a client, 3.1.1",
    "UNSUBACK from a client",
    "UNSUBACK from a client, 3.1",
    "PINGRESP from a client",
    "PINGRESP from a client, 3.1.1",
    "AUTH empty is success, from a client",
    "AUTH success from a client",
    "DISCONNECT not authorized from a client",
    "DISCONNECT server busy from a client",
    "DISCONNECT taken over from a client",
    "DISCONNECT with a server reference",
    "PUBACK 0x10 from a client",
    "PUBREC 0x10 from a client",
    "subscription identifier from a client",
    // CONNECT comes once.
    "second CONNECT",
    "second CONNECT, 3.1.1",
    // Name and level do not belong together.
    "level 3 of MQTT",
    "level 4 of MQIsdp",
    // Bodies where none belong, and bytes behind the last field.
    "PINGREQ with a body",
    "PINGREQ with a body, 3.1.1",
    "DISCONNECT with a body, 3.1",
    "DISCONNECT with a body, 3.1.1",
    "bytes after the payload",
    "bytes after the payload, 3.1",
    "bytes after the payload, 5.0",
    "user name, but no flag",
    "will, but no will flag",
    // Integers longer than needed.
    "zero in two bytes",
    "five in two bytes, 3.1.1",
    "PUBLISH property length overlong",
    "property length in two bytes",
    "subscription identifier overlong",
    // Bits that must not be set, or not together.
    "DUP with QoS 0",
    "DUP with QoS 0, 5.0",
    "QoS 3 without a will",
    "will QoS without a will, 5.0",
    "password only",
    "password only, 3.1",
    "SUBSCRIBE high bit",
    "SUBSCRIBE reserved bit",
    "shared subscription with no-local",
    // U+0000.
    "UNSUBSCRIBE filter with U+0000",
    "client id with U+0000",
    "content type with U+0000",
    "filter with U+0000",
    "response topic with U+0000",
    "topic with U+0000",
    "topic with U+0000, 5.0",
    "user name with U+0000",
    "user property value with U+0000",
    "will topic with U+0000",
    // Topic names.
    "topic with #",
    "topic of 129 levels",
    "will topic of 129 levels",
    "topic with # far back",
    "topic with # in a level",
    "topic with +",
    "topic with +, 3.1",
    "topic empty without alias",
    "neither topic nor alias, but properties",
    "response topic empty",
    "response topic with #",
    "response topic with +",
    "will response topic with a wildcard",
    "will topic empty",
    "will topic with a wildcard",
    "will topic with a wildcard, 5.0",
    // Properties that must be there.
    "AUTH with data only",
    "AUTH without a method",
    "AUTH without property length",
    "authentication data without method",
];

fn ours(bytes: &[u8], version: Option<Version>) -> Option<Packet<'_>> {
    match decode(bytes, version, &LIMITS) {
        Ok(Decoded::Packet { packet, .. }) => Some(packet),
        _ => None,
    }
}

#[test]
fn the_table_is_read_alike() {
    let mut only_ours = BTreeSet::new();
    let mut only_theirs = BTreeSet::new();
    for row in rows() {
        match (
            ours(&row.bytes, row.version),
            theirs::read(&row.bytes, row.version),
        ) {
            (Some(ours), Some(theirs)) => theirs.assert_same(&ours, row.name),
            (Some(_), None) => {
                only_ours.insert(row.name);
            }
            (None, Some(_)) => {
                only_theirs.insert(row.name);
            }
            (None, None) => {}
        }
    }
    assert_eq!(only_ours, BTreeSet::from_iter(ONLY_OURS.iter().copied()));
    assert_eq!(only_theirs, BTreeSet::from_iter(ONLY_THEIRS.iter().copied()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn changed_rows_are_read_alike(row in any::<Index>(), changes in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let rows = rows();
        let row = &rows[row.index(rows.len())];
        let mut bytes = row.bytes.clone();
        if !bytes.is_empty() {
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        if let (Some(ours), Some(theirs)) = (ours(&bytes, row.version), theirs::read(&bytes, row.version)) {
            theirs.assert_same(&ours, &format!("{} as {bytes:x?}", row.name));
        }
    }
}
