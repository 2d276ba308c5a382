//! What the broker counts, as plain numbers for whoever shows them.

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
