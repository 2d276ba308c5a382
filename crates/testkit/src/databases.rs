//! Private servers of MariaDB and PostgreSQL: one of each for a test process, a database for each test.
//!
//! A server lives in a temporary folder, on a port of its own, as a user without rights, and is gone with the process
//! that started it. `RESTANTE_TEST_MYSQL` and `RESTANTE_TEST_POSTGRES` name existing ones instead:
//! `mysql://user:password@host:port`, `postgres://user:password@host:port`; the user must be allowed to create
//! databases.

mod certificates;
mod mariadb;
mod postgres;
mod unprivileged;

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

pub use certificates::Certificates;
pub use mariadb::MariaDb;
pub use postgres::Postgres;

/// Where a server is, and who may do everything there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub username: String,
    /// Password; empty for none.
    pub password: String,
}

impl Login {
    /// From `scheme://user:password@host:port`.
    ///
    /// # Panics
    /// When it is not of this form.
    fn from_url(url: &str, scheme: &str) -> Login {
        let parts = url
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .and_then(|rest| rest.trim_end_matches('/').rsplit_once('@'))
            .and_then(|(who, place)| Some((who, place.rsplit_once(':')?)));
        let Some((who, (host, port))) = parts else {
            panic!("{url:?} is not of the form {scheme}://user:password@host:port");
        };
        let (username, password) = who.split_once(':').unwrap_or((who, ""));
        Login {
            host: host.to_owned(),
            port: port.parse().unwrap_or_else(|_| panic!("no port in {url:?}")),
            username: username.to_owned(),
            password: password.to_owned(),
        }
    }
}

/// A database of one test, on the server of its process. It stays until the server goes; on a server that was there
/// before it is dropped with this value.
#[derive(Debug)]
pub struct Database {
    /// Where the server is.
    pub login: Login,
    /// Its name.
    pub name: String,
    client: PathBuf,
    kind: Kind,
    is_borrowed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    MySql,
    Postgres,
}

impl Database {
    /// Runs SQL with the vendor's own client and returns what it prints: rows as lines, columns parted by tabs.
    ///
    /// # Panics
    /// When the client complains.
    pub fn sql(&self, text: &str) -> String {
        self.try_sql(text)
            .unwrap_or_else(|complaint| panic!("{text}: {complaint}"))
    }

    /// As [`Database::sql`]; the error is what the client says.
    pub fn try_sql(&self, text: &str) -> Result<String, String> {
        run(&self.client, self.kind, &self.login, &self.name, text)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_borrowed {
            let drop = format!("DROP DATABASE {}", self.name);
            // A database that stays behind on a server of the user's is no reason to fail.
            let _ = run(
                &self.client,
                self.kind,
                &self.login,
                self.kind.always_there(),
                &drop,
            );
        }
    }
}

impl Kind {
    /// A database that every server has.
    fn always_there(self) -> &'static str {
        match self {
            Kind::MySql => "mysql",
            Kind::Postgres => "postgres",
        }
    }
}

/// Makes a database with a name that nobody else has.
fn create(client: PathBuf, kind: Kind, login: &Login, is_borrowed: bool, options: &str) -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("restante_{}_{number}", std::process::id());
    let sql = format!("CREATE DATABASE {name} {options}");
    run(&client, kind, login, kind.always_there(), &sql)
        .unwrap_or_else(|complaint| panic!("cannot create a database: {complaint}"));
    Database {
        login: login.clone(),
        name,
        client,
        kind,
        is_borrowed,
    }
}

fn run(client: &PathBuf, kind: Kind, login: &Login, database: &str, text: &str) -> Result<String, String> {
    let mut command = Command::new(client);
    let port = login.port.to_string();
    match kind {
        Kind::MySql => {
            command.args([
                "--no-defaults",
                "--protocol=tcp",
                "--batch",
                "--skip-column-names",
            ]);
            command.args(["--default-character-set=utf8mb4", "-h", &login.host, "-P", &port]);
            command.args(["-u", &login.username, database, "-e", text]);
            command.env("MYSQL_PWD", &login.password);
        }
        Kind::Postgres => {
            command.args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-F",
                "\t",
                "-P",
                "null=NULL",
                "-v",
                "ON_ERROR_STOP=1",
            ]);
            command.args(["-h", &login.host, "-p", &port, "-U", &login.username]);
            command.args(["-d", database, "-c", text]);
            command
                .env("PGPASSWORD", &login.password)
                .env("PGCLIENTENCODING", "UTF8");
        }
    }
    let output = command
        .output()
        .map_err(|error| format!("cannot start {}: {error}", client.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_from_a_url() {
        let login = Login::from_url("mysql://me:se:cret@db.example:3307/", "mysql");
        assert_eq!((login.host.as_str(), login.port), ("db.example", 3307));
        assert_eq!(
            (login.username.as_str(), login.password.as_str()),
            ("me", "se:cret")
        );
    }

    #[test]
    fn each_test_has_a_database_of_its_own() {
        let Some(one) = MariaDb::database() else { return };
        let Some(two) = MariaDb::database() else { return };
        one.sql("create table t (a int)");
        one.sql("insert into t values (1), (2)");
        assert_eq!(one.sql("select a, 'x' from t order by a"), "1\tx\n2\tx");
        assert!(two.try_sql("select * from t").is_err());
    }

    #[test]
    fn a_server_of_ones_own_can_be_killed_and_comes_back_with_its_data() {
        let Some(mut server) = MariaDb::start() else {
            return;
        };
        let database = server.new_database();
        database.sql("create table t (a int)");
        database.sql("insert into t values (7)");
        server.kill();
        assert!(database.try_sql("select a from t").is_err());
        server.restart();
        assert_eq!(database.sql("select a from t"), "7");
    }

    #[test]
    fn postgres_answers_in_the_same_way() {
        let Some(mut server) = Postgres::start() else {
            return;
        };
        let database = server.new_database();
        database.sql("create table t (a int, b text)");
        database.sql("insert into t values (7, 'é')");
        assert_eq!(database.sql("select * from t"), "7\té");
        server.kill();
        assert!(database.try_sql("select a from t").is_err());
        server.restart();
        assert_eq!(database.sql("select a from t"), "7");
    }
}
