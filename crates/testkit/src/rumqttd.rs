//! rumqttd (from crates.io), as a peer in benches.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::executables;
use crate::mosquitto::accepts;
use crate::ports;
use crate::process::Process;

/// Ports tried before giving up.
const PORTS_TRIED: u32 = 5;

/// A rumqttd process; it keeps everything in memory. Gone at drop.
#[derive(Debug)]
pub struct Rumqttd {
    process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Rumqttd {
    /// Where it is installed: on the search path, in cargo's folder, or among the test tools.
    pub fn program() -> Option<PathBuf> {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        executables::on_path("rumqttd").or_else(|| {
            [
                executables::tools_folder().join("bin/rumqttd"),
                home.join(".cargo/bin/rumqttd"),
            ]
            .into_iter()
            .find(|candidate| candidate.is_file())
        })
    }

    /// Starts it if it is installed; `None` if not.
    ///
    /// # Panics
    /// When it is installed and does not come up.
    pub fn start() -> Option<Rumqttd> {
        let program = Rumqttd::program()?;
        let folder = TempDir::new().expect("make a temporary folder");
        for _ in 0..PORTS_TRIED {
            let address = SocketAddr::from(([127, 0, 0, 1], ports::recently_free()));
            let config = folder.path().join("rumqttd.toml");
            fs::write(&config, settings(address)).expect("write rumqttd's configuration");
            let mut process = Process::start("rumqttd", Command::new(&program).arg("-c").arg(&config));
            if accepts(&mut process, address) {
                return Some(Rumqttd {
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
}

/// Its configuration: the log of each filter is large enough that a bench of some million messages evicts nothing.
pub fn settings(address: SocketAddr) -> String {
    format!(
        r#"id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 1024
max_segment_size = 1073741824
max_segment_count = 10

[v4.1]
name = "v4-1"
listen = "{address}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 1000
dynamic_filters = true
"#
    )
}
