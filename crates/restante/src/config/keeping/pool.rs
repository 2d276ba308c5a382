//! What a configured pool is.

use std::time::Duration;

use crate::config::secret::Secret;

/// `[backend.KIND.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The name of the kind, as the registry of backends has it.
    pub kind: &'static str,
    /// The user's name for it.
    pub name: String,
    /// What the kind takes.
    pub settings: PoolSettings,
}

impl Pool {
    /// How keeps and hooks name it: `redis.main`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.kind, self.name)
    }

    /// What all kinds take.
    pub fn basis(&self) -> &Basis {
        match &self.settings {
            PoolSettings::Redis(settings) => &settings.basis,
            PoolSettings::Mysql(settings) | PoolSettings::Postgres(settings) => &settings.basis,
        }
    }

    pub(crate) fn basis_mut(&mut self) -> &mut Basis {
        match &mut self.settings {
            PoolSettings::Redis(settings) => &mut settings.basis,
            PoolSettings::Mysql(settings) | PoolSettings::Postgres(settings) => &mut settings.basis,
        }
    }

    /// How long a message stays by the pool's own setting; `None` = it does not go by itself.
    pub fn message_ttl(&self) -> Option<Duration> {
        match &self.settings {
            PoolSettings::Redis(settings) => Some(Duration::from_secs(settings.message_ttl)),
            PoolSettings::Mysql(_) | PoolSettings::Postgres(_) => None,
        }
    }
}

/// The settings of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolSettings {
    /// `[backend.redis.NAME]`
    Redis(RedisSettings),
    /// `[backend.mysql.NAME]`
    Mysql(SqlSettings),
    /// `[backend.postgres.NAME]`
    Postgres(SqlSettings),
}

/// What all kinds of pools take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Empty = none.
    pub username: String,
    /// Where the password is; empty = none.
    pub password_file: String,
    /// What was in that file.
    pub password: Secret,
    /// Connections; 1 or more.
    pub pool_size: u32,
    /// Milliseconds that making a connection may take, login included.
    pub connect_timeout_millis: u64,
    /// Milliseconds that one request may take beyond that.
    pub command_timeout_millis: u64,
    /// `None` = plain.
    pub tls: Option<Tls>,
    /// Most messages of one fetch, for hooks that do not say; 0 = no limit.
    pub returned_max: u64,
    /// Seconds: only what is younger is fetched, for hooks that do not say; 0 = no limit.
    pub time_range: u64,
}

/// TLS towards a database. Empty paths and names are not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificates that are trusted; empty = those of the system.
    pub ca: String,
    /// Our own certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// The name that the server's certificate must have; empty = the host's.
    pub server_name: String,
    /// Whether the server's certificate is checked at all.
    pub verify: bool,
}

/// How the Redis servers belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisMode {
    /// One server.
    Single,
    /// The servers are sentinels, who know the primary.
    Sentinel,
    /// Redis Cluster.
    Cluster,
}

/// `[backend.redis.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// What all kinds take.
    pub basis: Basis,
    /// `host:port`.
    pub servers: Vec<String>,
    /// How they belong together.
    pub mode: RedisMode,
    /// The primary's name among the sentinels.
    pub master_name: String,
    /// User name towards the sentinels; empty = none.
    pub sentinel_username: String,
    /// Where the password towards the sentinels is; empty = none.
    pub sentinel_password_file: String,
    /// What was in that file.
    pub sentinel_password: Secret,
    /// Database number; a cluster has only 0.
    pub database: u32,
    /// Keys of messages begin with it.
    pub message_key_prefix: String,
    /// Keys of subscriptions begin with it.
    pub subscription_key_prefix: String,
    /// Seconds that a message stays; 1 or more.
    pub message_ttl: u64,
    /// Where commands to subscribe come in (C3); empty = nowhere.
    pub channel: String,
    /// Where events go out; empty = nowhere.
    pub channel_out: String,
}

/// What becomes of a payload that is not text in a column of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadEncoding {
    /// It is refused for storage.
    Reject,
    /// It is written as base64.
    Base64,
    /// It is written as hexadecimal digits.
    Hex,
}

/// `[backend.mysql.NAME]` and `[backend.postgres.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlSettings {
    /// What all kinds take.
    pub basis: Basis,
    /// `host:port`.
    pub server: String,
    /// The database's name.
    pub database: String,
    /// How many row numbers a fetch looks back for rows that became visible late (K37).
    pub reread_window: u64,
    /// For columns of text; PostgreSQL only.
    pub payload_encoding: PayloadEncoding,
}

/// A draft that holds the settings of all pools.
pub(super) trait HasBasis {
    fn basis(&self) -> &Basis;
    fn basis_mut(&mut self) -> &mut Basis;
}

impl HasBasis for RedisSettings {
    fn basis(&self) -> &Basis {
        &self.basis
    }
    fn basis_mut(&mut self) -> &mut Basis {
        &mut self.basis
    }
}

impl HasBasis for SqlSettings {
    fn basis(&self) -> &Basis {
        &self.basis
    }
    fn basis_mut(&mut self) -> &mut Basis {
        &mut self.basis
    }
}

impl Default for Basis {
    fn default() -> Basis {
        Basis {
            username: String::new(),
            password_file: String::new(),
            password: Secret::default(),
            pool_size: 8,
            connect_timeout_millis: 5_000,
            command_timeout_millis: 10_000,
            tls: None,
            returned_max: 0,
            time_range: 0,
        }
    }
}

impl Default for Tls {
    fn default() -> Tls {
        Tls {
            ca: String::new(),
            certificate: String::new(),
            key: String::new(),
            server_name: String::new(),
            verify: true,
        }
    }
}

impl Default for RedisSettings {
    fn default() -> RedisSettings {
        RedisSettings {
            basis: Basis::default(),
            servers: vec!["127.0.0.1:6379".to_owned()],
            mode: RedisMode::Single,
            master_name: String::new(),
            sentinel_username: String::new(),
            sentinel_password_file: String::new(),
            sentinel_password: Secret::default(),
            database: 0,
            message_key_prefix: "mqtt:msg".to_owned(),
            subscription_key_prefix: "mqtt:sub".to_owned(),
            message_ttl: 7_200,
            channel: String::new(),
            channel_out: String::new(),
        }
    }
}

impl SqlSettings {
    /// The defaults of a kind: its port differs.
    fn at(server: &str) -> SqlSettings {
        SqlSettings {
            basis: Basis {
                username: "restante".to_owned(),
                ..Basis::default()
            },
            server: server.to_owned(),
            database: "mqtt".to_owned(),
            reread_window: 1_000,
            payload_encoding: PayloadEncoding::Reject,
        }
    }

    pub(in crate::config) fn mysql() -> SqlSettings {
        SqlSettings::at("127.0.0.1:3306")
    }

    pub(in crate::config) fn postgres() -> SqlSettings {
        SqlSettings::at("127.0.0.1:5432")
    }
}
