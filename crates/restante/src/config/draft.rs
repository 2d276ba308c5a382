//! The values while they are being read: every field has its default, the declared settings change them one by one,
//! and [`super::Config`] is made of it only when nothing was wrong.

use std::{net::SocketAddr, path::PathBuf};

use restante_broker::settings::Settings;

use super::keeping::{HookDraft, KeepDraft, Pool};

/// Which store keeps the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// The log on disk.
    Log,
    /// Plain memory: a restart loses everything.
    Memory,
}

/// When what was written is made safe from a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before each acknowledgement, one sync for all that wait.
    Always,
    /// Every `sync_interval`: a power cut loses at most what was acknowledged since the last one.
    Interval,
    /// When the system likes: a power cut may lose the last half minute or more; a killed process loses nothing.
    Never,
}

/// From where clients may come without saying who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowAnonymous {
    /// From this machine only: a listener elsewhere is refused.
    Loopback,
    /// From anywhere.
    Everywhere,
}

/// `[log_store]`: the files of the log. All in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStoreSettings {
    /// Size of one message segment.
    pub segment_bytes: u64,
    /// Most bytes of message segments; 0 = as much as the disk holds.
    pub store_bytes_max: u64,
    /// Below this many free bytes on the disk, messages that must be kept are refused (K9).
    pub free_bytes_min: u64,
    /// Most bytes that a start has to read again: a bound on the time a restart takes.
    pub checkpoint_bytes: u64,
    /// Most bytes submitted and not yet on disk; beyond it publishers are slowed down (K26).
    pub pending_bytes_max: u64,
}

/// `[memory_store]`. All in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStoreSettings {
    /// Most bytes of messages kept, with what each costs beside its own bytes.
    pub store_bytes_max: u64,
    /// Most bytes submitted and not yet applied; beyond it publishers are slowed down (K26).
    pub pending_bytes_max: u64,
}

/// What happens when the outbox of a pool is full (K42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxFull {
    /// What would be owed to the pool is refused: the publisher keeps it.
    RejectPublisher,
    /// The oldest records go to the dead letters.
    DeadLetterOldest,
}

/// What happens when a database has not answered at the deadline (K41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAckDeadline {
    /// The publisher has its acknowledgement: the message is in the outbox.
    Accept,
    /// The publisher is refused.
    Refuse,
}

/// `[outbox]`: what is owed to databases. All limits are of one pool; 0 = none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxSettings {
    /// Most records.
    pub messages_max: u64,
    /// Most bytes.
    pub bytes_max: u64,
    /// Seconds after which a record goes to the dead letters.
    pub age_max: u64,
    /// What happens at `messages_max` and `bytes_max`.
    pub when_full: OutboxFull,
    /// Most dead letters; beyond it the oldest are dropped and counted.
    pub dead_letters_max: u64,
    /// Milliseconds that a publisher waits for the database with `ack_after = "backend"`; 0 = not set.
    pub ack_deadline_millis: u64,
    /// What happens then.
    pub on_ack_deadline: OnAckDeadline,
    /// Milliseconds for which a record is kept after the database has taken it (K40).
    pub confirm_window_millis: u64,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: one line of text.
    Text,
    /// For machines: one JSON object a line, with the same fields.
    Json,
}

/// Which lines are written: this level and the graver ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What somebody must mend.
    Error,
    /// What somebody should look at.
    Warn,
    /// What happened to the process.
    Info,
    /// What happened to each connection.
    Debug,
    /// What happened to each packet.
    Trace,
}

/// Every value of the configuration, not yet known to fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) data_dir: PathBuf,
    pub(crate) store: StoreKind,
    pub(crate) sync: SyncPolicy,
    pub(crate) sync_interval_millis: u64,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) allow_anonymous: AllowAnonymous,
    pub(crate) broker: Settings,
    pub(crate) log_store: LogStoreSettings,
    pub(crate) memory_store: MemoryStoreSettings,
    pub(crate) outbox: OutboxSettings,
    pub(crate) pools: Vec<Pool>,
    pub(crate) keeps: Vec<KeepDraft>,
    pub(crate) hooks: Vec<HookDraft>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: LogLevel,
}

impl Default for Draft {
    fn default() -> Draft {
        Draft {
            data_dir: PathBuf::from("restante-data"),
            store: StoreKind::Log,
            sync: SyncPolicy::Always,
            sync_interval_millis: 100,
            http: None,
            allow_anonymous: AllowAnonymous::Loopback,
            broker: Settings::default(),
            log_store: LogStoreSettings::default(),
            memory_store: MemoryStoreSettings::default(),
            outbox: OutboxSettings::default(),
            pools: Vec::new(),
            keeps: Vec::new(),
            hooks: Vec::new(),
            log_format: LogFormat::Text,
            log_level: LogLevel::Info,
        }
    }
}

impl Default for LogStoreSettings {
    fn default() -> LogStoreSettings {
        LogStoreSettings {
            segment_bytes: 64 << 20,
            store_bytes_max: 0,
            free_bytes_min: 256 << 20,
            checkpoint_bytes: 64 << 20,
            pending_bytes_max: 64 << 20,
        }
    }
}

impl Default for MemoryStoreSettings {
    fn default() -> MemoryStoreSettings {
        MemoryStoreSettings {
            store_bytes_max: 1 << 30,
            pending_bytes_max: 32 << 20,
        }
    }
}

impl Default for OutboxSettings {
    fn default() -> OutboxSettings {
        OutboxSettings {
            messages_max: 10_000_000,
            bytes_max: 4 << 30,
            age_max: 0,
            when_full: OutboxFull::RejectPublisher,
            dead_letters_max: 100_000,
            ack_deadline_millis: 0,
            on_ack_deadline: OnAckDeadline::Accept,
            confirm_window_millis: 10_000,
        }
    }
}
