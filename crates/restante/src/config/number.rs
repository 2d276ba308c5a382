//! Numbers with a unit: counts, durations and sizes, read from text and written back in the largest unit that fits.

use super::given::Given;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Whole seconds; text with a unit (`7d`, `1h30m`), or an integer of seconds (K48).
    Seconds,
    /// Milliseconds; text with a unit. An integer counts seconds, as for all durations (K48).
    Milliseconds,
    /// Bytes; text with a unit (`64MiB`), or an integer of bytes.
    Bytes,
}

/// A number that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) unit: Unit,
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// The number that stands for "unlimited", when there is one. It may lie outside `min..=max`.
    pub(crate) unlimited: Option<u64>,
}

const UNLIMITED: &str = "unlimited";
/// What people write for it.
const UNLIMITED_OTHERWISE: [&str; 8] = [
    "forever",
    "for ever",
    "infinite",
    "infinity",
    "inf",
    "never",
    "no limit",
    "unlimited",
];

/// Largest first; each with what it is worth in the smallest unit of its family.
const DURATIONS: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const SIZES: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Span {
    /// Reads a value, or says what is wrong with it.
    pub(crate) fn read(&self, given: &Given<'_>) -> Result<u64, String> {
        let number = match given {
            Given::Text(text) if self.unit == Unit::Count && text.trim().parse::<u64>().is_ok() => {
                return Err(format!(
                    "expected a number without quotes, found the text \"{text}\""
                ));
            }
            Given::Text(text) | Given::Variable(text) => self.read_text(text.trim())?,
            Given::Integer(integer) => {
                let integer =
                    u64::try_from(*integer).map_err(|_| format!("{integer} is below 0; it takes {self}"))?;
                self.bare(integer)
                    .ok_or_else(|| self.outside(&integer.to_string()))?
            }
            other => return Err(format!("expected {}, found {}", self.wanted(), other.name())),
        };
        if self.unlimited == Some(number) || (self.min..=self.max).contains(&number) {
            Ok(number)
        } else {
            Err(self.outside(&self.plain(number)))
        }
    }

    /// The value as the file would have it.
    pub(crate) fn show(&self, number: u64) -> String {
        if self.unlimited == Some(number) && number != 0 {
            return format!("\"{UNLIMITED}\"");
        }
        match self.unit {
            Unit::Count => number.to_string(),
            Unit::Seconds | Unit::Milliseconds | Unit::Bytes => format!("\"{}\"", self.plain(number)),
        }
    }

    fn read_text(&self, text: &str) -> Result<u64, String> {
        if text == UNLIMITED {
            return self
                .unlimited
                .ok_or_else(|| format!("it cannot be unlimited; it takes {self}"));
        }
        if let Ok(bare) = text.parse::<u64>() {
            return self.bare(bare).ok_or_else(|| self.outside(text));
        }
        match self.unit {
            _ if self.unlimited.is_some() && UNLIMITED_OTHERWISE.contains(&text.to_lowercase().as_str()) => {
                Err(format!("for no limit write \"{UNLIMITED}\", not \"{text}\""))
            }
            Unit::Count => Err(format!("expected {}, found \"{text}\"", self.wanted())),
            Unit::Bytes => with_units(text, &SIZES).ok_or_else(|| {
                let binary = if text.ends_with("kB") || text.ends_with("MB") || text.ends_with("GB") {
                    ": write KiB, MiB or GiB (1 KiB = 1,024 bytes)"
                } else {
                    ""
                };
                format!("\"{text}\" is not a size like \"64MiB\"{binary}")
            }),
            Unit::Milliseconds => with_units(text, &DURATIONS).ok_or_else(|| not_a_duration(text)),
            Unit::Seconds => {
                let millis = with_units(text, &DURATIONS).ok_or_else(|| not_a_duration(text))?;
                if millis % 1_000 == 0 {
                    Ok(millis / 1_000)
                } else {
                    Err(format!(
                        "\"{text}\" is not a whole number of seconds; it takes {self}"
                    ))
                }
            }
        }
    }

    /// An integer without a unit: seconds for durations (K48).
    fn bare(&self, integer: u64) -> Option<u64> {
        match self.unit {
            Unit::Milliseconds => integer.checked_mul(1_000),
            Unit::Count | Unit::Seconds | Unit::Bytes => Some(integer),
        }
    }

    fn outside(&self, found: &str) -> String {
        format!("{found} is out of range; it takes {self}")
    }

    fn wanted(&self) -> &'static str {
        match self.unit {
            Unit::Count => "a number",
            Unit::Seconds | Unit::Milliseconds => "a duration like \"7d\"",
            Unit::Bytes => "a size like \"64MiB\"",
        }
    }

    fn plain(&self, number: u64) -> String {
        match self.unit {
            Unit::Count => number.to_string(),
            Unit::Seconds => match number.checked_mul(1_000) {
                Some(millis) => in_largest(millis, &DURATIONS),
                None => format!("{number}s"),
            },
            Unit::Milliseconds => in_largest(number, &DURATIONS),
            Unit::Bytes => in_largest(number, &SIZES),
        }
    }
}

/// The range, in words.
impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.plain(self.min), self.plain(self.max))?;
        match self.unlimited {
            Some(0) => f.write_str("; 0 or \"unlimited\" is no limit"),
            Some(_) => f.write_str(", or \"unlimited\""),
            None => Ok(()),
        }
    }
}

