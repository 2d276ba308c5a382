//! The durable store and the contract through which the broker speaks to it.

pub mod batch;
pub mod change;
pub mod change_record;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contract;
pub mod folder;
pub mod image;
pub mod io;
pub mod log;
pub mod memory;
mod notes;
pub mod parts;
pub mod record;
#[cfg(feature = "sim")]
pub mod sim;
mod wire;
