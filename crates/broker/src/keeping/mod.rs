//! Keeping in databases: what is owed to them, how it gets there, how it comes back (`docs/design/keeping.md`).
//!
//! | module | concept |
//! |---|---|
//! | [`setup`] | what is configured |
//! | [`ruling`] | what the rules say of a message, a filter, an event |
//! | [`owed`] | events as records of an outbox |
//! | [`pool`] | one pool: its outbox, how full it is, how far it has come |
//! | [`reduce`] | a page of the outbox becomes slices of work |
//! | [`values`] | what a statement may use of a record |
//! | [`perform`] | slices are asked of the pool |
//! | [`open`] | the queues of the broker's own |
//! | [`confirming`] | what was sent is kept until it is certain |
//! | [`letters`] | what is given up |
//! | [`drain`] | the loop that carries an outbox into its database |
//! | [`fetch`] | what waits in a database is read for a client |
//! | [`retained`] | retained messages that databases hold |
//! | [`leases`] | who has been given what in queue mode |
//! | [`topics`] | which topics of a keep have a backlog |
//! | [`positions`] | from where a client reads a topic |
//! | [`lookup`] | the subscriptions that databases hold for a client |
//! | [`presence`] | who is written as connected is put right after a start |
//! | [`schema`] | tables that are missing are made |
//! | [`scan`] | the topics that the database has, and those that were noted |
//! | [`keeper`] | the thread on which all this runs |

pub(crate) mod confirming;
pub(crate) mod drain;
pub(crate) mod fetch;
pub(crate) mod keeper;
pub(crate) mod leases;
pub(crate) mod letters;
pub(crate) mod lookup;
pub(crate) mod open;
pub(crate) mod owed;
pub(crate) mod perform;
pub(crate) mod pool;
pub(crate) mod positions;
pub(crate) mod presence;
pub(crate) mod reduce;
pub(crate) mod retained;
pub(crate) mod ruling;
pub(crate) mod scan;
pub(crate) mod schema;
pub mod setup;
pub(crate) mod topics;
pub(crate) mod values;
