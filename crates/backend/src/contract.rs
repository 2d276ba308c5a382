//! One configured pool of a backend, and what can be asked of it.

use std::{future::Future, pin::Pin, sync::Arc};

use crate::{
    capability::Capabilities,
    messages::{KeepSpec, Messages},
    statement::Statements,
    tables::{Presence, Retained, Schema, Subscriptions},
    trouble::{Asked, Unfit},
};

/// An answer that takes a round trip. Dropping it gives up waiting; what was on its way may be done all the same.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One configured pool: some connections to one database. Connections are made when they are needed, replaced after
/// errors, and never shared by two requests that must stay in order.
///
/// Making one does no I/O; [`Backend::health`] is the first call that does.
pub trait Backend: Send + Sync + 'static {
    /// What this kind of backend can do.
    fn capabilities(&self) -> &'static Capabilities;

    /// Asks whether the database is there: one cheap call.
    fn health(&self) -> Work<'_, Asked<Health>>;

    /// The messages of a keep, or of hooks that use the built-in functions. Does no I/O. `check` calls it too, so a
    /// template that does not parse, or a mode that the layout lacks, is refused here.
    fn messages(&self, spec: &KeepSpec) -> Result<Arc<dyn Messages>, Unfit>;

    /// The subscriptions beside the messages, in the layout's form. Does no I/O.
    fn subscriptions(&self, spec: &KeepSpec) -> Result<Arc<dyn Subscriptions>, Unfit>;

    /// Retained messages in the documented table, if the capability is there.
    fn retained(&self) -> Option<Arc<dyn Retained>>;

    /// Who is connected, in the documented table, if the capability is there.
    fn presence(&self) -> Option<Arc<dyn Presence>>;

    /// The user's own statements, if the capability is there.
    fn statements(&self) -> Option<Arc<dyn Statements>>;

    /// The tables, for backends that have a schema. `None`: keys are made on demand.
    fn schema(&self) -> Option<Arc<dyn Schema>>;
}

/// A database that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Name and version, as the server says them.
    pub server: String,
    /// Changes when another server answers, or the same one without its memory: what was sent shortly before may be
    /// lost and is sent again (K40).
    pub incarnation: String,
    /// What the operator should know: for one, that the server can lose what it has acknowledged.
    pub warnings: Vec<String>,
}