/// Seconds in the largest unit that fits: `2h`.
pub(crate) fn duration(seconds: u64) -> String {
    in_largest(seconds.saturating_mul(1_000), &DURATIONS)
}

fn not_a_duration(text: &str) -> String {
    format!("\"{text}\" is not a duration like \"7d\", \"2h\", \"1h30m\" or \"10ms\"")
}

/// `1h30m`: digits and unit, one or more times, each unit at most once and the larger before the smaller.
fn with_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text;
    let mut allowed = units;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = rest[digits..].trim_start_matches(' ');
        let word = &after[..after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len())];
        let found = allowed.iter().position(|(unit, _)| *unit == word)?;
        sum = sum.checked_add(number.checked_mul(allowed[found].1)?)?;
        allowed = &allowed[found + 1..];
        rest = after[word.len()..].trim_start_matches(' ');
    }
    (sum > 0 || text.starts_with('0')).then_some(sum)
}

fn in_largest(number: u64, units: &[(&str, u64)]) -> String {
    if number == 0 {
        return "0".to_owned();
    }
    // "1w" is read but not written: people count days.
    let fitting = units
        .iter()
        .filter(|(unit, _)| *unit != "w")
        .find(|(_, worth)| number.is_multiple_of(*worth));
    match fitting {
        Some((unit, worth)) => format!("{}{unit}", number / worth),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECONDS: Span = Span {
        unit: Unit::Seconds,
        min: 0,
        max: u32::MAX as u64 - 1,
        unlimited: Some(u32::MAX as u64),
    };
    const MILLIS: Span = Span {
        unit: Unit::Milliseconds,
        min: 1,
        max: 60_000,
        unlimited: None,
    };
    const BYTES: Span = Span {
        unit: Unit::Bytes,
        min: 1 << 10,
        max: 1 << 50,
        unlimited: Some(0),
    };
    const COUNT: Span = Span {
        unit: Unit::Count,
        min: 1,
        max: 65_535,
        unlimited: None,
    };

    #[test]
    fn k48_durations_are_text_with_a_unit_or_whole_seconds() {
        let read = |text| SECONDS.read(&Given::Text(text));
        assert_eq!(read("7d"), Ok(604_800));
        assert_eq!(read("1w"), Ok(604_800));
        assert_eq!(read("1h30m"), Ok(5_400));
        assert_eq!(read("90 s"), Ok(90));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("15"), Ok(15));
        assert_eq!(read("2000ms"), Ok(2));
        assert_eq!(read("unlimited"), Ok(u64::from(u32::MAX)));
        assert_eq!(SECONDS.read(&Given::Integer(604_800)), Ok(604_800));
        assert_eq!(MILLIS.read(&Given::Text("10ms")), Ok(10));
        assert_eq!(MILLIS.read(&Given::Integer(2)), Ok(2_000));
        for wrong in [
            "",
            "d",
            "7 days",
            "30m1h",
            "1d1d",
            "1.5h",
            "-1s",
            "7D",
            "99999999999999999999s",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("1500ms").unwrap_err().contains("whole number of seconds"));
        for word in ["forever", "Infinity", "never"] {
            assert!(read(word).unwrap_err().contains("write \"unlimited\""), "{word}");
        }
        assert!(
            !MILLIS
                .read(&Given::Text("forever"))
                .unwrap_err()
                .contains("unlimited")
        );
        assert!(SECONDS.read(&Given::Integer(-1)).is_err());
        assert!(
            MILLIS
                .read(&Given::Text("unlimited"))
                .unwrap_err()
                .contains("1ms to 1m")
        );
    }

    #[test]
    fn sizes() {
        let read = |text| BYTES.read(&Given::Text(text));
        assert_eq!(read("64MiB"), Ok(64 << 20));
        assert_eq!(read("64 MiB"), Ok(64 << 20));
        assert_eq!(read("2048"), Ok(2048));
        assert_eq!(read("unlimited"), Ok(0));
        assert_eq!(read("0"), Ok(0));
        assert!(read("64MB").unwrap_err().contains("write KiB, MiB or GiB"));
        assert!(read("10B").unwrap_err().contains("1KiB to 1024TiB"));
        assert!(read("9999999999TiB").is_err());
    }

    #[test]
    fn counts() {
        assert_eq!(COUNT.read(&Given::Integer(7)), Ok(7));
        assert_eq!(COUNT.read(&Given::Variable("7")), Ok(7));
        assert!(
            COUNT
                .read(&Given::Text("7"))
                .unwrap_err()
                .contains("without quotes")
        );
        assert!(COUNT.read(&Given::Integer(0)).unwrap_err().contains("1 to 65535"));
        assert!(
            COUNT
                .read(&Given::Other("true or false"))
                .unwrap_err()
                .contains("true or false")
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(seconds in 0..u32::MAX as u64 + 1, bytes in (1_u64 << 10)..(1 << 50)) {
            for (span, number) in [(SECONDS, seconds), (BYTES, bytes)] {
                let shown = span.show(number);
                prop_assert_eq!(span.read(&Given::Text(shown.trim_matches('"'))), Ok(number));
            }
        }

        #[test]
        fn never_panics(text in ".{0,24}") {
            for span in [SECONDS, MILLIS, BYTES, COUNT] {
                let _ = span.read(&Given::Text(&text));
                let _ = span.read(&Given::Variable(&text));
            }
        }
    }
}
