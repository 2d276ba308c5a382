//! What a database must be able to do to keep messages for Restante: the contract between the broker and the backends.
//!
//! | module | concept |
//! |---|---|
//! | [`contract`] | one configured pool and what can be asked of it |
//! | [`messages`] | a table (or keys) of messages: append, fetch, delete, read positions |
//! | [`tables`] | the documented tables beside it: retained, presence, subscriptions, schema |
//! | [`statement`] | the user's own statements and the values they bind |
//! | [`template`] | `${placeholders}`: found where they are values, never pasted |
//! | [`sql`] | what the SQL backends have in common |
//! | [`capability`] | what a kind of backend can do, as data |
//! | `conformance` | the suite that every backend passes (feature `conformance`) |
//! | [`stored_id`] | message ids as texts that other systems wrote |
//! | [`stored_field`] | times and flags that other systems wrote in more than one way |
//! | [`trouble`] | what went wrong, and whose fault it is |
//!
//! Work is always a slice, one round trip for all of it. Nothing here knows a broker or a store; a backend knows no
//! other backend. Every call ends within the pool's time limit: with an answer, or with [`trouble::Away`].

pub mod capability;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contract;
pub mod messages;
pub mod sql;
pub mod statement;
pub mod stored_field;
pub mod stored_id;
pub mod tables;
pub mod template;
pub mod trouble;

pub use contract::{Backend, Work};
