//! Redis, single, behind Sentinel or as a Cluster, with the keys of the offline-message plugin (seeds 1 and 2) and of
//! the EMQ X 4 back end (seed 3).
//!
//! | module | concept |
//! |---|---|
//! | [`config`] | what a pool is configured with |
//! | `client` | finding the servers, getting commands answered; `node` one server, `cluster` who has which slot |
//! | `schema` | the keys |
//! | `kept` | the messages of one keep; `write` append and delete, `read` pages of a backlog, `scan` the topics |
//! | `hash` | a message as a hash |
//! | `tables` | subscriptions, retained messages, presence |
//! | `statements` | the user's own commands |
//! | [`channel`] | commands that come in on a channel |
//! | `health` | which server, and what to know about it |
//! | `fault` | whose fault an error is |
//! | `tls`, `command`, `together` | certificates; one command; work at the same time |

pub mod channel;
mod client;
mod cluster;
mod command;
pub mod config;
mod fault;
mod hash;
mod health;
mod kept;
mod node;
mod read;
mod scan;
mod schema;
mod statements;
mod tables;
mod tls;
mod together;
mod write;

use std::sync::Arc;

use restante_backend::{
    Backend, Work,
    capability::{Capabilities, StatementForm},
    contract::Health,
    messages::{KeepSpec, Messages},
    statement::Statements,
    tables::{Presence, Retained, Schema, Subscriptions},
    trouble::{Asked, Away, Unfit},
};
use restante_model::Function;

use crate::{
    channel::ChannelCommand,
    client::Client,
    config::Config,
    kept::{Kept, MODES},
    schema::{KeySchema, Keys},
    statements::Commands,
    tables::Tables,
};

/// What Redis can do.
pub static CAPABILITIES: Capabilities = Capabilities {
    kind: "redis",
    modes: MODES,
    functions: &[
        Function::ClientConnected,
        Function::ClientDisconnected,
        Function::SubscribeLookup,
        Function::MessageFetchForQueue,
        Function::MessageFetchForPubsub,
        Function::MessageFetchForKeepLatest,
        Function::RetainLookup,
        Function::MessagePublish,
        Function::MessageStore,
        Function::MessageStoreKeepLatest,
        Function::MessageRetain,
        Function::RetainDelete,
        Function::MessageAckedForQueue,
        Function::MessageAckedForPubsub,
        Function::MessageAckedForKeepLatest,
        Function::AckedDelete,
    ],
    statements: Some(StatementForm::Commands),
    templates: &[],
    schema: true,
};

/// A pool of connections to Redis.
pub struct RedisBackend {
    client: Arc<Client>,
    keys: Arc<Keys>,
    statements: Arc<Commands>,
}

impl RedisBackend {
    /// Checks the settings and reads the certificates they name; connects to nothing.
    pub fn new(config: Config) -> Result<RedisBackend, Unfit> {
        let keys = Arc::new(Keys::new(&config));
        let client = Arc::new(Client::new(config)?);
        Ok(RedisBackend {
            statements: Arc::new(Commands::new(Arc::clone(&client))),
            client,
            keys,
        })
    }

    /// Listens to a channel for commands, until the connection is lost: see [`channel`].
    pub async fn listen(
        &self,
        channel: &str,
        hand: impl FnMut(Result<ChannelCommand, String>) + Send,
    ) -> Away {
        channel::listen(&self.client, channel, hand).await
    }

    fn tables(&self) -> Arc<Tables> {
        Arc::new(Tables {
            client: Arc::clone(&self.client),
            keys: Arc::clone(&self.keys),
        })
    }
}

impl Backend for RedisBackend {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn health(&self) -> Work<'_, Asked<Health>> {
        Box::pin(health::ask(&self.client))
    }

    fn messages(&self, spec: &KeepSpec) -> Result<Arc<dyn Messages>, Unfit> {
        let kept = Kept::new(Arc::clone(&self.client), Arc::clone(&self.keys), spec)?;
        Ok(Arc::new(kept))
    }

    fn subscriptions(&self, _: &KeepSpec) -> Result<Arc<dyn Subscriptions>, Unfit> {
        Ok(self.tables())
    }

    fn retained(&self) -> Option<Arc<dyn Retained>> {
        Some(self.tables())
    }

    fn presence(&self) -> Option<Arc<dyn Presence>> {
        Some(self.tables())
    }

    fn statements(&self) -> Option<Arc<dyn Statements>> {
        Some(Arc::clone(&self.statements) as Arc<dyn Statements>)
    }

    fn schema(&self) -> Option<Arc<dyn Schema>> {
        Some(Arc::new(KeySchema {
            client: Arc::clone(&self.client),
            keys: Arc::clone(&self.keys),
        }))
    }
}
