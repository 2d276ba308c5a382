//! Message ids as texts in databases: ours, and those that other systems wrote in any of four forms (BEHAVIOUR 2.4).
//!
//! | module | form | length |
//! |---|---|---|
//! | [`hex`] | upper-case hexadecimal, padded or not | 28 to 32 |
//! | [`base64`] | standard base64 of the 16 bytes | 24, with `==` |
//! | [`base62`] | positional, digits `0-9A-Za-z` | 20 to 22 |
//! | [`chunk62`] | the decimal digits as bytes, six bits at a time | 44 to 57 |

pub mod base62;
pub mod base64;
pub mod chunk62;
pub mod hex;

use std::fmt;

use restante_model::{MessageId, UnixMicros};

/// The id a message is stored under: the text as it stands there, and the number it means, if it means one.
///
/// Two texts that mean the same number are the same id. A text that means none, or an absurd time (C6), is opaque: it
/// is equal to itself only, and has no place in time.
#[derive(Clone)]
pub struct StoredId {
    text: Box<str>,
    number: Option<MessageId>,
}

impl StoredId {
    /// One of ours.
    pub fn ours(id: MessageId, text: impl Into<Box<str>>) -> StoredId {
        StoredId {
            text: text.into(),
            number: Some(id),
        }
    }

    /// One that was read. Recognised by its length and alphabet; the lengths of the four forms do not meet.
    pub fn parse(text: &str) -> StoredId {
        let number = match text.len() {
            20..=22 => base62::decode(text),
            24 => base64::decode(text),
            28..=32 => hex::decode(text),
            44..=57 => chunk62::decode(text),
            _ => None,
        };
        StoredId {
            text: text.into(),
            number: number.filter(|id| is_plausible(*id)),
        }
    }

    /// As it stands in the database.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number it means.
    pub fn number(&self) -> Option<MessageId> {
        self.number
    }

    /// The time it means, if it means one.
    pub fn time(&self) -> Option<UnixMicros> {
        self.number.map(|id| UnixMicros(id.micros()))
    }
}

impl PartialEq for StoredId {
    fn eq(&self, other: &StoredId) -> bool {
        match (self.number, other.number) {
            (Some(one), Some(two)) => one == two,
            (None, None) => self.text == other.text,
            _ => false,
        }
    }
}

impl Eq for StoredId {}

impl std::hash::Hash for StoredId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self.number {
            Some(number) => number.hash(state),
            None => self.text.hash(state),
        }
    }
}

impl fmt::Debug for StoredId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Earliest time of a message that can be believed, in microseconds: 2010.
const EARLIEST: u64 = 1_262_304_000_000_000;
/// The latest: 2090.
const LATEST: u64 = 3_786_912_000_000_000;

fn is_plausible(id: MessageId) -> bool {
    (EARLIEST..LATEST).contains(&id.micros())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c06_the_documented_samples_mean_their_times() {
        let samples = [
            // MySQL, PostgreSQL: hexadecimal without its leading zeros.
            (
                "53F98F80F66017005000004A60003",
                0x0005_3F98_F80F_6601_7005_0000_04A6_0003,
                1_477_301_112_890_881,
            ),
            // MongoDB.
            (
                "AAVEwm0la4RufgAABeIAAQ==",
                0x0005_44C2_6D25_6B84_6E7E_0000_05E2_0001,
                1_482_976_729_066_372,
            ),
            // Cassandra.
            (
                "2PguFrHsrzEvIIBdctmb",
                0x0005_4879_E3CE_EBBA_F440_0000_058E_0001,
                1_487_063_233_784_762,
            ),
            // DynamoDB, both.
            (
                "Mjg4MTk1MDYwNTk0NjYwNzYzMTg4MDk3OTQ2MDU2Nzg1OTD",
                0x0005_8CE9_4E63_BEAD_F443_0000_0A53_0001,
                1_562_308_553_981_613,
            ),
            (
                "Mjg4MTk1NzE3MTY4MjYxMjA5MDExMDg0NTk5ODgzMjAyNTH",
                0x0005_8CEA_228A_3D79_F440_0000_08D4_0001,
                1_562_312_113_274_233,
            ),
        ];
        for (text, number, micros) in samples {
            let id = StoredId::parse(text);
            assert_eq!(id.number(), Some(MessageId(number)), "{text}");
            assert_eq!(id.time(), Some(UnixMicros(micros)), "{text}");
            assert_eq!(id.text(), text);
        }
    }

    #[test]
    fn c06_an_absurd_time_is_opaque() {
        // The Redis sample: it means a moment in 2095, so somebody made it up.
        let sample = StoredId::parse("6P9NLcJ65VXBbC22sYb4");
        assert_eq!(sample.number(), None);
        assert_eq!(sample, StoredId::parse("6P9NLcJ65VXBbC22sYb4"));
        assert_ne!(sample, StoredId::parse("6P9NLcJ65VXBbC22sYb5"));
        let early = MessageId::new(1_000_000, 1, 1);
        assert_eq!(StoredId::parse(&hex::encode(early)).number(), None);
        for text in [
            "",
            "1",
            "not an id",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(StoredId::parse(text).number(), None, "{text}");
        }
    }

    #[test]
    fn c06_padding_does_not_make_another_id() {
        assert_eq!(
            StoredId::parse("53F98F80F66017005000004A60003"),
            StoredId::parse("00053F98F80F66017005000004A60003")
        );
    }

    proptest! {
        #[test]
        fn c06_every_form_is_recognised(micros in EARLIEST..LATEST, node: u64, sequence: u16) {
            let id = MessageId::new(micros, node, sequence);
            let padded = hex::encode(id);
            let texts = [
                padded.trim_start_matches('0').to_owned(),
                padded,
                base64::encode(id),
                base62::encode(id),
                base62::encode(id).trim_start_matches('0').to_owned(),
                chunk62::encode(id),
            ];
            for text in texts {
                prop_assert_eq!(StoredId::parse(&text).number(), Some(id), "{}", text);
            }
        }

        #[test]
        fn c06_any_text_is_an_id_or_opaque(text in ".{0,60}") {
            let id = StoredId::parse(&text);
            prop_assert_eq!(id.text(), text.as_str());
        }
    }
}
