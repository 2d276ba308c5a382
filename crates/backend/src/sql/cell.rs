//! A value that was read. Tables are the user's: what a column means is known, what type it has is not.

use bytes::Bytes;
use restante_model::UnixMillis;

use super::civil::Civil;
use crate::stored_field;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A whole number of any width.
    Int(i128),
    /// Any other number.
    Real(f64),
    /// A boolean.
    Bool(bool),
    /// Texts and bytes: which of them a driver gives depends on the column's character set.
    Bytes(Bytes),
    /// A date with or without a time of day, taken as UTC; `None` for one that cannot be (the zero date).
    Time(Option<UnixMillis>),
    /// Of a type that nothing here can use, by its name.
    Other(String),
}

impl Cell {
    /// As a whole number from 0.
    pub fn number(&self) -> Result<Option<u64>, String> {
        let found = match self {
            Cell::Null => return Ok(None),
            Cell::Int(number) => u64::try_from(*number).ok(),
            Cell::Real(number) if number.fract() == 0.0 && (0.0..9.0e18).contains(number) => {
                Some(*number as u64)
            }
            Cell::Bool(flag) => Some(u64::from(*flag)),
            Cell::Bytes(_) => self.text()?.and_then(|text| text.trim().parse().ok()),
            _ => None,
        };
        found
            .map(Some)
            .ok_or_else(|| format!("is {self}, not a whole number from 0"))
    }

    /// As a text; numbers in their decimal form.
    pub fn text(&self) -> Result<Option<String>, String> {
        match self {
            Cell::Null => Ok(None),
            Cell::Int(number) => Ok(Some(number.to_string())),
            Cell::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err("is not UTF-8".to_owned()),
            },
            _ => Err(format!("is {self}, not a text")),
        }
    }

    /// As bytes; NULL is none.
    pub fn bytes(&self) -> Result<Bytes, String> {
        match self {
            Cell::Null => Ok(Bytes::new()),
            Cell::Bytes(bytes) => Ok(bytes.clone()),
            Cell::Int(number) => Ok(Bytes::from(number.to_string())),
            _ => Err(format!("is {self}, not bytes")),
        }
    }

    /// As a flag in any of its forms: 0, 1, false, true, "false", "true", NULL (C8).
    pub fn flag(&self) -> Result<bool, String> {
        let found = match self {
            Cell::Null => Some(false),
            Cell::Bool(flag) => Some(*flag),
            Cell::Int(0) => Some(false),
            Cell::Int(1) => Some(true),
            // One byte of a bit column.
            Cell::Bytes(bytes) if bytes.as_ref() == [0] => Some(false),
            Cell::Bytes(bytes) if bytes.as_ref() == [1] => Some(true),
            Cell::Bytes(bytes) => std::str::from_utf8(bytes).ok().and_then(stored_field::flag_text),
            _ => None,
        };
        found.ok_or_else(|| format!("is {self}, not a flag"))
    }

    /// As a time: a date, or a number in seconds, milliseconds or microseconds, told apart by its magnitude (C5).
    pub fn time(&self) -> Result<Option<UnixMillis>, String> {
        match self {
            Cell::Time(time) => return Ok(*time),
            Cell::Bytes(_) => {
                let text = self.text()?.unwrap_or_default();
                if let Some(civil) = Civil::parse(&text) {
                    return Ok(civil.millis());
                }
            }
            _ => {}
        }
        let number = self.number().map_err(|_| format!("is {self}, not a time"))?;
        Ok(number.map(stored_field::time))
    }
}

/// Most letters of a value that a sentence repeats.
const SHOWN_MAX: usize = 40;

/// For sentences: short, whatever is in it.
impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Null => f.write_str("NULL"),
            Cell::Int(number) => write!(f, "{number}"),
            Cell::Real(number) => write!(f, "{number}"),
            Cell::Bool(flag) => write!(f, "{flag}"),
            Cell::Bytes(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let shown: String = text.chars().take(SHOWN_MAX).collect();
                write!(f, "{shown:?}{}", if shown.len() < text.len() { "…" } else { "" })
            }
            Cell::Time(_) => f.write_str("a time"),
            Cell::Other(name) => write!(f, "of type {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Cell {
        Cell::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn c08_the_retain_flag_in_all_its_forms() {
        for cell in [
            Cell::Int(1),
            Cell::Bool(true),
            text("1"),
            text("TRUE"),
            text("true"),
            text("\u{1}"),
        ] {
            assert_eq!(cell.flag(), Ok(true), "{cell}");
        }
        for cell in [
            Cell::Null,
            Cell::Int(0),
            Cell::Bool(false),
            text("0"),
            text("false"),
            text(""),
        ] {
            assert_eq!(cell.flag(), Ok(false), "{cell}");
        }
        for cell in [Cell::Int(7), text("maybe"), Cell::Real(0.5)] {
            assert!(cell.flag().is_err(), "{cell}");
        }
    }

    #[test]
    fn c05_times_of_any_unit_and_as_dates() {
        let cells = [
            Cell::Int(1_482_600_312),
            Cell::Int(1_482_600_312_000),
            Cell::Int(1_482_600_312_000_000),
            text("1482600312"),
            text("2016-12-24 17:25:12"),
            text("2016-12-24T17:25:12.000Z"),
            Cell::Time(Some(UnixMillis(1_482_600_312_000))),
        ];
        for cell in cells {
            assert_eq!(cell.time(), Ok(Some(UnixMillis(1_482_600_312_000))), "{cell}");
        }
        assert_eq!(Cell::Null.time(), Ok(None));
        assert_eq!(
            text("yesterday").time().unwrap_err(),
            "is \"yesterday\", not a time"
        );
    }
}
