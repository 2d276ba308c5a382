//! Until when a message waits, and how much of that is left.

use restante_model::UnixMillis;

use crate::limits::ServerLimits;

/// When a message that arrives now expires: the sooner of what its publisher asked for and our own limit (K21).
///
/// A limit of ours of 0 is no limit. An interval of 0 from the publisher means *only who is present*: the deadline
/// is now, so whoever must wait for it finds it expired.
pub fn deadline(message_expiry: Option<u32>, now: UnixMillis, limits: &ServerLimits) -> UnixMillis {
    let ours = (limits.message_expiry_max > 0).then_some(limits.message_expiry_max);
    match (message_expiry, ours) {
        (None, None) => UnixMillis::NEVER,
        (Some(seconds), None) | (None, Some(seconds)) => after(now, seconds),
        (Some(asked), Some(ours)) => after(now, asked.min(ours)),
    }
}

/// Whole seconds until a deadline, rounded up; 0 when it is reached. This is the message expiry interval that goes
/// on to subscribers: what was asked for less the time it waited `[MQTT-3.3.2-6]`.
pub fn seconds_left(deadline: UnixMillis, now: UnixMillis) -> u32 {
    let seconds = deadline.0.saturating_sub(now.0).div_ceil(1000);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Not [`UnixMillis::plus_seconds`]: for a *message*, 0xFFFF_FFFF is a number of seconds like any other.
fn after(now: UnixMillis, seconds: u32) -> UnixMillis {
    UnixMillis(now.0.saturating_add(u64::from(seconds) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    const NOW: UnixMillis = UnixMillis(1_000_500);

    #[test]
    fn k21_the_sooner_of_both_and_zero_is_only_who_is_present() {
        for (asked, ours, expected) in [
            (None, 0, UnixMillis::NEVER),
            (Some(10), 0, UnixMillis(1_010_500)),
            (None, 10, UnixMillis(1_010_500)),
            (Some(5), 10, UnixMillis(1_005_500)),
            (Some(20), 10, UnixMillis(1_010_500)),
            (Some(0), 0, NOW),
            (Some(0), 10, NOW),
            (Some(u32::MAX), 0, UnixMillis(1_000_500 + 4_294_967_295_000)),
        ] {
            let limits = ServerLimits {
                message_expiry_max: ours,
                ..samples::limits()
            };
            assert_eq!(deadline(asked, NOW, &limits), expected, "{asked:?} {ours}");
        }
    }

    #[test]
    fn mqtt_3_3_2_6_what_is_left_is_rounded_up() {
        for (deadline, expected) in [
            (UnixMillis(1_010_500), 10),
            (UnixMillis(1_010_501), 11),
            (UnixMillis(1_000_501), 1),
            (NOW, 0),
            (UnixMillis(0), 0),
            (UnixMillis::NEVER, u32::MAX),
        ] {
            assert_eq!(seconds_left(deadline, NOW), expected, "{deadline:?}");
        }
    }
}
