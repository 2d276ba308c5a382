//! Debian's mosquitto broker, as a peer in benches and as a check of the tests themselves.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::executables;
use crate::ports;
use crate::process::Process;

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Ports tried before giving up: another process may take one between finding and using it.
const PORTS_TRIED: u32 = 5;

/// What it is started with beside the listener. Queues and windows are opened wide, as a bench must (K53).
const SETTINGS: &str = "allow_anonymous true\n\
    max_queued_messages 0\n\
    max_queued_bytes 0\n\
    max_inflight_messages 1000\n\
    max_connections -1\n\
    set_tcp_nodelay true\n\
    persistence false\n";

/// A mosquitto process in memory; gone at drop.
#[derive(Debug)]
pub struct Mosquitto {
    process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Mosquitto {
    /// Starts it if it is installed; `None` if not.
    ///
    /// # Panics
    /// When it is installed and does not come up.
    pub fn start() -> Option<Mosquitto> {
        let program = executables::on_path("mosquitto")?;
        let folder = TempDir::new().expect("make a temporary folder");
        for _ in 0..PORTS_TRIED {
            let address = SocketAddr::from(([127, 0, 0, 1], ports::recently_free()));
            let config = folder.path().join("mosquitto.conf");
            let text = format!("listener {} 127.0.0.1\n{SETTINGS}", address.port());
            fs::write(&config, text).expect("write mosquitto's configuration");
            let mut process = Process::start("mosquitto", Command::new(&program).arg("-c").arg(&config));
            if accepts(&mut process, address) {
                return Some(Mosquitto {
                    process,
                    _folder: folder,
                    address,
                });
            }
        }
        panic!(
            "{} did not come up on any of {PORTS_TRIED} ports",
            program.display()
        );
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The settings that differ from Debian's, for whoever prints a result.
    pub fn settings() -> &'static str {
        SETTINGS
    }

    /// What `mosquitto -h` says in its first line.
    pub fn version(program: &Path) -> String {
        first_line(Command::new(program).arg("-h"))
    }
}

/// The first line a program prints.
pub(crate) fn first_line(command: &mut Command) -> String {
    command
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(|| "version unknown".to_owned())
}

/// Waits until `address` answers; false when the process ends or takes too long.
pub(crate) fn accepts(process: &mut Process, address: SocketAddr) -> bool {
    let deadline = std::time::Instant::now() + START_LIMIT;
    while std::time::Instant::now() < deadline && process.ended().is_none() {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
