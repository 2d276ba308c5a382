//! The registry of backends: the one place that a new kind touches.
//!
//! A row is what the rest of the program knows of a kind. What it can do comes from the backend itself, as data.

mod redis;

use std::sync::Arc;

use restante_backend::{
    Backend,
    capability::{Capabilities, StatementForm},
    trouble::Unfit,
};
use restante_model::{Function, Layout, Mode};

use crate::config::Pool;

/// What reads a user's text as the backend will, without a server: the text, and the variables it may use.
///
/// # Errors
/// What does not parse, at its place in the text. The answer is what does parse and is probably not meant, as a bare
/// word that is a variable's name (C4).
pub(crate) type ReadText = fn(text: &str, variables: &[&'static str]) -> Result<Vec<Unfit>, Unfit>;

/// Makes a pool of its settings.
///
/// # Errors
/// Settings that cannot be: a certificate that cannot be read, say.
pub(crate) type Open = fn(&Pool) -> Result<Arc<dyn Backend>, Unfit>;

/// One kind of backend.
pub(crate) struct Kind {
    /// Its name in the configuration.
    pub(crate) name: &'static str,
    /// What people write for it, to be told the name.
    pub(crate) also_called: &'static [&'static str],
    /// What it can do.
    pub(crate) capabilities: &'static Capabilities,
    /// Messages can expire by themselves.
    pub(crate) expires: bool,
    /// Makes a pool of its settings; connects to nothing.
    pub(crate) open: Open,
    /// Reads statements and templates. `None`: they are first read when the pool is opened.
    pub(crate) read_text: Option<ReadText>,
}

/// All kinds that a pool may have.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "redis",
        also_called: &["valkey"],
        capabilities: &restante_redis::CAPABILITIES,
        expires: true,
        open: redis::open,
        read_text: Some(redis::read_text),
    },
    Kind {
        name: "mysql",
        also_called: &["mariadb"],
        capabilities: &MYSQL,
        expires: false,
        open: not_yet,
        read_text: None,
    },
    Kind {
        name: "postgres",
        also_called: &["pgsql", "postgresql"],
        capabilities: &POSTGRES,
        expires: false,
        open: not_yet,
        read_text: None,
    },
];

/// What the broker's own store can do as the home of a keep.
pub(crate) const EMBEDDED: Capabilities = Capabilities {
    kind: "embedded",
    modes: &[
        (Layout::Plugin, Mode::Queue),
        (Layout::Plugin, Mode::Pubsub),
        (Layout::Plugin, Mode::Latest),
        (Layout::Plugin, Mode::History),
        (Layout::Backends, Mode::Queue),
        (Layout::Backends, Mode::Pubsub),
        (Layout::Backends, Mode::Latest),
        (Layout::Backends, Mode::History),
    ],
    functions: &[],
    statements: None,
    templates: &[],
    schema: false,
};

/// The kind of that name.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// What a kind can do.
pub fn capabilities(kind: &str) -> Option<&'static Capabilities> {
    self::kind(kind).map(|kind| kind.capabilities)
}

const MYSQL: Capabilities = Capabilities {
    kind: "mysql",
    ..POSTGRES
};

const POSTGRES: Capabilities = Capabilities {
    kind: "postgres",
    modes: &[
        (Layout::Plugin, Mode::Queue),
        (Layout::Plugin, Mode::Pubsub),
        (Layout::Plugin, Mode::History),
        (Layout::Backends, Mode::Queue),
        (Layout::Backends, Mode::Pubsub),
        (Layout::Backends, Mode::History),
    ],
    functions: &[
        Function::ClientConnected,
        Function::ClientDisconnected,
        Function::SubscribeLookup,
        Function::MessageFetch,
        Function::RetainLookup,
        Function::MessagePublish,
        Function::MessageStore,
        Function::MessageRetain,
        Function::RetainDelete,
        Function::MessageAcked,
        Function::AckedDelete,
    ],
    statements: Some(StatementForm::Sql),
    templates: &[
        "insert_message_sql",
        "delete_message_sql",
        "select_message_sql",
        "insert_subscription_sql",
        "select_subscriptions_sql",
        "delete_subscription_sql",
    ],
    schema: true,
};

fn not_yet(_: &Pool) -> Result<Arc<dyn Backend>, Unfit> {
    Err(Unfit {
        why: "not yet".into(),
        at: None,
    })
}
