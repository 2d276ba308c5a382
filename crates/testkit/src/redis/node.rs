//! One Redis process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::Programs;
use crate::{executables, ports, process::Process};

/// How long a start may take.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);

/// How often a server is asked whether it is ready.
pub(crate) const ASKED_EVERY: Duration = Duration::from_millis(20);

/// Ports tried before giving up: another process may take one between finding and using it.
const PORTS_TRIED: u32 = 5;

/// What every server is started with: nothing it has acknowledged may be lost (K40), nothing is written to the side.
const SETTINGS: &[&str] = &[
    "--bind",
    "127.0.0.1",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
    "--daemonize",
    "no",
    "--logfile",
    "",
    "--repl-diskless-sync-delay",
    "0",
];

/// A Redis process with its folder; gone at drop.
#[derive(Debug)]
pub struct RedisNode {
    program: PathBuf,
    process: Process,
    folder: TempDir,
    address: SocketAddr,
    arguments: Vec<String>,
    /// What `redis-cli` needs to get in.
    entrance: Vec<String>,
}

impl RedisNode {
    /// Starts one on a free port. `entrance`: what `redis-cli` needs beside the address.
    pub(crate) fn start(programs: &Programs, arguments: &[&str], entrance: &[&str]) -> RedisNode {
        for _ in 0..PORTS_TRIED {
            let port = ports::recently_free();
            let mut all = vec!["--port".to_owned(), port.to_string()];
            all.extend(arguments.iter().map(|&argument| argument.to_owned()));
            if let Some(node) = RedisNode::try_start(programs, port, all, entrance) {
                return node;
            }
        }
        panic!(
            "{} did not come up on any of {PORTS_TRIED} ports",
            programs.server.display()
        );
    }

    /// Starts one that answers at `port`; `None` when it ends at once, as it does when the port is taken.
    pub(crate) fn try_start(
        programs: &Programs,
        port: u16,
        arguments: Vec<String>,
        entrance: &[&str],
    ) -> Option<RedisNode> {
        let folder = TempDir::new().expect("make a temporary folder");
        let mut node = RedisNode {
            program: programs.server.clone(),
            process: run(&programs.server, &folder, &arguments),
            folder,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            arguments,
            entrance: entrance.iter().map(|&argument| argument.to_owned()).collect(),
        };
        node.is_ready().then_some(node)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `redis-cli` prints for a command, without the last line break.
    ///
    /// # Panics
    /// When it cannot reach the server.
    pub fn cli(&self, command: &[&str]) -> String {
        let mut arguments: Vec<&str> = self.entrance.iter().map(String::as_str).collect();
        arguments.extend_from_slice(command);
        cli(self.address, &arguments)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, with its port and its folder.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&mut self) {
        self.process.kill();
        let deadline = Instant::now() + START_LIMIT;
        loop {
            self.process = run(&self.program, &self.folder, &self.arguments);
            if self.is_ready() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "redis did not come up again:\n{}",
                self.process.output()
            );
        }
    }

    /// Holds it (SIGSTOP): connections stand, nothing answers.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline && self.process.ended().is_none() {
            let mut arguments: Vec<&str> = self.entrance.iter().map(String::as_str).collect();
            arguments.push("PING");
            let output = run_cli(self.address, &arguments);
            if String::from_utf8_lossy(&output.stdout).trim() == "PONG" {
                return true;
            }
            std::thread::sleep(ASKED_EVERY);
        }
        false
    }
}

/// What `redis-cli` prints for a command; `None` when it cannot reach the server.
pub(crate) fn try_cli(address: SocketAddr, arguments: &[&str]) -> Option<String> {
    let output = run_cli(address, arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| said.trim_end_matches('\n').to_owned())
}

/// What `redis-cli` prints for a command, without the last line break.
///
/// # Panics
/// When it cannot reach the server.
pub(crate) fn cli(address: SocketAddr, arguments: &[&str]) -> String {
    let output = run_cli(address, arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "redis-cli {arguments:?} at {address}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said.trim_end_matches('\n').to_owned()
}

fn run_cli(address: SocketAddr, arguments: &[&str]) -> Output {
    let program = executables::on_path("redis-cli").expect("redis-cli was there a moment ago");
    Command::new(program)
        .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("run redis-cli")
}

fn run(program: &Path, folder: &TempDir, arguments: &[String]) -> Process {
    let mut command = Command::new(program);
    command
        .args(SETTINGS)
        .arg("--dir")
        .arg(folder.path())
        .args(arguments);
    Process::start("redis-server", &mut command)
}
