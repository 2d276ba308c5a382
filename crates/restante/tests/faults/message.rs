//! A numbered message, and where each publisher sends his.

/// Bytes of a payload: publisher, number, and filler that follows from both.
const BYTES: usize = 64;
/// Bytes of one in [`LARGE_ONCE_IN`].
const BYTES_LARGE: usize = 4096;
const LARGE_ONCE_IN: u64 = 16;

/// One topic for each publisher. What stands in them means something to somebody: to a database, its client, a
/// template, a shell.
pub(crate) const TOPICS: [&str; 6] = [
    "pubsub/0",
    "pubsub/ü {1} 'x\" ${topic} *[a]?",
    "many/2",
    "many/${payload} {b}:$x",
    "one/4",
    "one/\\ %s ; DEL *",
];

/// Who sent it, and the how-manieth it was: 0, 1, 2, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbered {
    pub(crate) publisher: usize,
    pub(crate) number: u64,
}

impl Numbered {
    pub(crate) fn topic(publisher: usize) -> String {
        TOPICS.get(publisher).copied().unwrap_or("nowhere").to_owned()
    }

    pub(crate) fn payload(self) -> Vec<u8> {
        let bytes = match self.number.is_multiple_of(LARGE_ONCE_IN) {
            true => BYTES_LARGE,
            false => BYTES,
        };
        let mut payload = Vec::with_capacity(bytes);
        payload.extend_from_slice(&(self.publisher as u64).to_be_bytes());
        payload.extend_from_slice(&self.number.to_be_bytes());
        let filler = self.number.wrapping_mul(0x0101_0101_0101_0101) ^ self.publisher as u64;
        while payload.len() < bytes {
            payload.extend_from_slice(&filler.to_be_bytes());
        }
        payload
    }

    /// `None` for what was never sent like this.
    pub(crate) fn read(topic: &str, payload: &[u8]) -> Option<Numbered> {
        let word = |at: usize| Some(u64::from_be_bytes(payload.get(at..at + 8)?.try_into().ok()?));
        let numbered = Numbered {
            publisher: usize::try_from(word(0)?).ok()?,
            number: word(8)?,
        };
        let whole = payload == numbered.payload() && topic == Numbered::topic(numbered.publisher);
        whole.then_some(numbered)
    }
}
