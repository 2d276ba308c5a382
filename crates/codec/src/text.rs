//! Text in packets: UTF-8 without U+0000, and topic names.

use restante_model::topic::LEVELS_MAX;

use crate::error::Fault;

/// A UTF-8 encoded string: well formed, no surrogates `[MQTT-1.5.4-1]`, no U+0000 `[MQTT-1.5.4-2]`.
///
/// Other control characters and non-characters are taken (the specification says *should not* and leaves it to us);
/// U+FEFF is a character like any other and stays `[MQTT-1.5.4-3]`.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    if bytes.contains(&0) {
        return Err(Fault::Nul);
    }
    Ok(text)
}

/// A topic name, possibly empty: text without wildcards `[MQTT-3.3.2-2]`, of at most [`LEVELS_MAX`] levels, which is
/// a bound of ours.
#[inline]
pub(crate) fn topic_name(bytes: &[u8]) -> Result<&str, Fault> {
    let topic = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    if has_forbidden(bytes) {
        return Err(if bytes.contains(&0) {
            Fault::Nul
        } else {
            Fault::TopicWildcard
        });
    }
    if bytes.len() >= LEVELS_MAX && bytes.iter().filter(|&&byte| byte == b'/').count() >= LEVELS_MAX {
        return Err(Fault::TopicLevels);
    }
    Ok(topic)
}

/// Whether `+`, `#` or a zero byte stands anywhere. Looks at eight bytes at a time: topics are short, and this is
/// on the path of every PUBLISH.
#[inline]
fn has_forbidden(bytes: &[u8]) -> bool {
    let mut found = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        found |= zero_bytes(word) | zero_bytes(word ^ PLUS) | zero_bytes(word ^ HASH);
    }
    found != 0 || rest.iter().any(|byte| matches!(byte, 0 | b'+' | b'#'))
}

const LOW: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
const PLUS: u64 = u64::from_le_bytes([b'+'; 8]);
const HASH: u64 = u64::from_le_bytes([b'#'; 8]);

/// Not zero exactly if a byte of the word is zero.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_bytes_are_found_at_every_place() {
        for length in 0..40 {
            let mut bytes = vec![b'x'; length];
            assert!(topic_name(&bytes).is_ok());
            for place in 0..length {
                for (byte, fault) in [
                    (0, Fault::Nul),
                    (b'+', Fault::TopicWildcard),
                    (b'#', Fault::TopicWildcard),
                ] {
                    bytes[place] = byte;
                    assert_eq!(topic_name(&bytes), Err(fault), "{byte} at {place} of {length}");
                }
                bytes[place] = b'x';
            }
        }
    }

    #[test]
    fn levels_have_a_bound() {
        let names = ["/".repeat(127), "a/".repeat(127), "x".repeat(65_535)];
        assert!(names.iter().all(|name| topic_name(name.as_bytes()).is_ok()));
        for name in [
            "/".repeat(128),
            "/".repeat(65_535),
            format!("{}/", "a/".repeat(127)),
        ] {
            assert_eq!(topic_name(name.as_bytes()), Err(Fault::TopicLevels));
        }
    }

    #[test]
    fn letters_of_every_length_pass() {
        let topic = "é/ß/日本/🚪/\u{feff}/\u{1}/-./,\"$*".repeat(3);
        assert_eq!(topic_name(topic.as_bytes()), Ok(topic.as_str()));
        assert_eq!(text(topic.as_bytes()), Ok(topic.as_str()));
        assert_eq!(text(b"a+#"), Ok("a+#"));
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        for bytes in [
            &b"\xc0\x80"[..],
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"a\xff",
            b"\xe2\x82",
        ] {
            assert_eq!(text(bytes), Err(Fault::NotUtf8));
            assert_eq!(topic_name(bytes), Err(Fault::NotUtf8));
        }
        assert_eq!(text(b"a\0"), Err(Fault::Nul));
    }
}
