//! The wall clock as the broker uses it: monotonic while it runs (K29).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use restante_model::{UnixMicros, UnixMillis};

/// A step of the wall clock further than this is reported and not followed until a restart.
pub(crate) const STEP_REPORTED: Duration = Duration::from_secs(3600);

/// Wall time at the start plus monotonic time since: a step of the system's clock expires nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: UnixMicros,
}

impl Clock {
    /// Starts now, but never before `last_known`: a start with an earlier clock counts the absence as zero (K29).
    pub(crate) fn start(last_known: UnixMillis) -> Clock {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let wall = UnixMicros(wall.as_micros() as u64);
        let floor = UnixMicros(last_known.0.saturating_mul(1000));
        Clock {
            started: Instant::now(),
            started_at: wall.max(floor),
        }
    }

    /// Now, in microseconds.
    pub(crate) fn micros(&self) -> UnixMicros {
        UnixMicros(self.started_at.0 + self.started.elapsed().as_micros() as u64)
    }

    /// Now, in milliseconds.
    pub(crate) fn millis(&self) -> UnixMillis {
        self.micros().millis()
    }

    /// How far the system's clock has stepped away from ours since the start, if further than [`STEP_REPORTED`].
    pub(crate) fn stepped(&self) -> Option<Duration> {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let ours = Duration::from_micros(self.micros().0);
        let apart = wall.abs_diff(ours);
        (apart > STEP_REPORTED).then_some(apart)
    }
}
