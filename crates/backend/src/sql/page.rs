//! Rows of one topic, in order, from a place on: what a user's SELECT gives in any order and all at once becomes pages.

use super::row::{Decode, Row};
use crate::messages::{Fetch, Fetched, FetchedMessage, Place};

/// Collects what belongs into a page, and never holds more than that.
pub struct Page<'a> {
    fetch: &'a Fetch<'a>,
    table: &'a str,
    decode: Decode<'a>,
    fetched: Fetched,
}

/// Most sentences about rows that cannot be read, in one page.
const UNREADABLE_MAX: usize = 100;

impl<'a> Page<'a> {
    /// An empty page. `table` is for sentences.
    pub fn new(fetch: &'a Fetch<'a>, table: &'a str, decode: Decode<'a>) -> Page<'a> {
        Page {
            fetch,
            table,
            decode,
            fetched: Fetched::default(),
        }
    }

    /// Takes a row, or passes over it when it does not belong: another topic that the collation takes for this one,
    /// what stands before the place or is too old.
    pub fn take(&mut self, row: &Row) {
        let message = match row.message(self.table, self.fetch.topic, self.decode) {
            Ok(message) => message,
            Err(sentence) => {
                if self.fetched.unreadable.len() < UNREADABLE_MAX {
                    self.fetched.unreadable.push(sentence);
                }
                return;
            }
        };
        let old = self
            .fetch
            .since
            .is_some_and(|since| message.message.arrived < since);
        if &*message.message.topic != self.fetch.topic || old || !self.is_behind(&message) {
            return;
        }
        let held = &mut self.fetched.messages;
        let key = order(&message);
        let place = held.partition_point(|other| order(other) <= key);
        held.insert(place, message);
        if held.len() > self.fetch.messages_max {
            held.pop();
            self.fetched.more = true;
        }
    }

    /// Whether it stands behind the place where the page begins. A place that means nothing hides nothing (K51).
    fn is_behind(&self, message: &FetchedMessage) -> bool {
        let Some(after) = self.fetch.after else {
            return true;
        };
        match (message.place.row, after.row) {
            (Some(row), Some(after)) => row > after,
            _ => match (message.place.id.number(), after.id.number()) {
                (Some(id), Some(after)) => id > after,
                _ => message.place.id != after.id,
            },
        }
    }

    /// What was collected, oldest first.
    pub fn into_fetched(self) -> Fetched {
        self.fetched
    }

    /// How many messages it holds.
    pub fn len(&self) -> usize {
        self.fetched.messages.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.fetched.messages.is_empty()
    }
}

/// The newest of the rows it is given.
pub struct Newest<'a> {
    topic: &'a str,
    table: &'a str,
    found: Option<FetchedMessage>,
}

impl<'a> Newest<'a> {
    /// None yet. `table` is for sentences.
    pub fn new(topic: &'a str, table: &'a str) -> Newest<'a> {
        Newest {
            topic,
            table,
            found: None,
        }
    }

    /// Takes a row, if it is newer; one that cannot be read has no place.
    pub fn take(&mut self, row: &Row) {
        let Ok(message) = row.message(self.table, self.topic, &|bytes| bytes) else {
            return;
        };
        let newer = self
            .found
            .as_ref()
            .is_none_or(|found| order(found) < order(&message));
        if newer && &*message.message.topic == self.topic {
            self.found = Some(message);
        }
    }

    /// Its place.
    pub fn into_place(self) -> Option<Place> {
        self.found.map(|message| message.place)
    }
}

/// By row where there are rows, else by the time in the id, else by arrival.
fn order(message: &FetchedMessage) -> (u128, u64) {
    let by_id = message
        .place
        .id
        .number()
        .map_or((u128::from(message.message.arrived.0) * 1000) << 64, |id| id.0);
    match message.place.row {
        Some(row) => (u128::from(row), 0),
        None => (by_id, message.message.arrived.0),
    }
}
