//! "chunk62": the decimal digits of the number as bytes, cut into groups of six bits. What the EMQ X 4 Redis, Cassandra
//! and DynamoDB back ends and the plugin write to Redis.
//!
//! Groups 0 to 60 are `A-Za-z0-8`, the others `9A`, `9B` and `9C`; a last group of two or four bits is a plain number.
//! These texts do not sort like time: in every third decimal digit 4 to 9 come before 0 to 3. They are only read.

use restante_model::MessageId;

const ALPHABET: &[u8; 61] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678";

/// As those systems write it.
pub fn encode(id: MessageId) -> String {
    let decimal = id.0.to_string();
    let mut text = String::new();
    let mut push = |group: u8| match ALPHABET.get(usize::from(group)) {
        Some(&digit) => text.push(digit as char),
        None => {
            text.push('9');
            text.push((b'A' + group - 61) as char);
        }
    };
    for bytes in decimal.as_bytes().chunks(3) {
        match *bytes {
            [a, b, c] => {
                push(a >> 2);
                push((a & 3) << 4 | b >> 4);
                push((b & 15) << 2 | c >> 6);
                push(c & 63);
            }
            [a, b] => {
                push(a >> 2);
                push((a & 3) << 4 | b >> 4);
                push(b & 15);
            }
            [a] => {
                push(a >> 2);
                push(a & 3);
            }
            _ => {}
        }
    }
    text
}

/// `None` when it is no such text, or not one that [`encode`] would write.
pub fn decode(text: &str) -> Option<MessageId> {
    let groups = groups(text)?;
    let mut decimal = String::new();
    for four in groups.chunks(4) {
        let bytes: &[u8] = match *four {
            [a, b, c, d] => &[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d],
            // The last group holds what was left: four bits, or two.
            [a, b, c] if c < 16 => &[a << 2 | b >> 4, b << 4 | c],
            [a, b] if b < 4 => &[a << 2 | b],
            _ => return None,
        };
        for &byte in bytes {
            decimal.push(byte.is_ascii_digit().then_some(byte as char)?);
        }
    }
    let id = MessageId(decimal.parse().ok()?);
    // A number that was written with zeros before it is another text.
    (encode(id) == text).then_some(id)
}

fn groups(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut groups = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        groups.push(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'8' => byte - b'0' + 52,
            b'9' => match bytes.next()? {
                second @ b'A'..=b'C' => second - b'A' + 61,
                _ => return None,
            },
            _ => return None,
        });
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn c06_chunk62_there_and_back(number: u128) {
            let id = MessageId(number);
            prop_assert_eq!(decode(&encode(id)), Some(id));
        }

        #[test]
        fn c06_what_decodes_is_what_was_encoded(text in "[A-Za-z0-9]{44,50}") {
            if let Some(id) = decode(&text) {
                prop_assert_eq!(encode(id), text);
            }
        }
    }

    #[test]
    fn c06_does_not_sort_like_time() {
        let earlier = MessageId::new(1_780_000_000_010_000, 0x1234_5678_9ABC, 0);
        let later = MessageId::new(1_780_000_000_011_000, 0x1234_5678_9ABC, 0);
        assert_eq!(encode(earlier), "MzI4MzUyMDQ0NTEzODc0NzA2Mjg5ODU1NjI5Nzk4OTMyNDI");
        assert_eq!(encode(later), "MzI4MzUyMDQ0NTE0MDU5MTczNzMwNTkyNzI1MzE1MDkyNDI");
        assert!(encode(later) < encode(earlier));
        assert!(decode(&encode(later)) > decode(&encode(earlier)));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "9", "9D", "A", "MDE", "AAAA"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
