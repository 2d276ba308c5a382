//! What the server allows one client: the settings that the protocol state needs, as plain numbers.

/// Limits of the server, the same for all clients of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Seconds a persistent session of a 3.x client outlives its connection; `u32::MAX` = for ever.
    pub session_expiry_3x: u32,
    /// The most seconds a 5.0 client may ask for; `u32::MAX` = no cap.
    pub session_expiry_max: u32,
    /// How many unfinished QoS 1 and 2 publishes of one client we take at once; announced. 1 to 65,535.
    pub receive_maximum: u16,
    /// In flight towards clients that announce no receive maximum. 1 to 65,535.
    pub inflight_default: u16,
    /// A cap on the receive maximum that clients announce (K18). 1 to 65,535.
    pub inflight_max: u16,
    /// Largest packet we take, in bytes; announced to 5.0 clients.
    pub packet_size_max: u32,
    /// A cap on the keep-alive in seconds, told to 5.0 clients; 0 = none.
    pub keep_alive_max: u16,
    /// Topic aliases each way; 0 = none.
    pub topic_alias_max: u16,
    /// Seconds a message waits at most; 0 = no limit of ours (K21).
    pub message_expiry_max: u32,
    /// Subscriptions one session may hold (K24).
    pub subscriptions_max: usize,
}
