//! Standard base64 of the 16 bytes: the EMQ X 4 MongoDB back end.

use restante_model::MessageId;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Digits before the padding: 128 bits and four that are zero.
const DIGITS: usize = 22;

/// 22 digits and `==`.
pub fn encode(id: MessageId) -> String {
    let mut text = String::with_capacity(DIGITS + 2);
    for at in 0..DIGITS - 1 {
        text.push(digit((id.0 >> (122 - 6 * at)) as usize));
    }
    text.push(digit((id.0 << 4) as usize));
    text.push_str("==");
    text
}

/// 22 digits and `==`, the four bits that are left over zero. `None` when it is anything else.
pub fn decode(text: &str) -> Option<MessageId> {
    let digits = text.strip_suffix("==").filter(|digits| digits.len() == DIGITS)?;
    let mut number = 0u128;
    for (at, byte) in digits.bytes().enumerate() {
        let value = ALPHABET.iter().position(|&known| known == byte)? as u128;
        if at < DIGITS - 1 {
            number = number << 6 | value;
        } else if value & 0b1111 == 0 {
            number = number << 2 | value >> 4;
        } else {
            return None;
        }
    }
    Some(MessageId(number))
}

fn digit(value: usize) -> char {
    ALPHABET[value & 63] as char
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn c06_base64_there_and_back(number: u128) {
            let id = MessageId(number);
            prop_assert_eq!(decode(&encode(id)), Some(id));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "==",
            "AAVEwm0la4RufgAABeIAAQ",
            "AAVEwm0la4RufgAABeIAAR==",
            "AAVEwm0la4RufgAABeI-AQ==",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
