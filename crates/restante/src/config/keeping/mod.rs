//! `[backend.KIND.NAME]`, `[[keep]]` and `[[hook]]`: what they take, and how they are read.
//!
//! Each is a table with settings of its own, declared like all others; [`table`] reads, shows and describes them. How
//! they fit together is not known here.

mod basis;
mod bounds;
mod hook;
mod keep;
mod pool;
pub(super) mod read;
mod redis;
mod sql;
pub(super) mod table;
#[cfg(test)]
mod tests;

pub(crate) use bounds::BoundsDraft;
pub(crate) use hook::HookDraft;
pub(crate) use keep::{KeepDraft, variables};
pub use pool::{Basis, PayloadEncoding, Pool, PoolSettings, RedisMode, RedisSettings, SqlSettings, Tls};

/// The tables of a kind of pool, of keeps and of hooks, for the reference and for looking up names.
pub(super) const REDIS: &table::Shape<RedisSettings> = &redis::REDIS;
/// See [`REDIS`].
pub(super) const MYSQL: &table::Shape<SqlSettings> = &sql::MYSQL;
/// See [`REDIS`].
pub(super) const POSTGRES: &table::Shape<SqlSettings> = &sql::POSTGRES;
/// See [`REDIS`].
pub(super) const KEEP: &table::Shape<KeepDraft> = &keep::KEEP;
/// See [`REDIS`].
pub(super) const HOOK: &table::Shape<HookDraft> = &hook::HOOK;
