//! The documented tables beside the messages: retained messages, who is connected, subscriptions; and the schema.

use restante_model::{QoS, UnixMillis};

use crate::{
    contract::Work,
    messages::{KeepSpec, KeptMessage},
    trouble::{Asked, Done},
};

/// Retained messages in a backend.
pub trait Retained: Send + Sync {
    /// Sets each as the retained message of its topic. One answer for each.
    fn set<'a>(&'a self, messages: &'a [KeptMessage]) -> Work<'a, Asked<Vec<Done>>>;

    /// Clears the retained messages of topics. One answer for each; one that is gone already is done.
    fn clear<'a>(&'a self, topics: &'a [Box<str>]) -> Work<'a, Asked<Vec<Done>>>;

    /// The retained message of a topic. The error within is a row that cannot be read, named in a sentence.
    fn lookup<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Result<Option<KeptMessage>, String>>>;
}

/// Whether a client is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose.
    pub client: Box<str>,
    /// Connected, or gone.
    pub online: bool,
    /// Since when.
    pub since: UnixMillis,
}

/// Who is connected, in a backend.
pub trait Presence: Send + Sync {
    /// Writes how clients stand, at most one entry for each. One answer for each.
    fn record<'a>(&'a self, node: &'a str, standings: &'a [Standing]) -> Work<'a, Asked<Vec<Done>>>;

    /// A page of those whom the backend believes to be connected to this node: after a crash they are put right.
    fn online<'a>(
        &'a self,
        node: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> Work<'a, Asked<Vec<Box<str>>>>;
}

/// One subscription of a client in a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Whose.
    pub client: Box<str>,
    /// The filter.
    pub filter: Box<str>,
    /// Its QoS.
    pub qos: QoS,
}

/// Subscriptions in a backend.
pub trait Subscriptions: Send + Sync {
    /// Those of a client; rows that cannot be read are sentences.
    fn of<'a>(&'a self, client: &'a str) -> Work<'a, Asked<(Vec<SubscriptionRow>, Vec<String>)>>;

    /// Writes subscriptions, at most one for each client and filter. One answer for each.
    fn write<'a>(&'a self, rows: &'a [SubscriptionRow]) -> Work<'a, Asked<Vec<Done>>>;

    /// Removes subscriptions (client, filter). One answer for each; one that is gone already is done.
    fn remove<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>>;
}

/// The tables of a backend.
pub trait Schema: Send + Sync {
    /// The statements that make the tables a keep or the built-in functions need; does no I/O.
    fn print(&self, spec: &KeepSpec) -> String;

    /// Compares the tables column by column; a sentence for each difference that matters, none when all is well.
    fn check<'a>(&'a self, spec: &'a KeepSpec) -> Work<'a, Asked<Vec<String>>>;

    /// Makes the tables that are missing; changes none that is there.
    fn install<'a>(&'a self, spec: &'a KeepSpec) -> Work<'a, Asked<()>>;
}
