//! The program `restante`: arguments, configuration, log lines, wiring.
//!
//! Floor 5. Nothing here decides about a message; it starts the parts in their order and stops them again.

pub mod backends;
pub mod cli;
pub mod config;
pub mod keeping;
pub mod logging;

mod serve;
