//! The kill tests and the fault tests of `restante`, with as many rounds as asked for.

use std::process::Command;

/// Kills without an argument: what a release must pass.
const ROUNDS: u64 = 500;

/// A test that kills: its name, and the variable that says how often.
struct Test {
    word: &'static str,
    name: &'static str,
    rounds: &'static str,
}

const KILL: Test = Test {
    word: "kill",
    name: "k52_nothing_acknowledged_is_lost_or_doubled_by_kills",
    rounds: "RESTANTE_KILL_ROUNDS",
};

const POWER: Test = Test {
    word: "power",
    name: "k12_nothing_acknowledged_is_lost_or_doubled_by_losses_of_power",
    rounds: "RESTANTE_POWER_ROUNDS",
};

/// `cargo xtask kill [ROUNDS] [SEED]`
pub(crate) fn command(options: &[&str]) -> Result<(), String> {
    KILL.run(options)
}

/// `cargo xtask power [ROUNDS] [SEED]`
pub(crate) fn power_command(options: &[&str]) -> Result<(), String> {
    POWER.run(options)
}

/// Rounds of each kind of fault without an argument.
const FAULT_ROUNDS: u64 = 50;

/// `cargo xtask faults [ROUNDS] [SEED] [--kind KIND]`
pub(crate) fn faults_command(options: &[&str]) -> Result<(), String> {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("faults: not a number: {text:?}"))
    };
    let (numbers, kind) = match options {
        [numbers @ .., "--kind", kind] => (numbers, Some(*kind)),
        numbers => (numbers, None),
    };
    let (rounds, seed) = match numbers {
        [] => (FAULT_ROUNDS, None),
        [rounds] => (number(rounds)?, None),
        [rounds, seed] => (number(rounds)?, Some(number(seed)?)),
        _ => return Err("faults: at most two numbers, how many rounds and a seed, and --kind KIND".into()),
    };
    if let Some(kind) = kind.filter(|kind| !KINDS.contains(kind)) {
        return Err(format!("faults: {kind:?} is none of {}", KINDS.join(", ")));
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["test", "--package", "restante", "--test", "faults"])
        // One kind after another: each has the machine for itself.
        .args(["--", "--nocapture", "--test-threads=1"])
        .env("RESTANTE_FAULT_ROUNDS", rounds.to_string());
    if let Some(seed) = seed {
        cargo.env("RESTANTE_FAULT_SEED", seed.to_string());
    }
    if let Some(kind) = kind {
        cargo.env("RESTANTE_FAULT_KIND", kind);
    }
    match cargo.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("faults: the test failed; its output stands above".into()),
        Err(error) => Err(format!("faults: cannot start cargo: {error}")),
    }
}

/// What can fail.
const KINDS: [&str; 7] = ["none", "broker", "database", "cut", "swallow", "both", "any"];

impl Test {
    fn run(&self, options: &[&str]) -> Result<(), String> {
        let word = self.word;
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("{word}: not a number: {text:?}"))
        };
        let (rounds, seed) = match options {
            [] => (ROUNDS, None),
            [rounds] => (number(rounds)?, None),
            [rounds, seed] => (number(rounds)?, Some(number(seed)?)),
            _ => return Err(format!("{word}: at most two numbers, how many kills and a seed")),
        };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["test", "--package", "restante", "--test", "kill"])
            .args([self.name, "--", "--nocapture"])
            .env(self.rounds, rounds.to_string());
        if let Some(seed) = seed {
            cargo.env("RESTANTE_KILL_SEED", seed.to_string());
        }
        let status = cargo
            .status()
            .map_err(|error| format!("{word}: cannot start cargo: {error}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{word}: the test failed; its output stands above"))
        }
    }
}
