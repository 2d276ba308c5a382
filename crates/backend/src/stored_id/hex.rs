//! Upper-case hexadecimal: the plugin's SQL tables and the rule engine (32 digits), the EMQ X 4 SQL back ends (leading
//! zeros left out).

use restante_model::MessageId;

/// Most digits of a number of 128 bits.
const DIGITS: usize = 32;

/// 32 upper-case digits, which sort like time.
pub fn encode(id: MessageId) -> String {
    id.to_string()
}

/// Up to 32 upper-case digits. `None` when it is anything else.
pub fn decode(text: &str) -> Option<MessageId> {
    let digits = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    let fits = (1..=DIGITS).contains(&text.len()) && text.bytes().all(digits);
    let number = fits.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(MessageId(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn c06_hexadecimal_there_and_back(number: u128) {
            let id = MessageId(number);
            prop_assert_eq!(decode(&encode(id)), Some(id));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "0a", "+A", "G", "000000000000000000000000000000000"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
