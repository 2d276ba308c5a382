//! One line a second on stderr, so that a long run is seen to live.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::BenchError;

/// How often a line is printed.
const EVERY: Duration = Duration::from_secs(1);

/// What has been done of what is to be done; counted by workers, printed beside them.
pub(crate) struct Progress {
    done: AtomicU64,
    ended: Mutex<bool>,
    wake: Condvar,
    failed: AtomicBool,
}

impl Progress {
    /// Runs `work` while a line is printed every second: `what`, done of `total`, and the rate.
    pub(crate) fn show<T>(
        quiet: bool,
        what: &str,
        total: u64,
        work: impl FnOnce(&Progress) -> Result<T, BenchError>,
    ) -> Result<T, BenchError> {
        let progress = Progress {
            done: AtomicU64::new(0),
            ended: Mutex::new(false),
            wake: Condvar::new(),
            failed: AtomicBool::new(false),
        };
        thread::scope(|scope| {
            if !quiet {
                scope.spawn(|| progress.print(what, total));
            }
            let result = work(&progress);
            *lock(&progress.ended) = true;
            progress.wake.notify_all();
            result
        })
    }

    /// Counts work done.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.done.fetch_add(count, Ordering::Relaxed);
    }

    /// Tells the other workers of a run that one has failed, so that they end too.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether a worker has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn print(&self, what: &str, total: u64) {
        let start = Instant::now();
        let (mut before, mut last) = (0, start);
        let mut ended = lock(&self.ended);
        while !*ended {
            ended = match self.wake.wait_timeout(ended, EVERY) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
            let elapsed = last.elapsed();
            if *ended || elapsed < EVERY {
                continue;
            }
            let done = self.done.load(Ordering::Relaxed);
            let rate = (done - before) as f64 / elapsed.as_secs_f64();
            eprintln!(
                "{what}: {done} of {total}, {rate:.0}/s, {} s",
                start.elapsed().as_secs()
            );
            (before, last) = (done, Instant::now());
        }
    }
}

fn lock(ended: &Mutex<bool>) -> std::sync::MutexGuard<'_, bool> {
    match ended.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}
