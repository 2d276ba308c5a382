//! `restante-bench`: the load tool by itself. `restante bench` is the same.

use std::process::ExitCode;

use clap::Parser;

/// A load tool for any MQTT broker; verifies by number what it received.
#[derive(Parser)]
#[command(name = "restante-bench", version)]
struct Arguments {
    #[command(subcommand)]
    scenario: restante_bench::cli::Scenario,
}

fn main() -> ExitCode {
    restante_bench::cli::run(&Arguments::parse().scenario)
}
