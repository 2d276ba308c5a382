//! PostgreSQL.

use std::{
    path::{Path, PathBuf},
    process::Child,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use tempfile::TempDir;

use super::{Database, Kind, Login, create, unprivileged};
use crate::{executables, ports, process::Process, tools};

/// Ports tried before giving up: another process may take one between finding and using it.
const PORTS_TRIED: u32 = 5;

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A server for one test that wants to kill it, or the one of this process. Gone at drop.
#[derive(Debug)]
pub struct Postgres {
    process: Option<Process>,
    program: PathBuf,
    client: PathBuf,
    folder: TempDir,
    login: Login,
    /// Beside ours, as the test asked for them.
    options: Vec<String>,
}

impl Postgres {
    /// A database on the server of this process, which is started at the first call. `None` is said aloud; return then.
    ///
    /// # Panics
    /// When the server does not come up, or is missing and `CI=true`.
    pub fn database() -> Option<Database> {
        static SHARED: OnceLock<Option<Mutex<(Postgres, Child)>>> = OnceLock::new();
        if let Ok(url) = std::env::var("RESTANTE_TEST_POSTGRES") {
            let client = executables::on_path("psql").or_else(|| tools::missing("psql"))?;
            return Some(create(
                client,
                Kind::Postgres,
                &Login::from_url(&url, "postgres"),
                true,
                "",
            ));
        }
        let server = SHARED.get_or_init(|| {
            let server = Postgres::start()?;
            let end = unprivileged::gone_with_us(server.process.as_ref()?.id(), server.folder.path());
            Some(Mutex::new((server, end)))
        });
        let server = server.as_ref();
        // Said again for each test that is skipped.
        let server = server.or_else(|| tools::missing("postgresql"))?;
        let server = server.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Some(server.0.new_database())
    }

    /// A server of its own. `None` is said aloud; return then.
    ///
    /// # Panics
    /// When it does not come up, or is missing and `CI=true`.
    pub fn start() -> Option<Postgres> {
        Postgres::start_with(&[])
    }

    /// As [`Postgres::start`], with settings (`name=value`).
    ///
    /// # Panics
    /// When it does not come up, or is missing and `CI=true`.
    pub fn start_with(options: &[&str]) -> Option<Postgres> {
        let program = find("postgres").or_else(|| tools::missing("postgresql"))?;
        let installer = find("initdb").or_else(|| tools::missing("postgresql"))?;
        let client = find("psql").or_else(|| tools::missing("postgresql-client"))?;
        let folder = unprivileged::folder();
        let output = unprivileged::command(&installer)
            .arg("-D")
            .arg(folder.path().join("data"))
            .args(["-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8", "-N"])
            .current_dir("/")
            .output()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", installer.display()));
        assert!(
            output.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut server = Postgres {
            process: None,
            program,
            client,
            folder,
            login: Login {
                host: "127.0.0.1".to_owned(),
                port: 0,
                username: "postgres".to_owned(),
                password: String::new(),
            },
            options: options.iter().map(|&option| option.to_owned()).collect(),
        };
        for _ in 0..PORTS_TRIED {
            if server.come_up(ports::recently_free()) {
                return Some(server);
            }
        }
        panic!(
            "{} came up on none of {PORTS_TRIED} ports",
            server.program.display()
        );
    }

    /// A database of its own.
    pub fn new_database(&self) -> Database {
        create(self.client.clone(), Kind::Postgres, &self.login, false, "")
    }

    /// Where it is.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Comes up again with its data, on the same port.
    ///
    /// # Panics
    /// When it does not.
    pub fn restart(&mut self) {
        self.kill();
        // Its children hold the shared memory until they have noticed.
        let came_up = (0..PORTS_TRIED).any(|_| self.come_up(self.login.port));
        assert!(came_up, "the server did not come up again");
    }

    fn come_up(&mut self, port: u16) -> bool {
        let place = self.folder.path();
        let mut command = unprivileged::command(&self.program);
        command
            .arg("-D")
            .arg(place.join("data"))
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", place.display()));
        for option in &self.options {
            command.args(["-c", option]);
        }
        let process = Process::start("postgres", command.current_dir("/"));
        let up = process.wait_for_line("ready to accept connections", START_LIMIT);
        self.login.port = port;
        self.process = Some(process);
        up.is_some()
    }
}

/// A program of PostgreSQL: on the path, or of the newest version that Debian has installed.
fn find(name: &str) -> Option<PathBuf> {
    let on_path = executables::on_path(name);
    on_path.or_else(|| {
        let versions = std::fs::read_dir(Path::new(DEBIAN)).ok()?;
        let mut found: Vec<PathBuf> = versions
            .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
            .filter(|program| program.is_file())
            .collect();
        found.sort();
        found.pop()
    })
}
