//! The kill tests of `restante`, with as many kills as asked for.

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
