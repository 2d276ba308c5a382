//! What is configured, ready to be run: pools, keeps, rules.

use std::{fmt, sync::Arc, time::Duration};

use restante_backend::{
    Backend,
    messages::{KeepSpec, Messages},
    statement::StatementId,
    tables::{Schema, Subscriptions},
};
use restante_model::{Layout, Mode};
use restante_rules::RuleSet;

/// Pools at most: they are named in a 64-bit set.
pub const POOLS_MAX: usize = 64;

/// All of it. The rules name pools and keeps by their places in these lists.
pub struct Setup {
    /// The pools.
    pub pools: Vec<PoolSetup>,
    /// The keeps.
    pub keeps: Vec<KeepSetup>,
    /// The user's statements, as the rules number them.
    pub statements: Vec<StatementId>,
    /// The rules.
    pub rules: RuleSet,
    /// Who this broker is, in tables that say who wrote a row.
    pub node: String,
}

/// One pool.
pub struct PoolSetup {
    /// `redis.main`: kind and name.
    pub name: String,
    /// The pool itself.
    pub backend: Arc<dyn Backend>,
    /// Subscriptions that an application has put there for clients (`on_subscribe_lookup`).
    pub lookup: Option<Arc<dyn Subscriptions>>,
    /// Bounds of its outbox.
    pub limits: OutboxLimits,
    /// How long a record waits for company.
    pub batch_time: Duration,
}

/// One source of backlog, or one place to write to.
pub struct KeepSetup {
    /// Tells it from others in notes and logs; does not change from start to start.
    pub name: String,
    /// Its pool's place in the list.
    pub pool: usize,
    /// Who gets what is kept.
    pub mode: Mode,
    /// Whose tables and keys.
    pub layout: Layout,
    /// Its messages in the pool.
    pub messages: Arc<dyn Messages>,
    /// Where its clients' subscriptions are written and read.
    pub subscriptions: Option<Arc<dyn Subscriptions>>,
    /// Tables to be made before anything is asked of them.
    pub install: Option<InstallSchema>,
    /// What a client with no read position gets.
    pub first_subscribe: FirstSubscribe,
    /// Messages appended at a time; 1 or more.
    pub batch: usize,
    /// Messages fetched at a time; 1 or more.
    pub page: usize,
    /// Only messages that are no older are fetched.
    pub time_range: Option<Duration>,
}

/// Tables that are made where they are missing (`init_default_schema`).
pub struct InstallSchema {
    /// What makes them.
    pub schema: Arc<dyn Schema>,
    /// For whom.
    pub spec: KeepSpec,
}

/// What a client with no read position gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstSubscribe {
    /// Everything there is.
    All,
    /// What comes from now on.
    FromNow,
    /// The newest so many.
    Last(usize),
    /// What arrived within this time.
    Since(Duration),
}

/// Bounds of an outbox (K42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most records; 0 = no limit.
    pub messages_max: u64,
    /// Most bytes of them; 0 = no limit.
    pub bytes_max: u64,
    /// How long a record stays after a database without row numbers has taken it, to be sent again when another server
    /// answers (K40); zero = not at all.
    pub confirm_window: Duration,
    /// How long a record may wait; `None` = however long. Then it goes to the dead letters.
    pub age_max: Option<Duration>,
    /// What happens at the limit.
    pub when_full: WhenFull,
    /// Most dead letters; the oldest go.
    pub dead_letters_max: u64,
}

/// The policy at an outbox's limit (K42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Publishes that would be owed are refused.
    RejectPublisher,
    /// The oldest records go to the dead letters.
    DeadLetterOldest,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pools = self.pools.iter().map(|pool| &pool.name);
        f.debug_list().entries(pools).finish()
    }
}
