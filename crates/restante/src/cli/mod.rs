//! The command line. What was asked for goes to standard output, everything else to standard error.

mod check;
mod output;
mod show;
mod store;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::serve;
pub use output::Exit;
pub(crate) use output::{refuse, remark};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "restante.toml";

/// An MQTT broker whose subject is the message that waits.
///
/// Without a command it serves: settings from ./restante.toml if there is one, messages in ./restante-data, MQTT on
/// 127.0.0.1:1883.
#[derive(Debug, Parser)]
#[command(name = "restante", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str =
    "Exit codes: 0 all is well; 1 it failed; 2 the arguments or the configuration are wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker
    Serve(Configuration),
    /// Look for mistakes and traps in a configuration
    Check(Configuration),
    /// Show the configuration in force, or the reference of all settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look into the data folder of a stopped broker; changes nothing. Exit code 1 if records are damaged
    #[command(subcommand)]
    Store(StoreCommand),
    /// Load any MQTT broker and verify by number what it delivers
    #[command(subcommand)]
    Bench(restante_bench::cli::Scenario),
}

/// Which configuration, in either way of saying it.
#[derive(Debug, Default, clap::Args)]
struct Configuration {
    /// The configuration; without it ./restante.toml if there is one
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The same
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Configuration {
    /// The named file, or the default one if it is there. One that is there but cannot be read is reported by whoever
    /// reads it.
    fn path(self) -> Option<PathBuf> {
        let default =
            || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| Path::try_exists(path).unwrap_or(true));
        self.file.or(self.config).or_else(default)
    }
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// What is there: sessions, queues, sizes, the oldest message, damage that a start would find
    Inspect {
        /// The data folder
        folder: PathBuf,
    },
    /// Read every record as well
    Verify {
        /// The data folder
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// All values in force, each with where it comes from
    Show(Configuration),
    /// All settings with their defaults, ranges and meanings, as Markdown
    Reference,
}

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let exit = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => match arguments.command {
            None => serve::command(Configuration::default().path().as_deref()),
            Some(Command::Serve(named)) => serve::command(named.path().as_deref()),
            Some(Command::Check(named)) => check::check(named.path().as_deref()),
            Some(Command::Config(ConfigCommand::Show(named))) => show::show(named.path().as_deref()),
            Some(Command::Config(ConfigCommand::Reference)) => show::reference(),
            Some(Command::Store(StoreCommand::Inspect { folder })) => store::inspect(&folder),
            Some(Command::Store(StoreCommand::Verify { folder })) => store::verify(&folder),
            Some(Command::Bench(scenario)) => return restante_bench::cli::run(&scenario),
        },
        Err(error) => {
            // Help and version are answers (standard output, 0), all else is a mistake (standard error, 2).
            let printed = error.print();
            if error.use_stderr() {
                Exit::Usage
            } else {
                output::done(printed)
            }
        }
    };
    exit.into()
}
