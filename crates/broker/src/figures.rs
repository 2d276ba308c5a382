//! What the broker counts, as plain numbers for whoever shows them.

use std::{sync::Arc, time::Duration};

use restante_model::NotKept;

/// A snapshot of the broker's counters and gauges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerFigures {
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted since the start.
    pub connections_accepted: u64,
    /// Connections refused or closed before CONNACK with success.
    pub connections_refused: u64,
    /// Persistent sessions with a connection.
    pub sessions_present: u64,
    /// Persistent sessions without a connection.
    pub sessions_absent: u64,
    /// Subscriptions of present sessions.
    pub subscriptions: u64,
    /// PUBLISH received, by QoS.
    pub messages_received: [u64; 3],
    /// PUBLISH sent, by QoS.
    pub messages_sent: [u64; 3],
    /// Bytes of packets received.
    pub bytes_received: u64,
    /// Bytes of packets sent.
    pub bytes_sent: u64,
    /// Messages that ended without being kept or delivered, by reason, in the order of [`NotKept::ALL`].
    pub not_kept: [u64; NotKept::ALL.len()],
    /// Connections closed by the broker for a protocol violation.
    pub protocol_errors: u64,
}

/// How one pool does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// `redis.main`: kind and name.
    pub name: Arc<str>,
    /// Records in its outbox.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// How long the oldest has waited, as of the store's last tick.
    pub oldest: Duration,
    /// Things the database has done since the start: rows, deletes, read positions, statements.
    pub sent: u64,
    /// Records that needed no sending: inserts that met their delete, and the deletes.
    pub cancelled: u64,
    /// Things it has refused for good.
    pub dead: u64,
    /// Dead letters that are kept.
    pub letters: u64,
    /// Dead letters that were dropped, because there were too many.
    pub letters_dropped: u64,
    /// Attempts that found it away.
    pub away: u64,
    /// Messages fetched from it for clients.
    pub fetched: u64,
    /// Records of a newer version, passed over.
    pub unknown: u64,
    /// An operator has stopped its drain.
    pub paused: bool,
    /// Why nothing gets through now, if nothing does.
    pub trouble: Option<Arc<str>>,
}
