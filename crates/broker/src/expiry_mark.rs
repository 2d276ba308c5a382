//! How a message remembers whether its publisher set an expiry.
//!
//! A deadline may be the publisher's or ours; only the publisher's is told to subscribers (K21). The property block
//! that travels with a message begins with a message expiry property exactly when the publisher sent one.

use restante_model::UnixMillis;

/// Identifier of the message expiry interval property.
const MESSAGE_EXPIRY: u8 = 0x02;
const MARK_LEN: usize = 5;

/// Begins a property block.
pub(crate) fn begin(block: &mut Vec<u8>, expiry: Option<u32>) {
    if let Some(seconds) = expiry {
        block.push(MESSAGE_EXPIRY);
        block.extend_from_slice(&seconds.to_be_bytes());
    }
}

/// Splits a block into whether the publisher set an expiry, and the rest.
pub(crate) fn split(block: &[u8]) -> (bool, &[u8]) {
    match block.first() {
        Some(&MESSAGE_EXPIRY) if block.len() >= MARK_LEN => (true, &block[MARK_LEN..]),
        _ => (false, block),
    }
}

/// Whole seconds that remain, rounded up: what is sent on [MQTT-3.3.2-6].
pub(crate) fn remaining(deadline: UnixMillis, now: UnixMillis) -> u32 {
    let millis = deadline.0.saturating_sub(now.0);
    u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k21_only_the_publishers_expiry_is_told() {
        let mut block = Vec::new();
        begin(&mut block, Some(7));
        block.extend_from_slice(&[0x01, 1]);
        assert_eq!(split(&block), (true, &[0x01u8, 1][..]));
        assert_eq!(split(&[0x01, 1]), (false, &[0x01u8, 1][..]));
        assert_eq!(split(&[]), (false, &[][..]));
    }

    #[test]
    fn remaining_seconds_are_rounded_up() {
        assert_eq!(remaining(UnixMillis(10_001), UnixMillis(9_000)), 2);
        assert_eq!(remaining(UnixMillis(10_000), UnixMillis(10_000)), 0);
    }
}
