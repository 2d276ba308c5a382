//! The real `restante` binary on a data folder of its own, killed and restarted at will.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;

use crate::client::Client;
use crate::executables;
use crate::process::Process;
use crate::sending::Connect;

/// How long a start may take: recovery of a large store on a slow machine included.
pub const START_LIMIT: Duration = Duration::from_secs(120);

/// How long an orderly stop may take.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What stands before the address on the line that says MQTT is accepted.
const LISTENING: &str = "code=listening address=";

/// What the line holds from which on signals are listened to: an earlier SIGTERM would end the process at once.
const STARTED: &str = "code=started";

/// What a broker is started with. The listener is always a port of the kernel's choice on 127.0.0.1.
#[derive(Debug, Default)]
pub struct BrokerBuilder {
    top: Vec<(String, String)>,
    session: Vec<(String, String)>,
    listen: Vec<(String, String)>,
    limits: Vec<(String, String)>,
    log_store: Vec<(String, String)>,
    sections: String,
    environment: Vec<(String, String)>,
    data: Option<PathBuf>,
    executable: Option<PathBuf>,
}

impl BrokerBuilder {
    /// A key outside every section; the value in TOML (`"\"memory\""`, `"true"`).
    #[must_use]
    pub fn top(mut self, key: &str, value: &str) -> Self {
        self.top.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A key of `[session]`; the value in TOML.
    #[must_use]
    pub fn session(mut self, key: &str, value: &str) -> Self {
        self.session.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A key of `[listen]` beside `mqtt`; the value in TOML.
    #[must_use]
    pub fn listen(mut self, key: &str, value: &str) -> Self {
        self.listen.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A key of `[limits]`; the value in TOML.
    #[must_use]
    pub fn limits(mut self, key: &str, value: &str) -> Self {
        self.limits.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A key of `[log_store]`; the value in TOML.
    #[must_use]
    pub fn log_store(mut self, key: &str, value: &str) -> Self {
        self.log_store.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Whole sections, as they stand in the file (`[backend.redis.main]`, `[[keep]]`).
    #[must_use]
    pub fn sections(mut self, text: &str) -> Self {
        self.sections.push_str(text);
        self.sections.push('\n');
        self
    }

    /// A variable in the broker's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Keeps the data in `folder` (which is not removed) instead of a temporary one.
    #[must_use]
    pub fn data_in(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Starts this program instead of the one that [`executables::restante`] finds.
    #[must_use]
    pub fn executable(mut self, program: &Path) -> Self {
        self.executable = Some(program.to_owned());
        self
    }

    /// Starts the broker and waits until it accepts.
    ///
    /// # Panics
    /// When it does not come up within [`START_LIMIT`]; the sentence shows what it wrote.
    pub fn start(self) -> Broker {
        let folder = TempDir::new().expect("make a temporary folder");
        let data = self.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let config = folder.path().join("restante.toml");
        fs::write(&config, self.config(&data)).expect("write the broker's configuration");
        let mut broker = Broker {
            program: self.executable.unwrap_or_else(executables::restante),
            environment: self.environment,
            folder,
            data,
            config,
            process: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        broker.start();
        broker
    }

    /// The configuration file's text.
    fn config(&self, data: &Path) -> String {
        let mut text = format!("data_dir = {:?}\n", data.display().to_string());
        let section = |text: &mut String, keys: &[(String, String)]| {
            for (key, value) in keys {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{key} = {value}");
            }
        };
        section(&mut text, &self.top);
        text.push_str("\n[listen]\nmqtt = [\"127.0.0.1:0\"]\n");
        section(&mut text, &self.listen);
        for (name, keys) in [
            ("session", &self.session),
            ("limits", &self.limits),
            ("log_store", &self.log_store),
        ] {
            if !keys.is_empty() {
                let _ = writeln!(text, "\n[{name}]");
                section(&mut text, keys);
            }
        }
        text.push('\n');
        text.push_str(&self.sections);
        text
    }
}

/// A `restante` process and its data folder. The process is killed, and the folder removed, at drop.
#[derive(Debug)]
pub struct Broker {
    // Before `folder`: the process goes first, then what it has open.
    process: Option<Process>,
    program: PathBuf,
    environment: Vec<(String, String)>,
    folder: TempDir,
    data: PathBuf,
    config: PathBuf,
    address: SocketAddr,
}

impl Broker {
    /// A broker with the defaults.
    ///
    /// # Panics
    /// As [`BrokerBuilder::start`].
    pub fn run() -> Broker {
        BrokerBuilder::default().start()
    }

    /// What it is to be started with.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// Where it listens for MQTT. Another port after every restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The configuration file it is started with.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// A temporary folder that lives as long as this value, for what a test wants to leave beside the data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Everything it wrote since the last start.
    pub fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// Opens a connection to it.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub fn open(&self) -> Client {
        Client::open(self.address)
    }

    /// Opens a connection, sends CONNECT and takes the CONNACK with success.
    ///
    /// # Panics
    /// When it does not accept.
    pub fn connect(&self, connect: &Connect) -> Client {
        Client::connect(self.address, connect)
    }

    /// SIGKILL; the data folder stays as it is.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// Starts it again on the same data folder and waits until it accepts; it must not be running.
    ///
    /// # Panics
    /// As [`BrokerBuilder::start`].
    pub fn start(&mut self) {
        if let Err(sentence) = self.try_start() {
            panic!("{sentence}");
        }
    }

    /// As [`Broker::start`], on a data folder with which it may refuse to start.
    ///
    /// # Errors
    /// What it wrote before it ended, or within [`START_LIMIT`].
    pub fn try_start(&mut self) -> Result<(), String> {
        self.kill();
        let mut command = self.command(&["serve", "--config"]);
        command.arg(&self.config);
        let mut process = Process::start("restante", &mut command);
        let started = process.wait_for_line(STARTED, START_LIMIT);
        let Some(line) = started.and_then(|_| process.wait_for_line(LISTENING, START_LIMIT)) else {
            let ended = process.ended();
            return Err(format!(
                "restante did not come up (ended: {ended:?}); it wrote:\n{}",
                process.output()
            ));
        };
        let address = line
            .split(LISTENING)
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        self.address = address
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| format!("no address on the line {line:?}"))?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL and start again.
    ///
    /// # Panics
    /// As [`BrokerBuilder::start`].
    pub fn restart_killed(&mut self) {
        self.kill();
        self.start();
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Panics
    /// When it is not running, or does not end within [`STOP_LIMIT`].
    pub fn stop(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("the broker was started");
        process.terminate();
        process.wait(STOP_LIMIT)
    }

    /// A command of the same program in the same environment, for its other verbs (`store verify`, `check`).
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
