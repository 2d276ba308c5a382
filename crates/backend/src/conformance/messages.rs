//! Messages for cases, and what they must be when they come back.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use restante_model::{MessageId, QoS, UnixMillis};

use super::Trial;
use crate::{
    messages::{Fetch, Fetched, FetchedMessage, KeptMessage, Messages, Place},
    stored_id::StoredId,
    trouble::{Asked, Refused},
};

/// Pages after which a walk through a backlog is taken to have no end.
const PAGES_MAX: usize = 10_000;

/// Makes messages with rising ids, beginning some seconds ago: a moment that no time to live has passed.
pub(crate) struct Maker {
    micros: u64,
    made: u64,
}

impl Maker {
    pub(crate) fn new() -> Maker {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Maker {
            micros: now.as_micros() as u64 - 60_000_000,
            made: 0,
        }
    }

    /// The next message, a millisecond after the one before.
    pub(crate) fn next(&mut self, topic: &str, payload: impl Into<Bytes>) -> KeptMessage {
        self.micros += 1_000;
        self.at(self.micros, topic, payload)
    }

    /// The next message, later by some seconds.
    pub(crate) fn after_seconds(&mut self, seconds: u64, topic: &str) -> KeptMessage {
        self.micros += seconds * 1_000_000;
        self.next(topic, "later")
    }

    /// The next message, in the very microsecond of the one before: only its sequence is greater.
    pub(crate) fn same_moment(&mut self, topic: &str) -> KeptMessage {
        self.at(self.micros, topic, "same moment")
    }

    fn at(&mut self, micros: u64, topic: &str, payload: impl Into<Bytes>) -> KeptMessage {
        self.made += 1;
        let id = MessageId::new(micros, 0x1234_5678_9ABC, self.made as u16);
        KeptMessage {
            id: StoredId::ours(id, id.to_string()),
            topic: topic.into(),
            sender: format!("publisher {}", self.made % 3).into(),
            qos: QoS::from_bits((self.made % 2) as u8 + 1).unwrap_or_default(),
            retain: self.made.is_multiple_of(5),
            payload: payload.into(),
            arrived: UnixMillis(micros / 1000),
        }
    }

    /// Several of one topic, their numbers as payload.
    pub(crate) fn several(&mut self, topic: &str, count: usize) -> Vec<KeptMessage> {
        (0..count)
            .map(|number| self.next(topic, number.to_string()))
            .collect()
    }
}

impl Trial {
    pub(crate) fn messages(&self) -> Result<Arc<dyn Messages>, String> {
        self.backend.messages(&self.spec).map_err(|unfit| unfit.why)
    }
}

/// An answer, or the case's end.
pub(crate) fn there<T>(asked: Asked<T>) -> Result<T, String> {
    asked.map_err(|away| format!("the backend was away: {}", away.why))
}

/// Appends what must be taken.
pub(crate) async fn append(
    messages: &dyn Messages,
    slice: &[KeptMessage],
    above: Option<u64>,
) -> Result<(), String> {
    let answers = there(messages.append(slice, above).await)?;
    taken(slice.len(), &answers)
}

/// As many answers as things were asked, and every one a yes.
pub(crate) fn taken<T>(asked: usize, answers: &[Result<T, Refused>]) -> Result<(), String> {
    if answers.len() != asked {
        return Err(format!("{} answers to {asked} things", answers.len()));
    }
    match answers.iter().find_map(|answer| answer.as_ref().err()) {
        Some(refused) => Err(format!("refused: {refused}")),
        None => Ok(()),
    }
}

/// One page.
pub(crate) async fn page(
    messages: &dyn Messages,
    topic: &str,
    after: Option<&Place>,
    messages_max: usize,
) -> Result<Fetched, String> {
    let fetched = there(
        messages
            .fetch(&Fetch {
                topic,
                after,
                since: None,
                messages_max,
            })
            .await,
    )?;
    if fetched.messages.len() > messages_max {
        return Err(format!(
            "a page of {} where {messages_max} were asked for",
            fetched.messages.len()
        ));
    }
    if let Some(sentence) = fetched.unreadable.first() {
        return Err(format!("what was written here cannot be read: {sentence}"));
    }
    Ok(fetched)
}

/// All of a topic behind a place, page by page.
pub(crate) async fn all(
    messages: &dyn Messages,
    topic: &str,
    after: Option<Place>,
    messages_max: usize,
) -> Result<Vec<FetchedMessage>, String> {
    let mut found: Vec<FetchedMessage> = Vec::new();
    let mut after = after;
    for _ in 0..PAGES_MAX {
        let fetched = page(messages, topic, after.as_ref(), messages_max).await?;
        if fetched.more && fetched.messages.is_empty() {
            return Err("a page without messages says that there are more".to_owned());
        }
        found.extend(fetched.messages);
        after = found.last().map(|last| last.place.clone()).or(after);
        if !fetched.more {
            return Ok(found);
        }
    }
    Err(format!(
        "the backlog of {topic:?} has no end after {PAGES_MAX} pages"
    ))
}

/// Whether exactly these came, in this order, with all that was in them.
pub(crate) fn same(found: &[FetchedMessage], expected: &[KeptMessage]) -> Result<(), String> {
    for (at, expected) in expected.iter().enumerate() {
        let Some(found) = found.get(at) else {
            return Err(format!(
                "{} messages came where {} were expected",
                found.len(),
                at + 1
            ));
        };
        same_message(&found.message, expected).map_err(|why| format!("message {at}: {why}"))?;
        if found.place.id != expected.id {
            return Err(format!(
                "message {at} stands under {:?} and is {:?}",
                found.place.id, expected.id
            ));
        }
    }
    match found.get(expected.len()) {
        Some(extra) => Err(format!(
            "{} messages came where {} were expected; the first too many is {:?}",
            found.len(),
            expected.len(),
            extra.message.id
        )),
        None => Ok(()),
    }
}

/// Whether a message is the one that was written. Of its time whole seconds must be left.
pub(crate) fn same_message(found: &KeptMessage, expected: &KeptMessage) -> Result<(), String> {
    super::fields::same(found, expected)
}
