//! Listeners, connections, the router, sessions at work.
//!
//! Floor 3. Knows the store by its contract only, and neither a database, nor HTTP, nor the configuration's shape.

mod accepted;
mod broker;
mod clock;
mod connection;
mod counters;
mod directory;
mod due_wills;
mod expiry_mark;
pub mod figures;
mod group;
mod housekeeping;
pub mod keeping;
mod live;
mod plan;
mod ranges;
mod reactor;
mod router;
mod runtime;
pub mod settings;
mod shared;
mod wire;

pub use broker::{Broker, BrokerWatch, StartError};
