//! Programs that are not ours and that some tests need: where they are, and what a test does without them.
//!
//! `scripts/install-test-tools` installs them all. A test whose tool is missing passes and says *skipped because …*;
//! with `CI=true` it fails, so that a machine that checks every change cannot silently check less.

use std::io::Write as _;
use std::path::PathBuf;

use crate::executables;

/// A program of the distribution: `mosquitto`, `mosquitto_pub`, `redis-server`, `openssl`. `None` is said aloud; return then.
///
/// # Panics
/// When it is missing and `CI=true`.
pub fn program(name: &str) -> Option<PathBuf> {
    executables::on_path(name).or_else(|| missing(name))
}

/// A Python that has the paho client. `None` is said aloud; return then.
///
/// # Panics
/// When it is missing and `CI=true`.
pub fn paho_python() -> Option<PathBuf> {
    let environment = executables::tools_folder().join("python");
    // The copy of the requirements is written last: without it the installation was not finished.
    let finished = environment.join("requirements.txt").is_file();
    finished
        .then(|| environment.join("bin/python"))
        .or_else(|| missing("the paho client"))
}

/// Says that a test is skipped for want of `what`.
///
/// # Panics
/// When `CI=true`.
pub fn missing<T>(what: &str) -> Option<T> {
    let sentence = format!("{what} is not installed (scripts/install-test-tools installs it)");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{sentence}");
    // Not `eprintln`: the test harness keeps that to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped because {sentence}");
    None
}
