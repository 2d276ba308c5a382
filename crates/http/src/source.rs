//! What the pages show, asked of whoever wires the process together.

use std::time::Duration;

use restante_broker::figures::{BrokerFigures, PoolFigures};
use restante_store::contract::{Admission, Figures};

/// Answers for the pages. Called on the HTTP thread at most once per request; must not block.
pub trait Source: Send + Sync + 'static {
    /// Whether the process is alive. Bad only when a restart would help.
    fn live(&self) -> Check;
    /// Whether messages are taken and kept now.
    fn ready(&self) -> Check;
    /// The broker's figures.
    fn broker(&self) -> BrokerFigures;
    /// The figures of the pools of databases.
    fn pools(&self) -> Vec<PoolFigures>;
    /// The store's figures.
    fn store(&self) -> Figures;
    /// Whether the store takes messages.
    fn admission(&self) -> Admission;
    /// Figures of the process as a whole.
    fn process(&self) -> ProcessFigures;
}

/// The answer to a health question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// All is well, and a sentence that says what that means.
    Good(String),
    /// Something is wrong: what, and what to do.
    Bad(String),
}

/// Figures of the process as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// The version of the program.
    pub version: &'static str,
    /// Time since the start.
    pub uptime: Duration,
    /// Log lines left out by the throttle.
    pub log_lines_suppressed: u64,
}
