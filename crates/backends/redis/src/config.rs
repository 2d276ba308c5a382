//! What a pool is configured with.

use std::{fmt, path::PathBuf, time::Duration};

use restante_backend::trouble::Unfit;

/// Most connections of one pool to one server.
pub const POOL_SIZE_MAX: usize = 256;

/// How long a message stays when nothing is said, as in the plugin.
pub const DEFAULT_TTL: Duration = Duration::from_secs(7_200);

/// Which servers there are and who finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// One server.
    Single,
    /// A master that sentinels name.
    Sentinel,
    /// A Redis Cluster.
    Cluster,
}

/// The settings of a pool (`[backend.redis.NAME]`).
#[derive(Clone)]
pub struct Config {
    /// `host:port`, or a host alone for port 6379 (26379 of a sentinel). One for [`Deployment::Single`]; of sentinels
    /// and clusters those that are asked for the others, in this order.
    pub servers: Vec<String>,
    /// Which servers there are.
    pub deployment: Deployment,
    /// The name that sentinels know the master by.
    pub master_name: String,
    /// The logical database; ignored by clusters, which have only 0.
    pub database: u32,
    /// Name of the ACL user; empty = the default user.
    pub username: String,
    /// Password; empty = none.
    pub password: String,
    /// As [`Config::username`], for the sentinels.
    pub sentinel_username: String,
    /// As [`Config::password`], for the sentinels.
    pub sentinel_password: String,
    /// Connections to each server, 1 to [`POOL_SIZE_MAX`].
    pub pool_size: usize,
    /// `None` = plain.
    pub tls: Option<Tls>,
    /// What the keys of messages and of their index begin with, without the last colon.
    pub message_key_prefix: String,
    /// What the keys of subscriptions begin with, without the last colon.
    pub subscription_key_prefix: String,
    /// How long a message stays; zero = [`DEFAULT_TTL`]. Rounded up to whole seconds.
    pub message_ttl: Duration,
    /// How long a call may take beyond the time for a connection.
    pub command_timeout: Duration,
    /// How long making a connection may take: resolving the name, TLS and login together.
    pub connect_timeout: Duration,
}

/// How TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities that are believed, PEM; `None` = the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate chain, PEM, where the server asks for one.
    pub certificate: Option<PathBuf>,
    /// The key that belongs to it, PEM.
    pub key: Option<PathBuf>,
    /// The name the server's certificate must bear; `None` = the host of the address.
    pub server_name: Option<String>,
    /// Whether the server's certificate is checked. Without it anybody on the way can read and change everything.
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

impl Default for Config {
    fn default() -> Config {
        Config {
            servers: vec!["127.0.0.1:6379".to_owned()],
            deployment: Deployment::Single,
            master_name: String::new(),
            database: 0,
            username: String::new(),
            password: String::new(),
            sentinel_username: String::new(),
            sentinel_password: String::new(),
            pool_size: 8,
            tls: None,
            message_key_prefix: "mqtt:msg".to_owned(),
            subscription_key_prefix: "mqtt:sub".to_owned(),
            message_ttl: DEFAULT_TTL,
            command_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// Refuses what cannot be, with what to write instead.
    pub fn check(&self) -> Result<(), Unfit> {
        let unfit = |why: String| Err(Unfit { why, at: None });
        if self.servers.is_empty() {
            return unfit("servers is empty; write servers = [\"127.0.0.1:6379\"]".to_owned());
        }
        for server in &self.servers {
            if split(server, 0).is_none() {
                return unfit(format!(
                    "{server:?} in servers is no host:port; write \"127.0.0.1:6379\""
                ));
            }
        }
        if self.deployment == Deployment::Single && self.servers.len() > 1 {
            return unfit(format!(
                "servers names {} servers and mode is \"single\"; write one, or mode = \"sentinel\" or \"cluster\"",
                self.servers.len()
            ));
        }
        if self.deployment == Deployment::Sentinel && self.master_name.is_empty() {
            return unfit(
                "mode = \"sentinel\" needs master_name, the name the sentinels know the master by".to_owned(),
            );
        }
        if !(1..=POOL_SIZE_MAX).contains(&self.pool_size) {
            return unfit(format!(
                "pool_size is {}; it is 1 to {POOL_SIZE_MAX}",
                self.pool_size
            ));
        }
        if !self.username.is_empty() && self.password.is_empty() {
            return unfit("username is set and there is no password; give it with password_file".to_owned());
        }
        if self.message_key_prefix.is_empty() || self.subscription_key_prefix.is_empty() {
            return unfit("message_key_prefix and subscription_key_prefix cannot be empty".to_owned());
        }
        if self.message_key_prefix == self.subscription_key_prefix {
            return unfit(
                "message_key_prefix and subscription_key_prefix are the same; their keys would meet"
                    .to_owned(),
            );
        }
        if self.command_timeout.is_zero() || self.connect_timeout.is_zero() {
            return unfit("command_timeout and connect_timeout must be longer than nothing".to_owned());
        }
        if let Some(tls) = &self.tls
            && tls.certificate.is_some() != tls.key.is_some()
        {
            return unfit(
                "tls has a certificate without a key, or a key without a certificate; give both".to_owned(),
            );
        }
        Ok(())
    }
}

/// Host and port of an address; `port` where it has none. `None` when it is no address.
pub(crate) fn split(address: &str, port: u16) -> Option<(&str, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, port),
            (host, behind) => (host, behind.strip_prefix(':')?.parse().ok()?),
        },
        None => match address.rsplit_once(':') {
            // More than one colon and no brackets: a bare IPv6 address.
            Some((before, _)) if before.contains(':') => (address, port),
            Some((host, number)) => (host, number.parse().ok()?),
            None => (address, port),
        },
    };
    (!host.is_empty()).then_some((host, port))
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("servers", &self.servers)
            .field("deployment", &self.deployment)
            .field("master_name", &self.master_name)
            .field("database", &self.database)
            .field("username", &self.username)
            .field("pool_size", &self.pool_size)
            .field("tls", &self.tls)
            .field("message_key_prefix", &self.message_key_prefix)
            .field("subscription_key_prefix", &self.subscription_key_prefix)
            .field("message_ttl", &self.message_ttl)
            .field("command_timeout", &self.command_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(split("a:1", 9), Some(("a", 1)));
        assert_eq!(split("a", 9), Some(("a", 9)));
        assert_eq!(split("[::1]:7", 9), Some(("::1", 7)));
        assert_eq!(split("::1", 9), Some(("::1", 9)));
        for bad in ["", ":1", "a:b", "[::1", "[::1]x"] {
            assert_eq!(split(bad, 9), None, "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_write() {
        let bad = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().why
        };
        assert!(bad(|c| c.servers.clear()).contains("write servers"));
        assert!(bad(|c| c.servers.push("b:1".into())).contains("mode"));
        assert!(bad(|c| c.deployment = Deployment::Sentinel).contains("master_name"));
        assert!(bad(|c| c.pool_size = 0).contains("1 to 256"));
        assert!(bad(|c| c.username = "x".into()).contains("password_file"));
        assert!(bad(|c| c.message_key_prefix = "mqtt:sub".into()).contains("same"));
        assert!(Config::default().check().is_ok());
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = Config {
            password: "hush".into(),
            sentinel_password: "hush".into(),
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hush"));
    }
}
