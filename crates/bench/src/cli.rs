//! The arguments, and one function that runs what they say.

mod arguments;
mod scenarios;

use std::process::ExitCode;

use serde::Serialize;

use crate::error::BenchError;
use crate::report::Report;

pub use arguments::{
    ConnectArguments, DrainArguments, FanoutArguments, IngestArguments, LiveArguments, Output, Place,
    ProtocolVersion, Shape, Take,
};

/// What to measure. Every scenario needs a broker at `--address`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Scenario {
    /// Publish in a closed loop to sessions that are absent
    Ingest(IngestArguments),
    /// The absent sessions of an ingest with the same --run and shape return and take everything
    Drain(DrainArguments),
    /// Publish at a fixed rate to subscribers that are present, and measure latencies
    Live(LiveArguments),
    /// Publish to subscribers that are present, as fast as all of them receive
    Fanout(FanoutArguments),
    /// Make many sessions, and see what each costs
    Connect(ConnectArguments),
    /// 1,000 publishers with one message in flight each (ingest with --publishers 1000 --window 1)
    Window1(IngestArguments),
}

/// All reports of one call, as `--output json` prints them.
#[derive(Serialize)]
struct Results<'a> {
    passed: bool,
    reports: &'a [Report],
}

/// Runs a scenario and prints its result on stdout (progress is on stderr).
///
/// Exit code 0: done and verified. 1: something was lost, doubled, out of order, damaged or refused, or it could not be
/// run to its end. 2: the arguments do not fit together.
pub fn run(scenario: &Scenario) -> ExitCode {
    let output = scenario.place().output;
    match reports(scenario) {
        Ok(reports) => {
            print(&reports, output);
            ExitCode::from(u8::from(!reports.iter().all(Report::passed)))
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(match error {
                BenchError::Arguments(_) => 2,
                _ => 1,
            })
        }
    }
}

/// Runs a scenario; an ingest with `--drain` gives two reports, everything else one.
///
/// # Errors
/// When it could not be run to its end. What was lost or late is in the reports.
pub fn reports(scenario: &Scenario) -> Result<Vec<Report>, BenchError> {
    match scenario {
        Scenario::Ingest(arguments) => scenarios::ingest("ingest", arguments),
        Scenario::Window1(arguments) => {
            let mut arguments = arguments.clone();
            arguments.shape.publishers = 1_000;
            arguments.window = 1;
            scenarios::ingest("window1", &arguments)
        }
        Scenario::Drain(arguments) => scenarios::drain(arguments).map(|report| vec![report]),
        Scenario::Live(arguments) => scenarios::live(arguments).map(|report| vec![report]),
        Scenario::Fanout(arguments) => scenarios::fanout(arguments).map(|report| vec![report]),
        Scenario::Connect(arguments) => scenarios::connect(arguments).map(|report| vec![report]),
    }
}

impl Scenario {
    fn place(&self) -> &Place {
        match self {
            Scenario::Ingest(arguments) | Scenario::Window1(arguments) => &arguments.place,
            Scenario::Drain(arguments) => &arguments.place,
            Scenario::Live(arguments) => &arguments.place,
            Scenario::Fanout(arguments) => &arguments.place,
            Scenario::Connect(arguments) => &arguments.place,
        }
    }
}

fn print(reports: &[Report], output: Output) {
    match output {
        Output::Text => {
            for report in reports {
                print!("{report}");
            }
        }
        Output::Json => {
            let passed = reports.iter().all(Report::passed);
            // Numbers, texts and lists of them can always be written.
            if let Ok(text) = serde_json::to_string_pretty(&Results { passed, reports }) {
                println!("{text}");
            }
        }
    }
}
