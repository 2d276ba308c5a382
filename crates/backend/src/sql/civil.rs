//! Dates and times of day in UTC, from and to milliseconds since 1970.

use restante_model::UnixMillis;

/// A second of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// The last second that has four digits for its year.
const LAST_SECOND: u64 = 253_402_300_799;

impl Civil {
    /// The second a time lies in; what lies behind the year 9999 is its last second.
    pub fn of(time: UnixMillis) -> Civil {
        let seconds = (time.0 / 1000).min(LAST_SECOND);
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        // Years that begin in March, so that the leap day is a year's last; eras of 400 years repeat themselves.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Civil {
            year: (era * 400 + year_of_era + u64::from(month <= 2)) as u16,
            month: month as u8,
            day: (of_year - (153 * march_month + 2) / 5 + 1) as u8,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }

    /// Milliseconds since 1970; `None` before that and for what is no date (month 0, hour 25).
    pub fn millis(self) -> Option<UnixMillis> {
        let fits = (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60;
        if !fits || self.year < 1970 {
            return None;
        }
        let month = u64::from(self.month);
        let year = u64::from(self.year) - u64::from(month <= 2);
        let (era, of_era) = (year / 400, year % 400);
        let march_month = if month > 2 { month - 3 } else { month + 9 };
        let of_year = (153 * march_month + 2) / 5 + u64::from(self.day) - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        let seconds = days * 86_400
            + u64::from(self.hour) * 3600
            + u64::from(self.minute) * 60
            + u64::from(self.second);
        Some(UnixMillis(seconds * 1000))
    }

    /// From `2016-12-24 17:25:12`, with a `T` or a fraction too.
    pub fn parse(text: &str) -> Option<Civil> {
        let (date, time) = text.trim().split_once([' ', 'T'])?;
        let mut date = date.split('-');
        let time = time.split(['.', '+', 'Z']).next()?;
        let mut time = time.split(':');
        Some(Civil {
            year: date.next()?.parse().ok()?,
            month: date.next()?.parse().ok()?,
            day: date.next()?.parse().ok()?,
            hour: time.next()?.parse().ok()?,
            minute: time.next()?.parse().ok()?,
            second: time.next()?.parse().ok()?,
        })
    }
}

/// As databases write it: `2016-12-24 17:25:12`.
impl std::fmt::Display for Civil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_days() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_482_600_312, "2016-12-24 17:25:12"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (LAST_SECOND, "9999-12-31 23:59:59"),
            (u64::MAX / 1000, "9999-12-31 23:59:59"),
        ] {
            assert_eq!(Civil::of(UnixMillis(seconds * 1000)).to_string(), text);
        }
        let zero = Civil::parse("0000-00-00 00:00:00").unwrap();
        assert_eq!(zero.millis(), None);
        assert_eq!(Civil::parse("soon"), None);
    }

    proptest! {
        #[test]
        fn there_and_back(seconds in 0..=LAST_SECOND) {
            let civil = Civil::of(UnixMillis(seconds * 1000));
            prop_assert_eq!(civil.millis(), Some(UnixMillis(seconds * 1000)));
            prop_assert_eq!(Civil::parse(&civil.to_string()), Some(civil));
        }
    }
}
