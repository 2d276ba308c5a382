//! Topic names: what a message may be published to.

/// The most levels a topic name or filter may have. Bounds the work of matching; MQTT sets no such limit.
pub const LEVELS_MAX: usize = 128;

/// Why a text is not a topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    /// A name has at least one character `[MQTT-4.7.3-1]`.
    Empty,
    /// `+` or `#` stand in filters only `[MQTT-3.3.2-2]`.
    Wildcard,
    /// U+0000 stands nowhere `[MQTT-4.7.3-2]`.
    Nul,
    /// More than [`LEVELS_MAX`] levels.
    TooManyLevels,
}

impl std::fmt::Display for TopicError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TopicError::Empty => "the topic name is empty",
            TopicError::Wildcard => "the topic name contains a wildcard",
            TopicError::Nul => "the topic name contains U+0000",
            TopicError::TooManyLevels => "the topic name has more than 128 levels",
        })
    }
}

impl std::error::Error for TopicError {}

/// Checks a topic name that somebody publishes to.
pub fn check(topic: &str) -> Result<(), TopicError> {
    if topic.is_empty() {
        return Err(TopicError::Empty);
    }
    let mut levels = 1;
    for &byte in topic.as_bytes() {
        match byte {
            b'+' | b'#' => return Err(TopicError::Wildcard),
            0 => return Err(TopicError::Nul),
            b'/' => levels += 1,
            _ => {}
        }
    }
    if levels > LEVELS_MAX {
        Err(TopicError::TooManyLevels)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(check("a/b"), Ok(()));
        assert_eq!(check("/"), Ok(()));
        assert_eq!(check(""), Err(TopicError::Empty));
        assert_eq!(check("a/+"), Err(TopicError::Wildcard));
        assert_eq!(check("a#"), Err(TopicError::Wildcard));
        assert_eq!(check("a\0b"), Err(TopicError::Nul));
        assert_eq!(check(&"/".repeat(127)), Ok(()));
        assert_eq!(check(&"/".repeat(128)), Err(TopicError::TooManyLevels));
    }
}
