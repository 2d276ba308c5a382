//! Message ids as texts in databases: ours, and those that other systems wrote in any of four forms (BEHAVIOUR 2.4).

use std::fmt;

use restante_model::MessageId;

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

    /// One that was read. Recognised by its length and alphabet.
    pub fn parse(text: &str) -> StoredId {
        StoredId {
            text: text.into(),
            number: hex(text).filter(|id| is_plausible(*id)),
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

/// Upper-case hexadecimal, 32 digits or with its leading zeros left out.
fn hex(text: &str) -> Option<MessageId> {
    let digits = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    let fits = (28..=32).contains(&text.len()) && text.bytes().all(digits);
    let number = fits.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(MessageId(number))
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
    use super::*;

    #[test]
    fn c06_unpadded_hexadecimal_of_the_documented_samples() {
        let id = StoredId::parse("53F98F80F66017005000004A60003");
        assert_eq!(id.number().unwrap().micros(), 1_477_301_112_890_881);
        assert_eq!(id, StoredId::parse("00053F98F80F66017005000004A60003"));
        assert_eq!(StoredId::parse("not an id").number(), None);
        assert_ne!(StoredId::parse("a"), StoredId::parse("b"));
    }
}
