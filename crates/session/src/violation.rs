//! Why a connection must end.

/// What the client did that it may not do. A 5.0 client is told the reason code in DISCONNECT before the connection
/// closes `[MQTT-4.13.1-1]`; a 3.x client sees the connection close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Violation {
    /// Reason code for DISCONNECT, 0x81 or above.
    pub reason: u8,
    /// A sentence for the log and the reason string; lower case, no final stop.
    pub why: &'static str,
}
