//! Any bytes as packets from a client, and as packets from a server.
//!
//! The first byte chooses the version; the rest is read packet after packet.

#![no_main]

#[path = "../../crates/codec/tests/it/again.rs"]
mod again;

use libfuzzer_sys::fuzz_target;
use restante_codec::packet::{Packet, Version};
use restante_codec::{DecodeLimits, Decoded, MessageProperties, client, decode, frame_len};

const LIMITS: DecodeLimits = DecodeLimits { packet_size_max: 100_000 };

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let version = match choice % 4 {
        0 => None,
        1 => Some(Version::V31),
        2 => Some(Version::V311),
        _ => Some(Version::V5),
    };
    from_a_client(bytes, version);
    from_a_server(bytes, version.unwrap_or(Version::V5));
});

fn from_a_client(mut bytes: &[u8], mut version: Option<Version>) {
    loop {
        match decode(bytes, version, &LIMITS) {
            Ok(Decoded::Packet { packet, consumed }) => {
                assert_eq!(frame_len(bytes).unwrap(), Some(consumed));
                let part = decode(&bytes[..consumed - 1], version, &LIMITS);
                assert!(matches!(part, Ok(Decoded::NeedMore { .. })), "a part is refused: {part:?}");
                if let Packet::Connect(connect) = &packet {
                    reads_back(&packet, connect.version, None);
                    version = Some(connect.version);
                } else {
                    reads_back(&packet, version.unwrap(), version);
                }
                bytes = &bytes[consumed..];
            }
            Ok(Decoded::NeedMore { at_least }) => {
                assert!(at_least > bytes.len());
                assert!(at_least <= LIMITS.packet_size_max as usize);
                return;
            }
            Err(error) => {
                assert!(error.reason_code() >= 0x81);
                assert!(!error.to_string().is_empty());
                return;
            }
        }
    }
}

/// What was taken is written again and taken again, as the same packet.
fn reads_back(packet: &Packet<'_>, version: Version, state: Option<Version>) {
    let written = again::write(packet, version);
    let Ok(Decoded::Packet { packet: read, consumed }) = decode(&written, state, &LIMITS) else {
        panic!("written and not taken: {packet:?}");
    };
    assert_eq!(consumed, written.len());
    match (packet, &read) {
        (Packet::Publish(packet), Packet::Publish(read)) => {
            // The properties may stand in another order; what they say is the same.
            assert_eq!(MessageProperties::read(packet.properties), MessageProperties::read(read.properties));
            assert_eq!((packet.topic, packet.payload), (read.topic, read.payload));
            assert_eq!((packet.topic_alias, packet.message_expiry), (read.topic_alias, read.message_expiry));
        }
        _ => assert_eq!(packet, &read),
    }
}

fn from_a_server(mut bytes: &[u8], version: Version) {
    while let Ok(Decoded::Packet { consumed, .. }) = client::decode(bytes, version, LIMITS.packet_size_max) {
        bytes = &bytes[consumed..];
    }
}
