//! What does not fit together, or probably is not meant. Sentences; the places are the lines' and known to the caller.

use restante_model::{Function, HookPoint};

use crate::line::LineIndex;

/// A line that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Two sources of backlog for one topic (K34, C13).
    #[error("some topics would have two sources of backlog, and a client would get their messages twice")]
    TwoBacklogs {
        /// The line that came later.
        line: LineIndex,
        /// The one before it.
        other: LineIndex,
    },
    /// Two forms of the same tables in one pool.
    #[error("in one pool two layouts would write the same tables for some topics")]
    TwoLayouts {
        /// The line that came later.
        line: LineIndex,
        /// The one before it.
        other: LineIndex,
    },
    /// A function where it has nothing to do.
    #[error("{} has nothing to do at {}; it belongs at {}", .function.name(), .on.name(), points(*.function))]
    Misplaced {
        /// The line.
        line: LineIndex,
        /// Which function.
        function: Function,
        /// Where it stands.
        on: HookPoint,
    },
    /// A topic filter at an event that has no topic.
    #[error("{} has no topic that a filter could be compared with; leave it out", .on.name())]
    NoTopic {
        /// The line.
        line: LineIndex,
        /// The event.
        on: HookPoint,
    },
}

/// A line that may not do what was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Two lines store the same messages in one pool (C1).
    #[error("both store some of the same messages in one pool; each is stored once")]
    StoredOnce {
        /// The line that came later.
        line: LineIndex,
        /// The one before it.
        other: LineIndex,
    },
    /// Two lines fetch from one source.
    #[error("both fetch some of the same messages; each is fetched once, as the line before says")]
    FetchedOnce {
        /// The line that came later.
        line: LineIndex,
        /// The one before it.
        other: LineIndex,
    },
    /// The same lookup at `client.connected` and at `session.created` (C2).
    #[error("subscriptions are looked up in this pool already; they are looked up once")]
    LookedUpOnce {
        /// The line that came later.
        line: LineIndex,
        /// The one before it.
        other: LineIndex,
    },
    /// What is fetched is never acknowledged.
    #[error(
        "what is fetched is never acknowledged in the backend, so it comes again at every new subscription; add a \
         hook at message.acked"
    )]
    NeverAcknowledged {
        /// The line that fetches.
        line: LineIndex,
    },
    /// What is acknowledged is never fetched.
    #[error(
        "nothing is fetched from this pool for these topics in this way, so there is nothing to acknowledge"
    )]
    NeverFetched {
        /// The line that acknowledges.
        line: LineIndex,
    },
}

impl Refusal {
    /// The line that it is about.
    pub fn line(&self) -> LineIndex {
        match *self {
            Refusal::TwoBacklogs { line, .. }
            | Refusal::TwoLayouts { line, .. }
            | Refusal::Misplaced { line, .. }
            | Refusal::NoTopic { line, .. } => line,
        }
    }

    /// The other line, where it takes two.
    pub fn other(&self) -> Option<LineIndex> {
        match *self {
            Refusal::TwoBacklogs { other, .. } | Refusal::TwoLayouts { other, .. } => Some(other),
            Refusal::Misplaced { .. } | Refusal::NoTopic { .. } => None,
        }
    }
}

impl Doubt {
    /// The line that it is about.
    pub fn line(&self) -> LineIndex {
        match *self {
            Doubt::StoredOnce { line, .. }
            | Doubt::FetchedOnce { line, .. }
            | Doubt::LookedUpOnce { line, .. }
            | Doubt::NeverAcknowledged { line }
            | Doubt::NeverFetched { line } => line,
        }
    }

    /// The other line, where it takes two.
    pub fn other(&self) -> Option<LineIndex> {
        match *self {
            Doubt::StoredOnce { other, .. }
            | Doubt::FetchedOnce { other, .. }
            | Doubt::LookedUpOnce { other, .. } => Some(other),
            Doubt::NeverAcknowledged { .. } | Doubt::NeverFetched { .. } => None,
        }
    }
}

fn points(function: Function) -> String {
    let names: Vec<&str> = function.points().iter().map(|point| point.name()).collect();
    names.join(" or ")
}
