//! The real binary under load, killed with SIGKILL at random moments and started again on the same folder: every
//! acknowledged message arrives, in order, and at QoS 2 once (K52).
//!
//! Publishers keep their sessions and send again with DUP under the same packet identifier what was not
//! acknowledged; subscribers are persistent and are dropped at every half-step. `RESTANTE_KILL_ROUNDS` (30) and
//! `RESTANTE_KILL_SEED` say how often and how chance falls; `cargo xtask kill 500` runs many rounds.
//!
//! SIGKILL says nothing about what the page cache would have lost. So it is done again on a disk that loses at each
//! kill what was not synced (K12): `RESTANTE_POWER_ROUNDS` (12), `cargo xtask power 500`. Each way to lie about a sync,
//! or to leave it out, must fail that.

mod chance;
mod guests;
mod ledger;
mod message;
mod power;
mod publisher;
mod run;
mod subscriber;

use std::path::Path;

use restante_testkit::{Broker, BrokerBuilder};

use chance::Chance;
use power::{Lie, Power};
use run::Plan;

/// Kills unless `RESTANTE_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 30;
/// Losses of power unless `RESTANTE_POWER_ROUNDS` says otherwise.
const POWER_ROUNDS: u64 = 12;
/// Losses of power within which a sync that is left out must be seen.
const MUTANT_ROUNDS: u64 = 3;

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

#[test]
fn k12_nothing_acknowledged_is_lost_or_doubled_by_losses_of_power() {
    let Some(power) = Power::new() else { return };
    let rounds = number("RESTANTE_POWER_ROUNDS", POWER_ROUNDS);
    let seed = number("RESTANTE_KILL_SEED", 0x5eed);
    let broker = power.supply(on_small_segments(), Lie::None).start();
    let outcome = run::run(broker, Plan::with_power(rounds, &power), Chance::new(seed));
    println!("{outcome}");
    assert!(outcome.is_clean(), "seed {seed:#x}, {rounds} losses: {outcome}");
    assert!(outcome.acknowledged > 100 * rounds, "hardly any load: {outcome}");
}

/// Acknowledgements that do not wait for the sync of the log are seen: the mutant is the program's own setting.
#[test]
fn k12_the_test_sees_acknowledgements_before_the_sync() {
    let Some(power) = Power::new() else { return };
    let broker = power.supply(on_small_segments().top("sync", "\"never\""), Lie::None);
    assert_seen(broker, &power, "the log is synced when a segment is full");
}

/// A sync of the log that does nothing is seen.
#[test]
fn k12_the_test_sees_a_log_that_is_not_synced() {
    let Some(power) = Power::new() else { return };
    let broker = power.supply(on_small_segments(), Lie::Segments);
    assert_seen(broker, &power, "segments are never synced");
}

/// A sync of folders that does nothing is seen.
#[test]
fn k12_the_test_sees_names_that_are_not_synced() {
    let Some(power) = Power::new() else { return };
    let broker = power.supply(on_small_segments(), Lie::Folders);
    assert_seen(broker, &power, "folders are never synced");
}

fn assert_seen(broker: BrokerBuilder, power: &Power, what: &str) {
    let outcome = run::run(
        broker.start(),
        Plan::with_power(MUTANT_ROUNDS, power),
        Chance::new(3),
    );
    println!("{what}: {outcome}");
    assert!(outcome.has_lost(), "{what}, and nobody saw it: {outcome}");
}

/// Segments and checkpoints so small that they are begun and left between any two kills.
fn on_small_segments() -> BrokerBuilder {
    broker()
        .session("max_packet_size", "\"64KiB\"")
        .log_store("segment_bytes", "\"1MiB\"")
        .log_store("checkpoint_bytes", "\"1MiB\"")
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
