//! The log store on a disk that loses, tears and refuses (K12, K57).
//!
//! The default run takes well under a minute. `RESTANTE_CRASHES=10000 cargo test --release -p restante-store --test
//! crash` makes at least so many crashes, and `RESTANTE_CRASH_SEED` begins at another seed; a failure names the seed
//! that shows it.

mod damage;
mod faults;
mod full;
mod journal;
mod judgement;
mod opening;
mod runs;
mod spoiled;

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

use restante_store::log::Sync;
use runs::{crash_again_and_again, crash_everywhere, plain};

/// Crashes of the default run.
const CRASHES: usize = 1200;

fn variable(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {value}")),
        Err(_) => default,
    }
}

/// Runs seed after seed on two threads until so many crashes were made.
fn until_enough(share: usize, one: impl Fn(u64) -> Result<usize, String> + std::marker::Sync) {
    let crashes = variable("RESTANTE_CRASHES", CRASHES as u64) as usize * share / 100;
    let seed = AtomicU64::new(variable("RESTANTE_CRASH_SEED", 1));
    let made = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while made.load(Ordering::Relaxed) < crashes {
                    let count =
                        one(seed.fetch_add(1, Ordering::Relaxed)).unwrap_or_else(|why| panic!("{why}"));
                    made.fetch_add(count, Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} crashes", made.into_inner());
}

#[test]
fn k57_a_crash_at_every_call_of_a_short_run_loses_nothing_durable() {
    until_enough(60, |seed| crash_everywhere(seed, 200, plain, Sync::Always));
}

#[test]
fn k57_crash_after_crash_in_long_runs_loses_nothing_durable() {
    const CRASHES_PER_RUN: usize = 25;
    until_enough(40, |seed| {
        crash_again_and_again(seed, CRASHES_PER_RUN, plain).map(|()| CRASHES_PER_RUN)
    });
}

#[test]
fn k57_without_a_sync_for_each_commit_a_crash_still_leaves_a_prefix() {
    for (seed, sync) in [
        (1, Sync::Never),
        (2, Sync::Never),
        (3, Sync::Interval(5)),
        (4, Sync::Interval(5)),
    ] {
        crash_everywhere(seed, 100, plain, sync).unwrap_or_else(|why| panic!("{sync:?}: {why}"));
    }
}
