//! The messages that a backend keeps: append, fetch, delete, and how far each client has read.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
pub use restante_model::{Layout, Mode};
use restante_model::{QoS, UnixMillis};

use crate::{
    contract::Work,
    stored_id::StoredId,
    trouble::{Asked, Done, Refused},
};

/// How a keep uses a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepSpec {
    /// Whose tables and keys.
    pub layout: Layout,
    /// Who gets it.
    pub mode: Mode,
    /// How long a message stays, where the backend can let it expire; `None` = the pool's own setting.
    pub ttl: Option<Duration>,
    /// The user's templates by their documented names (`insert_message_sql`, …); those that are not here are the
    /// layout's defaults.
    pub templates: BTreeMap<String, String>,
}

/// A message on its way into a backend or out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Which one it is.
    pub id: StoredId,
    /// Topic name.
    pub topic: Box<str>,
    /// Client id of the publisher; empty when nobody knows.
    pub sender: Box<str>,
    /// The publisher's.
    pub qos: QoS,
    /// The retain flag as published.
    pub retain: bool,
    /// Payload.
    pub payload: Bytes,
    /// When it was published; what the layout keeps of it may be whole seconds.
    pub arrived: UnixMillis,
}

/// Where a message stands in a backend, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The id it is stored under.
    pub id: StoredId,
    /// The row's number, where rows have numbers and it is known.
    pub row: Option<u64>,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedMessage {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub message: KeptMessage,
}

/// What to read of one topic.
#[derive(Clone, Debug)]
pub struct Fetch<'a> {
    /// The topic, exactly (case counts, whatever the collation).
    pub topic: &'a str,
    /// Only what stands behind this place. In `queue` mode the last one of the page before.
    pub after: Option<&'a Place>,
    /// Only what arrived at or after this time.
    pub since: Option<UnixMillis>,
    /// Most messages.
    pub messages_max: usize,
}

/// A page of one topic's backlog.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Oldest first.
    pub messages: Vec<FetchedMessage>,
    /// There is more behind the last one.
    pub more: bool,
    /// Rows and keys that could not be read, a sentence for each that names it; the rest is not held up by them.
    pub unreadable: Vec<String>,
}

/// A client's read position in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose.
    pub client: Box<str>,
    /// Where.
    pub topic: Box<str>,
    /// Everything up to here was acknowledged.
    pub place: Place,
}

/// Topics that have messages.
#[derive(Clone, Debug, Default)]
pub struct TopicPage {
    /// In the backend's own order.
    pub topics: Vec<String>,
    /// Where the next page begins; `None` at the end.
    pub after: Option<String>,
}

/// What was appended: the row's number where rows have numbers, or why it was refused for good.
pub type Appended = Result<Option<u64>, Refused>;

/// The messages of one keep (one layout and mode) in one pool.
///
/// All calls for one topic are made one after another, so order is the caller's (K37).
pub trait Messages: Send + Sync {
    /// A number that rows appended from now on are above; `None` where appending twice under one id does no harm.
    fn mark(&self) -> Work<'_, Asked<Option<u64>>>;

    /// Appends, oldest first. `above` is given when some of these may have been appended before (after a lost reply or
    /// a restart): they are looked for above that mark, and those that are there are not appended again (K36). In
    /// `latest` mode the newest of each topic stays. One answer for each.
    ///
    /// A message that does not fit (a topic, id or payload longer than its column) is refused, never cut. Ids are
    /// written in the backend's own form, whatever their text here; what is deleted or acknowledged by that text is
    /// found all the same.
    fn append<'a>(
        &'a self,
        messages: &'a [KeptMessage],
        above: Option<u64>,
    ) -> Work<'a, Asked<Vec<Appended>>>;

    /// Reads a page of one topic.
    fn fetch<'a>(&'a self, fetch: &'a Fetch<'a>) -> Work<'a, Asked<Fetched>>;

    /// The newest message of a topic: where a client begins that is to have only what comes from now on.
    fn newest<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Option<Place>>>;

    /// Deletes messages (topic, place). One answer for each; one that is gone already is done.
    fn delete<'a>(&'a self, gone: &'a [(Box<str>, Place)]) -> Work<'a, Asked<Vec<Done>>>;

    /// A client's read position as the documented table has it; `None` = none there, or the layout has no table for it.
    fn position<'a>(&'a self, client: &'a str, topic: &'a str) -> Work<'a, Asked<Option<Place>>>;

    /// Writes read positions into the documented table; does nothing where the layout has none. One answer for each.
    fn acknowledge<'a>(&'a self, marks: &'a [Mark]) -> Work<'a, Asked<Vec<Done>>>;

    /// Forgets read positions (client, topic): the client has unsubscribed (C10).
    fn forget<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>>;

    /// A page of the topics that have messages, for the one scan at the first attach (K38); `None` when the backend's
    /// user may not list them (K45).
    fn topics<'a>(&'a self, after: Option<&'a str>, max: usize) -> Work<'a, Asked<Option<TopicPage>>>;
}
