//! The registry of backends: the one place that a new kind touches.
//!
//! A row is what the rest of the program knows of a kind. What it can do comes from the backend itself, as data.

mod mysql;
mod postgres;
mod redis;

use std::sync::Arc;

use restante_backend::{Backend, capability::Capabilities, trouble::Unfit};
use restante_model::{Layout, Mode};

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
        capabilities: &restante_mysql::CAPABILITIES,
        expires: false,
        open: mysql::open,
        read_text: Some(mysql::read_text),
    },
    Kind {
        name: "postgres",
        also_called: &["pgsql", "postgresql"],
        capabilities: &restante_postgres::CAPABILITIES,
        expires: false,
        open: postgres::open,
        read_text: Some(postgres::read_text),
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

/// What is set; an empty text is not.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
