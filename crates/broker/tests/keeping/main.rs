//! Messages that wait in a database: outbox, drain, fetch, against a database in memory that fails when told to.

// In tests a panic is how something is said.
#![allow(clippy::unwrap_used)]

mod house;
mod shelf;

mod backlog;
mod changes;
mod outbox;
mod positions;
