//! Bytes that are no packets, or were once: nothing panics, nothing half is taken for something whole.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use restante_codec::packet::Version;
use restante_codec::table::{LIMITS, rows};
use restante_codec::{Decoded, client, decode, frame_len};

use crate::again;

const VERSIONS: [Option<Version>; 4] = [None, Some(Version::V31), Some(Version::V311), Some(Version::V5)];

/// What holds for any bytes at all.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    for version in VERSIONS {
        match decode(bytes, version, &LIMITS) {
            Ok(Decoded::Packet { packet, consumed }) => {
                prop_assert_eq!(frame_len(bytes).unwrap(), Some(consumed));
                let version = match &packet {
                    restante_codec::packet::Packet::Connect(connect) => connect.version,
                    _ => version.unwrap(),
                };
                let written = again::write(&packet, version);
                prop_assert!(
                    written.len() <= consumed,
                    "the short form is longer: {:x?}",
                    written
                );
                for end in 0..consumed {
                    let part = decode(&bytes[..end], Some(version), &LIMITS);
                    prop_assert!(
                        !matches!(part, Ok(Decoded::Packet { .. })),
                        "a packet in {} bytes",
                        end
                    );
                }
            }
            Ok(Decoded::NeedMore { at_least }) => prop_assert!(at_least > bytes.len()),
            Err(error) => prop_assert!(error.reason_code() >= 0x81 && !error.to_string().is_empty()),
        }
    }
    for version in [Version::V31, Version::V311, Version::V5] {
        if let Ok(Decoded::NeedMore { at_least }) = client::decode(bytes, version, LIMITS.packet_size_max) {
            prop_assert!(at_least > bytes.len());
        }
    }
    Ok(())
}

fn short_rows() -> Vec<Vec<u8>> {
    rows()
        .into_iter()
        .map(|row| row.bytes)
        .filter(|bytes| (1..600).contains(&bytes.len()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..80)) {
        check(&bytes)?;
    }

    #[test]
    fn any_body_of_right_length(first in any::<u8>(), body in vec(any::<u8>(), 0..120)) {
        let mut bytes = vec![first, body.len() as u8];
        bytes.extend_from_slice(&body);
        check(&bytes)?;
    }

    #[test]
    fn rows_with_bytes_changed(row in any::<Index>(), changes in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let rows = short_rows();
        let mut bytes = rows[row.index(rows.len())].clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check(&bytes)?;
    }

    #[test]
    fn rows_with_bytes_cut_or_doubled(row in any::<Index>(), place in any::<Index>(), count in 1..5_usize, cut in any::<bool>()) {
        let rows = short_rows();
        let mut bytes = rows[row.index(rows.len())].clone();
        let from = place.index(bytes.len());
        let to = (from + count).min(bytes.len());
        if cut {
            bytes.drain(from..to);
        } else {
            bytes.extend_from_within(from..to);
        }
        // The length is put right, so that the damage is inside.
        if bytes.len() > 2 && bytes.len() < 129 {
            bytes[1] = bytes.len() as u8 - 2;
        }
        check(&bytes)?;
    }
}
