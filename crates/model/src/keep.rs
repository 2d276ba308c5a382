//! What it means to keep a topic: whose form, and who gets what is kept.

/// Whose tables and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Those of the offline-message plugin (seeds 1 and 2).
    Plugin,
    /// Those of the EMQ X 4 database back ends (seed 3).
    Backends,
}

/// Who gets what is kept, and when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// One consumer: what anyone acknowledges is deleted.
    Queue,
    /// Every client from its own read position; messages stay.
    Pubsub,
    /// The newest message of each topic; deleted when it is acknowledged.
    Latest,
    /// Nobody: written only.
    History,
}

impl Layout {
    /// All of them.
    pub const ALL: [Layout; 2] = [Layout::Plugin, Layout::Backends];

    /// Its word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Layout::Plugin => "plugin",
            Layout::Backends => "backends",
        }
    }
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Queue, Mode::Pubsub, Mode::Latest, Mode::History];

    /// Its word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Mode::Queue => "queue",
            Mode::Pubsub => "pubsub",
            Mode::Latest => "latest",
            Mode::History => "history",
        }
    }
}
