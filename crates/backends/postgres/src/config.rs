//! The settings of a pool. What a file looks like is the binary's affair.

use std::{fmt, path::PathBuf, time::Duration};

/// One pool of connections to one PostgreSQL server.
#[derive(Clone)]
pub struct Config {
    /// `host:port`; 5432 where no port is given.
    pub server: String,
    /// The database the tables are in.
    pub database: String,
    /// User.
    pub username: String,
    /// Password; empty for none.
    pub password: String,
    /// Most connections at a time. Who wants one more waits, at most `command_timeout`.
    pub pool_size: usize,
    /// TLS; `None` = plain (K48).
    pub tls: Option<Tls>,
    /// How long making a connection may take, login included.
    pub connect_timeout: Duration,
    /// How long one command may take. A connection whose command took longer is given up.
    pub command_timeout: Duration,
    /// What becomes of a payload that is no text, where the payload's column is one.
    pub payload_encoding: PayloadEncoding,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            server: "127.0.0.1:5432".to_owned(),
            database: "mqtt".to_owned(),
            username: "restante".to_owned(),
            password: String::new(),
            pool_size: 8,
            tls: None,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(10),
            payload_encoding: PayloadEncoding::Reject,
        }
    }
}

/// Without the password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("server", &self.server)
            .field("database", &self.database)
            .field("username", &self.username)
            .field("pool_size", &self.pool_size)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// What becomes of a payload that is no text (no UTF-8, or with a zero byte in it) in a text column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadEncoding {
    /// It is refused.
    #[default]
    Reject,
    /// `data:;base64,` and the payload in base64 (RFC 2397).
    Base64,
    /// `\x` and the payload in hexadecimal, as PostgreSQL itself writes a bytea: `payload::bytea` gives it back.
    Hex,
}

/// How the server is known and how we are known to it. Files are PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authority that signed the server's certificate; `None` = those that everybody trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate, with `key`.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The name in the server's certificate, where it is not the host's.
    pub server_name: Option<String>,
    /// Whether the certificate must be right. Without it anybody can be the server.
    pub verify: bool,
}

impl Default for Tls {
    fn default() -> Tls {
        Tls {
            ca: None,
            certificate: None,
            key: None,
            server_name: None,
            verify: true,
        }
    }
}
