//! Leaves out lines whose code has been written often lately, and counts them.
//!
//! In each period a code has [`LINES_PER_PERIOD`] lines; what comes beyond is counted, and the count is written in a
//! line of its own (`code=log-repeated`) when the period is over. Debug and trace lines are not throttled: whoever
//! turns them on wants them all. Bounded: [`CODES_MAX`] codes; the ones beyond share a place.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// Lines of one code in one period.
pub const LINES_PER_PERIOD: usize = 10;

/// How long a period lasts.
pub const PERIOD: Duration = Duration::from_secs(60);

/// Codes that are told apart.
pub const CODES_MAX: usize = 256;

/// The code of the line that says how many were left out.
pub const REPEATED: &str = "log-repeated";

/// Where the codes beyond [`CODES_MAX`] are counted.
const OTHERS: &str = "other-codes";

/// The counts.
#[derive(Debug, Default)]
pub struct Throttle {
    codes: Mutex<HashMap<String, Count>>,
    suppressed: AtomicU64,
}

/// How many lines of a code were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
    /// Whether there were errors among them.
    pub error: bool,
}

#[derive(Debug)]
struct Count {
    since: Instant,
    lines: usize,
    left_out: u64,
    error: bool,
}

impl Throttle {
    /// Whether a line of that code may be written now; if not, it is counted.
    pub fn admit(&self, code: &str, error: bool, now: Instant) -> bool {
        if code == REPEATED {
            return true;
        }
        let mut codes = self.codes.lock();
        let known = codes.contains_key(code) || codes.len() < CODES_MAX;
        let code = if known { code } else { OTHERS };
        let fresh = Count {
            since: now,
            lines: 0,
            left_out: 0,
            error: false,
        };
        let count = match codes.get_mut(code) {
            Some(count) => count,
            None => codes.entry(code.to_owned()).or_insert(fresh),
        };
        if now.duration_since(count.since) >= PERIOD {
            count.since = now;
            count.lines = 0;
        }
        if count.lines < LINES_PER_PERIOD {
            count.lines += 1;
            return true;
        }
        count.left_out += 1;
        count.error |= error;
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// What was left out in periods that are over, or in all when the process is ending. Each is given once.
    pub fn take_report(&self, now: Instant, ending: bool) -> Vec<Repeated> {
        let mut report = Vec::new();
        for (code, count) in self.codes.lock().iter_mut() {
            let over = ending || now.duration_since(count.since) >= PERIOD;
            if over && count.left_out > 0 {
                report.push(Repeated {
                    code: code.clone(),
                    count: count.left_out,
                    error: count.error,
                });
                count.left_out = 0;
                count.error = false;
            }
        }
        report.sort_by(|one, other| one.code.cmp(&other.code));
        report
    }

    /// All lines left out since the start.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

/// The throttle as a layer: it lets an event pass for all layers, or for none.
#[derive(Debug)]
pub struct ThrottleLayer {
    throttle: Arc<Throttle>,
}

impl ThrottleLayer {
    /// A layer that asks this throttle.
    pub fn new(throttle: Arc<Throttle>) -> ThrottleLayer {
        ThrottleLayer { throttle }
    }
}

impl<S: Subscriber> Layer<S> for ThrottleLayer {
    #[allow(clippy::disallowed_methods)]
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let level = *event.metadata().level();
        if level > Level::INFO {
            return true;
        }
        let mut asking = Asking {
            throttle: &self.throttle,
            error: level == Level::ERROR,
            now: Instant::now(),
            admitted: true,
        };
        event.record(&mut asking);
        asking.admitted
    }
}

/// Looks for the code among an event's fields.
struct Asking<'a> {
    throttle: &'a Throttle,
    error: bool,
    now: Instant,
    admitted: bool,
}

impl Visit for Asking<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "code" {
            self.admitted = self.throttle.admit(value, self.error, self.now);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "code" {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(throttle: &Throttle, code: &str, times: usize, now: Instant) -> usize {
        (0..times).filter(|_| throttle.admit(code, false, now)).count()
    }

    #[test]
    fn each_code_has_its_lines_in_each_period() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(write(&throttle, "a", 25, start), 10);
        assert_eq!(write(&throttle, "b", 3, start), 3);
        let later = start + PERIOD;
        assert_eq!(write(&throttle, "a", 12, later), 10);
        assert_eq!(throttle.suppressed(), 17);
        assert_eq!(
            throttle.take_report(later, false),
            [],
            "the period of the last one is not over"
        );
        let all = [Repeated {
            code: "a".to_owned(),
            count: 17,
            error: false,
        }];
        assert_eq!(throttle.take_report(later + PERIOD, false), all);
        assert_eq!(throttle.take_report(later + PERIOD, true), [], "told once");
    }

    #[test]
    fn an_error_among_what_was_left_out_is_told() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        write(&throttle, "a", 11, now);
        throttle.admit("a", true, now);
        assert_eq!(
            throttle.take_report(now, true),
            [Repeated {
                code: "a".to_owned(),
                count: 2,
                error: true
            }]
        );
    }

    #[test]
    fn the_table_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..10 * CODES_MAX {
            throttle.admit(&format!("code-{number}"), false, now);
        }
        assert!(throttle.codes.lock().len() <= CODES_MAX + 1);
        assert!(throttle.suppressed() > 0, "those beyond share a place");
    }

    #[test]
    fn the_report_itself_is_never_left_out() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(write(&throttle, REPEATED, 100, now), 100);
    }
}
