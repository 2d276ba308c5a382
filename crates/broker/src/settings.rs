//! What the broker is told: valid by construction, made by the binary from its configuration.

use std::net::SocketAddr;

pub use restante_store::contract::{QueueLimits, WhenFull};

/// Everything the broker needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen for MQTT over TCP.
    pub mqtt: Vec<SocketAddr>,
    /// Runtime threads; each owns its connections for life. 0 = one per core but one, and one at least.
    pub threads: usize,
    /// Sessions, queues and the protocol's limits.
    pub session: SessionSettings,
    /// Bounds of the whole broker.
    pub limits: LimitSettings,
}

/// `[session]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Seconds a persistent session of a 3.x client outlives its connection; `u32::MAX` = for ever. Default 7 days.
    pub session_expiry: u32,
    /// The most seconds a 5.0 client may ask for; `u32::MAX` = no cap (default).
    pub session_expiry_max: u32,
    /// Limits of what one session may be owed. Default 10,000 messages, 64 MiB, drop-oldest.
    pub queue: QueueLimits,
    /// Seconds a message waits at most; 0 = no limit of ours (default).
    pub message_expiry: u32,
    /// How many QoS 1 and 2 publishes of one client we take at once (announced). Default 100, 1 to 65,535.
    pub receive_maximum: u16,
    /// In flight towards clients that announce nothing. Default 100.
    pub inflight: u16,
    /// A cap on what clients announce (K18). Default 65,535.
    pub inflight_max: u16,
    /// Largest packet we take, in bytes (announced). Default 1 MiB, 1 KiB to 256 MiB.
    pub packet_size_max: u32,
    /// A cap on keep-alive told to 5.0 clients, in seconds; 0 = none (default).
    pub keep_alive_max: u16,
    /// Topic aliases each way. Default 32.
    pub topic_alias_max: u16,
    /// Seconds for which a step of the system's clock forward by more than an hour must last before sessions and messages
    /// expire by it (K29); `u32::MAX` = never before a restart. Default one day.
    pub clock_trust: u32,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Connections at once, all listeners. Default 100,000.
    pub connections_max: usize,
    /// Persistent sessions, absent and present (K24). Default 10,000,000.
    pub sessions_max: usize,
    /// Subscriptions of one session. Default 1,000.
    pub subscriptions_per_session_max: usize,
    /// Retained messages. Default 1,000,000.
    pub retained_max: u64,
    /// Bytes of retained messages. Default 1 GiB.
    pub retained_bytes_max: u64,
    /// Seconds a new connection has for its CONNECT. Default 10.
    pub connect_timeout: u16,
    /// Bytes that wait to be written to one connection before it is fed no more. Default 256 KiB.
    pub outgoing_bytes_max: usize,
    /// Wills published per second when many fall due at once (K11). Default 1,000.
    pub wills_per_second: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mqtt: vec![SocketAddr::from(([127, 0, 0, 1], 1883))],
            threads: 0,
            session: SessionSettings::default(),
            limits: LimitSettings::default(),
        }
    }
}

impl Default for SessionSettings {
    fn default() -> SessionSettings {
        SessionSettings {
            session_expiry: 7 * 24 * 3600,
            session_expiry_max: u32::MAX,
            queue: QueueLimits {
                messages_max: 10_000,
                bytes_max: 64 << 20,
                when_full: WhenFull::DropOldest,
            },
            message_expiry: 0,
            receive_maximum: 100,
            inflight: 100,
            inflight_max: u16::MAX,
            packet_size_max: 1 << 20,
            keep_alive_max: 0,
            topic_alias_max: 32,
            clock_trust: 24 * 3600,
        }
    }
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            connections_max: 100_000,
            sessions_max: 10_000_000,
            subscriptions_per_session_max: 1_000,
            retained_max: 1_000_000,
            retained_bytes_max: 1 << 30,
            connect_timeout: 10,
            outgoing_bytes_max: 256 << 10,
            wills_per_second: 1_000,
        }
    }
}
