//! Positional base62, digits `0-9A-Za-z`: the EMQ X 4 Cassandra samples, and what we write to Redis.
//!
//! Of equal length these texts sort like time, so ours are padded with zeros to 22 digits.

use restante_model::MessageId;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits of the greatest number of 128 bits.
pub const DIGITS: usize = 22;

/// 22 digits, which sort like time.
pub fn encode(id: MessageId) -> String {
    let mut digits = [b'0'; DIGITS];
    let mut rest = id.0;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|&digit| digit as char).collect()
}

/// Up to 22 digits. `None` when it is anything else, or more than 128 bits.
pub fn decode(text: &str) -> Option<MessageId> {
    if text.is_empty() || text.len() > DIGITS {
        return None;
    }
    let mut number = 0u128;
    for byte in text.bytes() {
        number = number.checked_mul(62)?.checked_add(value(byte)?)?;
    }
    Some(MessageId(number))
}

fn value(digit: u8) -> Option<u128> {
    let value = match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'Z' => digit - b'A' + 10,
        b'a'..=b'z' => digit - b'a' + 36,
        _ => return None,
    };
    Some(u128::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn c06_positional_base62_there_and_back(number: u128) {
            let id = MessageId(number);
            prop_assert_eq!(decode(&encode(id)), Some(id));
        }

        #[test]
        fn c06_what_we_write_sorts_like_time(one: u128, two: u128) {
            let (one, two) = (MessageId(one), MessageId(two));
            prop_assert_eq!(encode(one).cmp(&encode(two)), one.cmp(&two));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "+", "zzzzzzzzzzzzzzzzzzzzzz", "00000000000000000000000"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
