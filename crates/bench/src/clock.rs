//! Time within one run: nanoseconds since its start, and its end.

use std::time::{Duration, Instant};

use crate::error::BenchError;

/// The clock of a run; copies agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    deadline: Instant,
}

impl Clock {
    /// Starts; the run must be over after `limit`.
    pub(crate) fn start(limit: Duration) -> Clock {
        let start = Instant::now();
        Clock {
            start,
            deadline: start + limit,
        }
    }

    /// Nanoseconds since the start. 64 bits of them last 584 years.
    pub(crate) fn nanos(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// An error once the deadline has passed; `what` says what is missing.
    pub(crate) fn check(&self, what: impl FnOnce() -> String) -> Result<(), BenchError> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(BenchError::Deadline { what: what() })
    }
}
