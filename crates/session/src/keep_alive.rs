//! When silence is too long.

use restante_model::UnixMillis;

/// The keep-alive of one connection: nothing heard for one and a half times the agreed seconds ends it
/// `[MQTT-3.1.2-22]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Milliseconds of silence allowed; 0 = any.
    silence_max: u32,
    last: UnixMillis,
}

impl KeepAlive {
    /// Starts at the CONNECT packet. `seconds` is the effective keep-alive of the terms; 0 turns it off
    /// `[MQTT-3.1.2-22]`.
    pub fn new(seconds: u16, now: UnixMillis) -> KeepAlive {
        KeepAlive {
            silence_max: u32::from(seconds) * 1500,
            last: now,
        }
    }

    /// A whole packet came.
    pub fn heard(&mut self, now: UnixMillis) {
        self.last = now;
    }

    /// When the connection is to be closed with [`KEEP_ALIVE_TIMEOUT`](crate::reason_code::KEEP_ALIVE_TIMEOUT)
    /// unless something is heard before. `None` = never.
    pub fn deadline(&self) -> Option<UnixMillis> {
        (self.silence_max > 0).then(|| UnixMillis(self.last.0.saturating_add(u64::from(self.silence_max))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_3_1_2_22_silence_of_one_and_a_half_keep_alives() {
        let mut keep_alive = KeepAlive::new(3, UnixMillis(1000));
        assert_eq!(keep_alive.deadline(), Some(UnixMillis(5500)));
        keep_alive.heard(UnixMillis(2000));
        assert_eq!(keep_alive.deadline(), Some(UnixMillis(6500)));
        assert_eq!(
            KeepAlive::new(u16::MAX, UnixMillis(0)).deadline(),
            Some(UnixMillis(98_302_500))
        );
    }

    #[test]
    fn zero_turns_it_off() {
        assert_eq!(KeepAlive::new(0, UnixMillis(1000)).deadline(), None);
    }
}
