//! Fields that other systems wrote in more than one way: times by magnitude (C5), the retain flag (C8).

use restante_model::UnixMillis;

/// From here on a number is milliseconds and no longer seconds: March 1973 in milliseconds, the year 5138 in seconds.
const MILLISECONDS_FROM: u64 = 100_000_000_000;
/// From here on a number is microseconds.
const MICROSECONDS_FROM: u64 = 100_000_000_000_000;

/// A time in seconds, milliseconds or microseconds, told apart by its magnitude (C5).
pub fn time(number: u64) -> UnixMillis {
    UnixMillis(if number < MILLISECONDS_FROM {
        number * 1000
    } else if number < MICROSECONDS_FROM {
        number
    } else {
        number / 1000
    })
}

/// Whether a number is a time in milliseconds or microseconds, and not merely a number (or a time in seconds).
pub fn is_fine_time(number: f64) -> bool {
    number >= MILLISECONDS_FROM as f64
}

/// A time as text; `None` when it is no number, or one that stands for "none" (C9: `undefined`, `null`, 0, empty).
pub fn time_text(text: &str) -> Option<UnixMillis> {
    let whole = text.trim().split('.').next().unwrap_or_default();
    let number: u64 = whole.parse().ok()?;
    (number != 0).then(|| time(number))
}

/// A retain flag as text in any of its forms (C8); `None` when it is none of them.
pub fn flag_text(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "" | "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("t") => Some(true),
        word if word.eq_ignore_ascii_case("false") || word.eq_ignore_ascii_case("f") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c05_times_are_read_by_their_magnitude() {
        assert_eq!(time(1_481_690_659), UnixMillis(1_481_690_659_000));
        assert_eq!(time(1_481_690_659_123), UnixMillis(1_481_690_659_123));
        assert_eq!(time(1_481_690_659_123_456), UnixMillis(1_481_690_659_123));
        assert_eq!(time(99_999_999_999), UnixMillis(99_999_999_999_000));
        assert_eq!(time(100_000_000_000), UnixMillis(100_000_000_000));
        assert_eq!(time_text("1481690659.5"), Some(UnixMillis(1_481_690_659_000)));
        assert!(!is_fine_time(1.0) && !is_fine_time(1_481_690_659.0) && is_fine_time(1.48e12));
    }

    #[test]
    fn c09_no_time_in_any_of_its_forms() {
        for text in ["undefined", "null", "NULL", "0", "", "-1"] {
            assert_eq!(time_text(text), None, "{text}");
        }
    }

    #[test]
    fn c08_the_retain_flag_in_all_its_forms() {
        for text in ["1", "true", "TRUE", "t"] {
            assert_eq!(flag_text(text), Some(true), "{text}");
        }
        for text in ["0", "false", "False", "f", ""] {
            assert_eq!(flag_text(text), Some(false), "{text}");
        }
        assert_eq!(flag_text("yes"), None);
    }
}
