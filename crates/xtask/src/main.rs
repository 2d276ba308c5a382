//! Commands for us; `cargo xtask` runs them.

mod kills;
mod peers;
mod soak;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND
  kill [ROUNDS] [SEED]            the kill test with many kills (500)
  bench-peers [--rounds N] [--scale PERCENT] [--only WORD] [--no-build]
                                  restante beside mosquitto and rumqttd, medians of N rounds (3); the table goes to
                                  stdout and to target/bench-peers.md
  power [ROUNDS] [SEED]           the same on a disk that loses with each kill what was not synced (500)
  faults [ROUNDS] [SEED] [--kind KIND]
                                  the broker with a real database, while one of them is killed or the connection fails:
                                  ROUNDS (50) of each kind, or of one: none, broker, database, cut, swallow, both, any
  disk                            how long this disk takes to sync
  soak [--minutes N] [--seed S]   the real program under mixed load, stopped and killed, for N minutes (10)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["bench-peers", options @ ..] => peers::command(options),
        ["disk"] => peers::disk(),
        ["faults", options @ ..] => kills::faults_command(options),
        ["kill", options @ ..] => kills::command(options),
        ["power", options @ ..] => kills::power_command(options),
        ["soak", options @ ..] => soak::command(options),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}
