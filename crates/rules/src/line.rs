//! What somebody wrote: a keep or a hook, with every name already understood.

use std::time::Duration;

use restante_model::{Filter, Function, HookPoint, Layout, Mode};

use crate::{
    keep::{Bounds, FirstSubscribe, Home, PoolIndex},
    rule::AckAfter,
};

/// A line, by its place among those given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineIndex(pub u32);

/// A keep or a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `[[keep]]`
    Keep(KeepLine),
    /// `[[hook]]`
    Hook(HookLine),
}

/// `[[keep]]`: these topics, in this place, in this mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepLine {
    /// Which topics.
    pub topics: Vec<Filter>,
    /// Where.
    pub home: Home,
    /// In whose form.
    pub layout: Layout,
    /// For whom.
    pub mode: Mode,
    /// How long a message stays; `None` = the pool's own setting.
    pub ttl: Option<Duration>,
    /// What a client without a read position gets.
    pub first_subscribe: FirstSubscribe,
    /// How much of a backlog is fetched.
    pub bounds: Bounds,
    /// Whether to unsubscribe forgets the read position.
    pub forgets: bool,
    /// Whether subscriptions to these topics are written, and made again when the client connects.
    pub subscriptions: bool,
    /// When a publish is acknowledged.
    pub ack_after: AckAfter,
}

/// `[[hook]]`: at this event, do that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookLine {
    /// At which event.
    pub on: HookPoint,
    /// Only for these topics; `None` = for all, also for those that begin with `$`.
    pub topic: Option<Filter>,
    /// The lower one goes first; among equals, the one that was written first.
    pub order: u32,
    /// In which pool.
    pub pool: PoolIndex,
    /// What is done.
    pub what: What,
    /// How much of a backlog is fetched, for functions that fetch.
    pub bounds: Bounds,
    /// How long a message stays, for functions that store; `None` = the pool's own setting.
    pub ttl: Option<Duration>,
    /// Whether to unsubscribe forgets the read position, for functions that fetch.
    pub forgets: bool,
    /// When a publish is acknowledged, for functions that store.
    pub ack_after: AckAfter,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A built-in function.
    Function(Function),
    /// The user's own statements, in this order, by the numbers that the pool's owner gave them.
    Statements(Box<[u32]>),
}
