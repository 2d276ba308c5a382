//! Points in time as plain numbers. Nothing here reads a clock: time is always an argument.

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// A time that never comes.
    pub const NEVER: UnixMillis = UnixMillis(u64::MAX);

    /// This time and `seconds` more; `u32::MAX` seconds is never `[MQTT-3.1.2.11.2]`.
    pub const fn plus_seconds(self, seconds: u32) -> UnixMillis {
        if seconds == u32::MAX {
            return UnixMillis::NEVER;
        }
        UnixMillis(self.0.saturating_add(seconds as u64 * 1000))
    }
}

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMicros(pub u64);

impl UnixMicros {
    /// The same moment in milliseconds, rounded down.
    pub const fn millis(self) -> UnixMillis {
        UnixMillis(self.0 / 1000)
    }
}
