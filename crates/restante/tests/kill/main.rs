//! The real binary under load, killed with SIGKILL at random moments and started again on the same folder: every
//! acknowledged message arrives, in order, and at QoS 2 once (K52).
//!
//! Publishers keep their sessions and send again with DUP under the same packet identifier what was not
//! acknowledged; subscribers are persistent and are dropped at every half-step. `RESTANTE_KILL_ROUNDS` (30) and
//! `RESTANTE_KILL_SEED` say how often and how chance falls; `cargo xtask kill 500` runs many rounds.
//!
//! SIGKILL says nothing about what the page cache would have lost: that is what simulated disks are for (K12).

mod chance;
mod ledger;
mod message;
mod publisher;
mod run;
mod subscriber;

use std::path::Path;

use restante_testkit::{Broker, BrokerBuilder};

use chance::Chance;
use run::Plan;

/// Kills unless `RESTANTE_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 30;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
        Err(_) => default,
    }
}

#[test]
fn k52_nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let rounds = number("RESTANTE_KILL_ROUNDS", ROUNDS);
    let seed = number("RESTANTE_KILL_SEED", 0x5eed);
    let outcome = run::run(broker().start(), Plan::new(rounds), Chance::new(seed));
    println!("{outcome}");
    assert!(outcome.is_clean(), "seed {seed:#x}, {rounds} kills: {outcome}");
    assert!(outcome.acknowledged > 100 * rounds, "hardly any load: {outcome}");
}

/// A store that forgets at a kill fails the test above: it can fail.
#[test]
fn the_test_sees_what_a_store_in_memory_loses() {
    let outcome = run::run(in_memory(), Plan::new(2), Chance::new(1));
    assert!(!outcome.is_clean(), "nothing was lost over two kills: {outcome}");
}

/// Without kills, and with subscribers dropped at every half-step, the same store passes it: it does not cry wolf.
#[test]
fn the_test_passes_where_nothing_is_lost() {
    let outcome = run::run(in_memory(), Plan::new(0), Chance::new(2));
    assert!(outcome.is_clean(), "without a kill: {outcome}");
}

/// Nothing may be evicted: what is missing must be lost (K53).
fn broker() -> BrokerBuilder {
    Broker::builder()
        .executable(Path::new(env!("CARGO_BIN_EXE_restante")))
        .session("max_mqueue_len", "100000000")
        .session("max_mqueue_bytes", "\"64GiB\"")
}

fn in_memory() -> Broker {
    broker().top("store", "\"memory\"").start()
}
