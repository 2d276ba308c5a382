//! The kill test of `restante`, with as many kills as asked for.

use std::process::Command;

/// Kills without an argument: what a release must pass.
const ROUNDS: u64 = 500;

/// `cargo xtask kill [ROUNDS] [SEED]`
pub(crate) fn command(options: &[&str]) -> Result<(), String> {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("kill: not a number: {text:?}"))
    };
    let (rounds, seed) = match options {
        [] => (ROUNDS, None),
        [rounds] => (number(rounds)?, None),
        [rounds, seed] => (number(rounds)?, Some(number(seed)?)),
        _ => return Err("kill: at most two numbers, how many kills and a seed".to_owned()),
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["test", "--package", "restante", "--test", "kill"])
        .args([
            "k52_nothing_acknowledged_is_lost_or_doubled_by_kills",
            "--",
            "--nocapture",
        ])
        .env("RESTANTE_KILL_ROUNDS", rounds.to_string());
    if let Some(seed) = seed {
        cargo.env("RESTANTE_KILL_SEED", seed.to_string());
    }
    let status = cargo
        .status()
        .map_err(|error| format!("kill: cannot start cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("kill: the test failed; its output stands above".to_owned())
    }
}
