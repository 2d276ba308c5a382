//! Payloads in text columns: a text stands as it is, and what is no text is refused or written in a form that can be
//! told from one.
//!
//! A payload that begins like an encoded one is encoded too, so that what is read is always what was written.

use bytes::Bytes;

use crate::config::PayloadEncoding;

const BASE64: &str = "data:;base64,";
const HEX: &str = "\\x";
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How a payload stands in a text column; why it cannot.
pub(crate) fn encode(payload: &[u8], encoding: PayloadEncoding) -> Result<String, String> {
    let text = std::str::from_utf8(payload)
        .ok()
        .filter(|text| !text.contains('\0'));
    let looks_encoded = |text: &str| text.starts_with(BASE64) || text.starts_with(HEX);
    match (text, encoding) {
        (Some(text), PayloadEncoding::Reject) => Ok(text.to_owned()),
        (Some(text), _) if !looks_encoded(text) => Ok(text.to_owned()),
        (None, PayloadEncoding::Reject) => {
            let why = "the payload is no text and its column takes nothing else; make the column bytea, or set \
                       payload_encoding";
            Err(why.to_owned())
        }
        (_, PayloadEncoding::Base64) => Ok(format!("{BASE64}{}", base64(payload))),
        (_, PayloadEncoding::Hex) => {
            let digits = payload.iter().map(|byte| format!("{byte:02x}"));
            Ok(format!("{HEX}{}", digits.collect::<String>()))
        }
    }
}

/// A payload as it was, from a text column: encoded ones are told by how they begin, and by being whole.
pub(crate) fn decode(stored: Bytes, encoding: PayloadEncoding) -> Bytes {
    if encoding == PayloadEncoding::Reject {
        return stored;
    }
    let decoded = match std::str::from_utf8(&stored) {
        Ok(text) => match text.strip_prefix(BASE64) {
            Some(base64) => from_base64(base64),
            None => text.strip_prefix(HEX).and_then(from_hex),
        },
        Err(_) => None,
    };
    decoded.map_or(stored, Bytes::from)
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let group = three
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in digits.chunks(4) {
        let mut group = 0_u32;
        for digit in four {
            group = group << 6 | DIGITS.iter().position(|known| known == digit)? as u32;
        }
        group <<= 6 * (4 - four.len());
        let all = group.to_be_bytes();
        bytes.extend_from_slice(&all[1..four.len()]);
    }
    Some(bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| Some((digit(pair[0])? << 4 | digit(*pair.get(1)?)?) as u8))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let payloads: [&[u8]; 9] = [
            b"",
            b"text",
            b"\x00",
            b"\xFF\xFE",
            b"a\x00b",
            b"\\x41",
            b"data:;base64,QQ==",
            "tränen".as_bytes(),
            b"\x80\x81\x82\x83",
        ];
        for payload in payloads {
            for encoding in [PayloadEncoding::Base64, PayloadEncoding::Hex] {
                let stored = encode(payload, encoding).unwrap();
                assert!(!stored.contains('\0'));
                assert_eq!(decode(Bytes::from(stored), encoding), payload, "{encoding:?}");
            }
        }
        assert_eq!(
            encode(b"\x00\xFF\x10", PayloadEncoding::Hex).unwrap(),
            "\\x00ff10"
        );
        assert_eq!(
            encode(b"\xFFA", PayloadEncoding::Base64).unwrap(),
            "data:;base64,/0E="
        );
        assert!(
            encode(b"\x00", PayloadEncoding::Reject)
                .unwrap_err()
                .contains("bytea")
        );
        assert_eq!(encode(b"\\x41", PayloadEncoding::Reject).unwrap(), "\\x41");
        assert_eq!(decode(Bytes::from_static(b"\\x4"), PayloadEncoding::Hex), "\\x4");
    }
}
