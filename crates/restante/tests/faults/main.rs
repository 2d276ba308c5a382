//! The real binary with its messages in a real database, while the broker is killed, the database is killed, the
//! connection between them is cut or swallows what is sent, or several of these at once (K35, K40, K46, K52).
//!
//! Publishers send again until they are acknowledged; subscribers come and go, some with sessions that stay. At the end
//! everything that was acknowledged to a publisher has come, nothing that a subscriber has acknowledged comes back, each
//! topic came in order, and a queue's database is empty. `RESTANTE_FAULT_ROUNDS` (a few), `RESTANTE_FAULT_SEED` and
//! `RESTANTE_FAULT_KIND` say how often, how chance falls and which kind alone; `cargo xtask faults` sets them.

#[path = "../kill/chance.rs"]
mod chance;
mod faults;
#[path = "../kill/ledger.rs"]
mod ledger;
mod message;
#[path = "../kill/publisher.rs"]
mod publisher;
mod roles;
mod run;
mod server;
mod subscriber;

use chance::Chance;
use faults::Kind;
use server::{SERVERS, Server};

/// Faults of each kind unless `RESTANTE_FAULT_ROUNDS` says otherwise.
const ROUNDS: u64 = 3;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
        Err(_) => default,
    }
}

/// Whether this kind was asked for: all are, unless one is named.
fn is_asked_for(kind: Kind) -> bool {
    std::env::var("RESTANTE_FAULT_KIND").is_ok_and(|name| name == kind.word())
        || std::env::var_os("RESTANTE_FAULT_KIND").is_none()
}

fn survive(kind: Kind) {
    if !is_asked_for(kind) {
        return;
    }
    for make in SERVERS {
        let Some(server) = make() else { continue };
        let rounds = number("RESTANTE_FAULT_ROUNDS", ROUNDS);
        let seed = number("RESTANTE_FAULT_SEED", 0x5eed);
        let outcome = run::run(server, kind, rounds, Chance::new(seed));
        println!("{}: {outcome}", kind.word());
        assert!(
            outcome.is_clean(),
            "{}, seed {seed:#x}, {rounds} rounds: {outcome}",
            kind.word()
        );
        assert!(outcome.acknowledged > 20 * rounds, "hardly any load: {outcome}");
    }
}

#[test]
fn k52_nothing_is_lost_when_nothing_fails() {
    survive(Kind::None);
}

#[test]
fn k52_nothing_is_lost_when_the_broker_is_killed() {
    survive(Kind::Broker);
}

#[test]
fn k40_nothing_is_lost_when_the_database_is_killed() {
    survive(Kind::Database);
}

#[test]
fn k36_nothing_is_lost_when_the_connection_is_cut() {
    survive(Kind::Cut);
}

#[test]
fn k56_nothing_is_lost_when_the_connection_swallows() {
    survive(Kind::Swallow);
}

#[test]
fn k40_nothing_is_lost_when_both_are_killed() {
    survive(Kind::Both);
}

#[test]
fn k52_nothing_is_lost_when_anything_fails() {
    survive(Kind::Any);
}

/// How often a database may forget without being seen to.
const ATTEMPTS: u64 = 6;

/// A database that forgets fails the tests above: they can fail.
#[test]
fn the_test_sees_what_a_database_that_forgets_loses() {
    if std::env::var_os("RESTANTE_FAULT_KIND").is_some() {
        return;
    }
    // What is forgotten while nobody waits for it is no loss: by chance nothing may be missed.
    for seed in 1..=ATTEMPTS {
        let Some(server) = Server::redis() else { return };
        let outcome = run::run(server, Kind::Forgets, 2, Chance::new(seed));
        println!("forgets: {outcome}");
        if outcome.has_lost() {
            return;
        }
    }
    panic!("it forgot {ATTEMPTS} times, and nobody saw it");
}
