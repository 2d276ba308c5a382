//! The wall clock as the broker uses it: monotonic while it runs (K29).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use restante_model::{UnixMicros, UnixMillis};

/// A step of the system's clock further than this is reported; one forward is followed when it has been trusted.
const STEP: Duration = Duration::from_secs(3600);

/// Wall time at the start plus monotonic time since, plus the steps of the system's clock that were followed.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: UnixMicros,
    /// Microseconds by which the system's clock has stepped forward and was followed.
    followed: AtomicU64,
}

/// One moment on both scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// By which things expire.
    pub(crate) wall: UnixMillis,
    /// By which silence is measured: never steps.
    pub(crate) steady: UnixMillis,
}

impl Clock {
    /// Starts now, but never before `last_known`: a start with an earlier clock counts the absence as zero (K29).
    pub(crate) fn start(last_known: UnixMillis) -> Clock {
        let floor = UnixMicros(last_known.0.saturating_mul(1000));
        Clock {
            started: Instant::now(),
            started_at: system_time().max(floor),
            followed: AtomicU64::new(0),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Moment {
        let steady = UnixMicros(self.started_at.0 + self.started.elapsed().as_micros() as u64);
        let followed = self.followed.load(Ordering::Relaxed);
        Moment {
            wall: UnixMicros(steady.0 + followed).millis(),
            steady: steady.millis(),
        }
    }

    /// Now, by which things expire.
    pub(crate) fn millis(&self) -> UnixMillis {
        self.now().wall
    }

    /// Now, by which silence is measured.
    pub(crate) fn steady(&self) -> UnixMillis {
        self.now().steady
    }

    /// Goes on from where the system's clock is.
    pub(crate) fn follow(&self, step: Duration) {
        self.followed
            .fetch_add(step.as_micros() as u64, Ordering::Relaxed);
    }
}

/// What the system's clock shows.
pub(crate) fn system_time() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMicros(since.unwrap_or(Duration::ZERO).as_micros() as u64)
}

/// Watches the system's clock for steps.
#[derive(Debug)]
pub(crate) struct Steps {
    /// How long a step forward must last before it is followed; none = for ever.
    trust: Option<Duration>,
    /// The step under watch, since when it is seen.
    seen: Option<(Step, UnixMillis)>,
}

/// How far the system's clock is from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Forward(Duration),
    Back(Duration),
}

/// What there is to tell or to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The clock has stepped: nothing expires by that yet.
    Stepped(Step),
    /// It has stayed there: ours goes there too.
    Trusted(Duration),
}

impl Steps {
    pub(crate) fn new(trust: Option<Duration>) -> Steps {
        Steps { trust, seen: None }
    }

    /// Compares the system's clock with ours. Every step is told once, and again when it becomes another one.
    pub(crate) fn look(&mut self, system: UnixMillis, ours: Moment) -> Option<News> {
        let apart = Duration::from_millis(system.0.abs_diff(ours.wall.0));
        if apart <= STEP {
            self.seen = None;
            return None;
        }
        let step = match system > ours.wall {
            true => Step::Forward(apart),
            false => Step::Back(apart),
        };
        match self.seen {
            Some((before, since)) if before.is_near(step) => {
                let lasted = Duration::from_millis(ours.steady.0.saturating_sub(since.0));
                let Step::Forward(far) = step else { return None };
                if self.trust.is_none_or(|trust| lasted < trust) {
                    return None;
                }
                self.seen = None;
                Some(News::Trusted(far))
            }
            _ => {
                self.seen = Some((step, ours.steady));
                Some(News::Stepped(step))
            }
        }
    }
}

impl Step {
    /// Whether it is the same step, as far as clocks that drift allow.
    fn is_near(self, other: Step) -> bool {
        match (self, other) {
            (Step::Forward(one), Step::Forward(other)) | (Step::Back(one), Step::Back(other)) => {
                one.abs_diff(other) <= STEP
            }
            _ => false,
        }
    }

    /// How far, whichever way.
    pub(crate) fn distance(self) -> Duration {
        match self {
            Step::Forward(far) | Step::Back(far) => far,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const START: u64 = 1_792_000_000_000;

    fn at(hours: u64) -> Moment {
        Moment {
            wall: UnixMillis(START + hours * HOUR),
            steady: UnixMillis(START + hours * HOUR),
        }
    }

    fn system(hours: u64) -> UnixMillis {
        UnixMillis(START + hours * HOUR)
    }

    fn hours(count: u64) -> Duration {
        Duration::from_millis(count * HOUR)
    }

    #[test]
    fn k29_a_step_forward_is_told_at_once_and_followed_when_it_has_lasted() {
        let mut steps = Steps::new(Some(hours(24)));
        assert_eq!(steps.look(system(0), at(0)), None);
        assert_eq!(steps.look(system(2), at(1)), None, "an hour is no step");
        let stepped = News::Stepped(Step::Forward(hours(100)));
        assert_eq!(steps.look(system(101), at(1)), Some(stepped));
        assert_eq!(steps.look(system(102), at(2)), None, "told once");
        assert_eq!(steps.look(system(124), at(24)), None, "not trusted yet");
        assert_eq!(steps.look(system(125), at(25)), Some(News::Trusted(hours(100))));
    }

    #[test]
    fn k29_a_step_that_is_taken_back_or_becomes_another_begins_anew() {
        let mut steps = Steps::new(Some(hours(24)));
        assert!(steps.look(system(100), at(0)).is_some());
        assert_eq!(steps.look(system(10), at(10)), None, "it was taken back");
        let again = steps.look(system(120), at(20));
        assert_eq!(again, Some(News::Stepped(Step::Forward(hours(100)))));
        assert_eq!(steps.look(system(130), at(30)), None);
        let further = steps.look(system(230), at(30));
        assert_eq!(further, Some(News::Stepped(Step::Forward(hours(200)))));
        assert_eq!(steps.look(system(244), at(44)), None, "since it became another");
        assert_eq!(steps.look(system(254), at(54)), Some(News::Trusted(hours(200))));
    }

    #[test]
    fn k29_a_step_back_is_told_and_never_followed_nor_is_any_without_trust() {
        let mut steps = Steps::new(Some(Duration::ZERO));
        let back = News::Stepped(Step::Back(hours(50)));
        assert_eq!(steps.look(system(50), at(100)), Some(back));
        assert_eq!(steps.look(system(1050), at(1100)), None);
        let mut never = Steps::new(None);
        assert!(never.look(system(100), at(0)).is_some());
        assert_eq!(never.look(system(100_100), at(100_000)), None);
    }

    #[test]
    fn k29_what_is_followed_moves_expiry_and_not_silence() {
        let clock = Clock::start(UnixMillis(0));
        let before = clock.now();
        assert_eq!(before.wall, before.steady);
        clock.follow(hours(5));
        let after = clock.now();
        assert_eq!(after.wall.0 - after.steady.0, 5 * HOUR);
        assert!(after.steady.0 - before.steady.0 < HOUR);
        // And so the step is none any more.
        let mut steps = Steps::new(Some(Duration::ZERO));
        assert_eq!(steps.look(after.wall, after), None);
    }

    #[test]
    fn k29_a_start_before_the_last_known_time_counts_the_absence_as_zero() {
        let future = UnixMillis(system_time().millis().0 + 1000 * HOUR);
        let clock = Clock::start(future);
        assert!(clock.millis() >= future && clock.millis().0 < future.0 + HOUR);
    }
}
