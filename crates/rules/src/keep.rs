//! One way of keeping messages in one place.

use std::time::Duration;

use restante_model::{Layout, Mode};

/// A configured pool, by its place in the list that is handed over beside the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolIndex(pub u32);

/// A keep, by its place in [`crate::RuleSet::keeps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeepIndex(pub u32);

/// Where a keep has its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// In the broker's own store.
    Embedded,
    /// In a database.
    Pool(PoolIndex),
}

/// What a client without a read position gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstSubscribe {
    /// Everything that is kept.
    All,
    /// Only what is published from now on.
    FromNow,
    /// The newest so many messages of each topic; 1 or more.
    Last(u64),
    /// What was published within this time.
    Since(Duration),
}

/// What is fetched when more waits than one fetch returns (C18, K47).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenMore {
    /// The oldest first, page by page, until nothing waits.
    Page,
    /// The newest only; those before them are passed over and counted, as the original did.
    Newest,
}

/// How much of a backlog is fetched (`offline_opts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Most messages of one fetch; 1 or more. `None` = as many as the broker thinks fit.
    pub returned_max: Option<u32>,
    /// Only what was published within this time before the fetch. `None` = however old.
    pub time_range: Option<Duration>,
    /// What happens at `returned_max`.
    pub when_more: WhenMore,
}

impl Bounds {
    /// Everything, page by page.
    pub const NONE: Bounds = Bounds {
        returned_max: None,
        time_range: None,
        when_more: WhenMore::Page,
    };
}

/// One way of keeping messages in one place: a `[[keep]]` section, or what hooks with built-in functions come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Where.
    pub home: Home,
    /// In whose form.
    pub layout: Layout,
    /// For whom.
    pub mode: Mode,
    /// How long a message stays; `None` = as long as the pool's own setting says.
    pub ttl: Option<Duration>,
    /// What a client without a read position gets.
    pub first_subscribe: FirstSubscribe,
    /// How much of a backlog is fetched.
    pub bounds: Bounds,
    /// Whether to unsubscribe forgets the read position (C10).
    pub forgets: bool,
    /// The first line that made it.
    pub line: crate::LineIndex,
}

impl Keep {
    /// Whether the messages of the two stand in the same rows or keys of the same database, so that one write serves
    /// both (C1). The newest message of a topic has a key of its own.
    pub(crate) fn shares_rows(&self, other: &Keep) -> bool {
        let latest = |keep: &Keep| keep.mode == Mode::Latest;
        self.line == other.line
            || (self.home == other.home
                && self.home != Home::Embedded
                && self.layout == other.layout
                && latest(self) == latest(other))
    }

    /// Whether both read their backlog from the same place in the same way: two lines, one source (K34).
    pub(crate) fn is_same_source(&self, other: &Keep) -> bool {
        self.home == other.home
            && self.home != Home::Embedded
            && self.layout == other.layout
            && self.mode == other.mode
    }
}
