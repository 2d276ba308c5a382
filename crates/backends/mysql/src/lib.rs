//! MySQL and MariaDB: the tables of the offline-message plugin (seeds 1 and 2) and of the EMQ X 4 back ends (seed 3).
//!
//! | module | concept |
//! |---|---|
//! | [`config`] | the settings of a pool |
//! | `client` | connections, time limits |
//! | `failure` | what an error means |
//! | `values` | values to and from the driver's |
//! | `schema` | the tables: print, check, install |
//! | `write` | batches of rows in, and which of them is refused |
//! | `read` | pages of a topic, read positions, retained messages, subscriptions |
//! | `keep` | the messages of a keep |
//! | `tables` | the documented tables beside them |
//! | `health` | whether the server is there, and what it can lose |
//! | `statements` | the user's own SQL |

pub mod config;

mod client;
mod failure;
mod health;
mod keep;
mod read;
mod schema;
mod statements;
mod tables;
mod values;
mod write;

use std::sync::Arc;

use restante_backend::{
    Backend, Work,
    capability::{Capabilities, StatementForm},
    contract::Health,
    messages::{KeepSpec, Layout, Messages, Mode},
    sql::six::{self, Six},
    statement::Statements,
    tables::{Presence, Retained, Schema, Subscriptions},
    template::sql::SqlDialect,
    trouble::{Asked, Unfit},
};
use restante_model::Function;

use client::Client;
pub use config::{Config, Tls};

/// One pool.
pub struct MySql {
    client: Arc<Client>,
}

impl MySql {
    /// Makes a pool; connects when it is asked something.
    pub fn new(config: &Config) -> MySql {
        MySql {
            client: Arc::new(Client::new(config)),
        }
    }
}

/// What this kind of backend can do.
pub static CAPABILITIES: Capabilities = Capabilities {
    kind: "mysql",
    modes: &[
        (Layout::Plugin, Mode::Queue),
        (Layout::Plugin, Mode::Pubsub),
        (Layout::Plugin, Mode::History),
        (Layout::Backends, Mode::Pubsub),
        (Layout::Backends, Mode::Queue),
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
    templates: six::NAMES,
    schema: true,
};

impl Backend for MySql {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn health(&self) -> Work<'_, Asked<Health>> {
        Box::pin(health::ask(&self.client))
    }

    fn messages(&self, spec: &KeepSpec) -> Result<Arc<dyn Messages>, Unfit> {
        if !CAPABILITIES.modes.contains(&(spec.layout, spec.mode)) {
            return Err(Unfit {
                why: "mysql has no mode \"latest\"; use \"queue\", \"pubsub\" or \"history\"".to_owned(),
                at: None,
            });
        }
        let six = Six::of(spec, SqlDialect::MySql)?;
        Ok(Arc::new(keep::Keep::new(&self.client, spec, six)))
    }

    fn subscriptions(&self, spec: &KeepSpec) -> Result<Arc<dyn Subscriptions>, Unfit> {
        let six = Six::of(spec, SqlDialect::MySql)?;
        Ok(Arc::new(tables::SubscriptionTable::new(&self.client, six)))
    }

    fn retained(&self) -> Option<Arc<dyn Retained>> {
        Some(Arc::new(tables::RetainedTable::new(&self.client)))
    }

    fn presence(&self) -> Option<Arc<dyn Presence>> {
        Some(Arc::new(tables::ClientTable::new(&self.client)))
    }

    fn statements(&self) -> Option<Arc<dyn Statements>> {
        Some(Arc::new(statements::UserStatements::new(&self.client)))
    }

    fn schema(&self) -> Option<Arc<dyn Schema>> {
        Some(Arc::new(schema::Tables::new(&self.client)))
    }
}
