//! MariaDB.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command},
    sync::{Mutex, OnceLock},
};

use tempfile::TempDir;

use super::{Database, Kind, Login, create, unprivileged};
use crate::{executables, mosquitto::accepts, ports, process::Process, tools};

/// Ports tried before giving up: another process may take one between finding and using it.
const PORTS_TRIED: u32 = 5;

/// A server for one test that wants to kill it, or the one of this process. Gone at drop.
#[derive(Debug)]
pub struct MariaDb {
    process: Option<Process>,
    program: PathBuf,
    client: PathBuf,
    folder: TempDir,
    login: Login,
    /// Beside ours, as the test asked for them.
    options: Vec<String>,
}

impl MariaDb {
    /// A database on the server of this process, which is started at the first call. `None` is said aloud; return then.
    ///
    /// # Panics
    /// When the server does not come up, or is missing and `CI=true`.
    pub fn database() -> Option<Database> {
        static SHARED: OnceLock<Option<Mutex<(MariaDb, Child)>>> = OnceLock::new();
        if let Ok(url) = std::env::var("RESTANTE_TEST_MYSQL") {
            let client = executables::on_path("mariadb").or_else(|| tools::missing("the mariadb client"))?;
            return Some(create(
                client,
                Kind::MySql,
                &Login::from_url(&url, "mysql"),
                true,
                OPTIONS,
            ));
        }
        let server = SHARED.get_or_init(|| {
            let server = MariaDb::start()?;
            let end = unprivileged::gone_with_us(server.process.as_ref()?.id(), server.folder.path());
            Some(Mutex::new((server, end)))
        });
        let server = server.as_ref();
        // Said again for each test that is skipped.
        let server = server.or_else(|| tools::missing("mariadb-server"))?;
        let server = server.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Some(server.0.new_database())
    }

    /// A server of its own. `None` is said aloud; return then.
    ///
    /// # Panics
    /// When it does not come up, or is missing and `CI=true`.
    pub fn start() -> Option<MariaDb> {
        MariaDb::start_with(&[])
    }

    /// As [`MariaDb::start`], with options of the server's command line.
    ///
    /// # Panics
    /// When it does not come up, or is missing and `CI=true`.
    pub fn start_with(options: &[&str]) -> Option<MariaDb> {
        let find = |name| executables::on_path(name).or_else(|| tools::missing("mariadb-server"));
        let (program, client, installer) = (find("mariadbd")?, find("mariadb")?, find("mariadb-install-db")?);
        let folder = unprivileged::folder();
        let data = folder.path().join("data");
        let output = unprivileged::command(&installer)
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", data.display()))
            // Two of them at the same time took each other's temporary tables in the common folder.
            .arg(format!("--tmpdir={}", folder.path().display()))
            .output()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", installer.display()));
        assert!(
            output.status.success(),
            "mariadb-install-db: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut server = MariaDb {
            process: None,
            program,
            client,
            folder,
            login: Login {
                host: "127.0.0.1".to_owned(),
                port: 0,
                username: "root".to_owned(),
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
        create(self.client.clone(), Kind::MySql, &self.login, false, OPTIONS)
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
        assert!(self.come_up(self.login.port), "the server did not come up again");
    }

    fn come_up(&mut self, port: u16) -> bool {
        let place = self.folder.path();
        let mut command = unprivileged::command(&self.program);
        command
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--port={port}"))
            .arg(format!("--datadir={}", place.join("data").display()))
            .arg(format!("--socket={}", place.join("socket").display()))
            .arg(format!("--pid-file={}", place.join("pid").display()))
            .arg("--innodb-buffer-pool-size=64M")
            .args(&self.options);
        let mut process = Process::start("mariadbd", &mut command);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        self.login.port = port;
        let up = accepts(&mut process, address) && self.answers();
        self.process = Some(process);
        up
    }

    /// It accepts before it can answer.
    fn answers(&self) -> bool {
        Command::new(&self.client)
            .args([
                "--no-defaults",
                "--protocol=tcp",
                "-h",
                "127.0.0.1",
                "-u",
                "root",
                "-e",
                "select 1",
            ])
            .arg(format!("-P{}", self.login.port))
            .output()
            .is_ok_and(|output| output.status.success())
    }
}

/// What the test databases are made with.
const OPTIONS: &str = "CHARACTER SET utf8mb4";
