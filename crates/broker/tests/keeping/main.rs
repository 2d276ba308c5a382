//! Messages that wait in a database: outbox, drain, fetch, against a database in memory that fails when told to.

mod house;
mod shelf;

mod backlog;
mod outbox;
mod positions;
