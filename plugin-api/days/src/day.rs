//! A day of the exchanges.

use std::{fmt, str::FromStr};

use schemas::time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, SECOND_US, parse_date};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A day on the exchanges' calendar, counted from 1970-01-01; written `2021-12-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

/// Minutes of a day.
pub(crate) const MINUTES: u16 = 1_440;
/// Microseconds in a minute.
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;

impl Day {
    /// The exchange day of a moment, microseconds since 1970 UTC.
    pub fn of(at_us: i64) -> Self {
        Self(ExchangeTime::from_utc_us(at_us).day)
    }

    /// Its midnight on the exchange's clock, microseconds since 1970 UTC.
    pub fn start_us(self) -> i64 {
        self.0.saturating_mul(DAY_US).saturating_sub(EXCHANGE_OFFSET_US)
    }

    /// A minute of it as `2021-12-01T09:31+08:00`, the way reports have their times.
    pub fn minute_text(self, minute: u16) -> String {
        format!("{self}T{:02}:{:02}+08:00", minute / 60, minute % 60)
    }
}

/// Minute of the day of a moment on the exchange's clock, 0 to 1439.
pub(crate) fn minute_of(at_us: i64) -> u16 {
    u16::try_from(ExchangeTime::from_utc_us(at_us).of_day_us / MINUTE_US).unwrap_or(0)
}

/// Second of the day of a moment on the exchange's clock, 0 to 86399.
pub(crate) fn second_of(at_us: i64) -> u32 {
    u32::try_from(ExchangeTime::from_utc_us(at_us).of_day_us / SECOND_US).unwrap_or(0)
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = ExchangeTime { day: self.0, of_day_us: 0 }.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = String;

    /// Reads `2021-12-01`, `20211201`, `2021/12/1`.
    fn from_str(text: &str) -> Result<Self, String> {
        let midnight_us =
            parse_date(text).and_then(|date| ExchangeTime::from_civil(date, (0, 0, 0, 0)));
        midnight_us
            .map(Self::of)
            .ok_or_else(|| format!("\"{text}\" is no day; write e.g. 2021-12-01"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_read_what_they_write() {
        let day: Day = "2021-12-01".parse().unwrap();
        assert_eq!(day, "20211201".parse().unwrap());
        assert_eq!(
            (day.to_string(), day.minute_text(571)),
            ("2021-12-01".to_owned(), "2021-12-01T09:31+08:00".to_owned())
        );
        assert_eq!((Day::of(day.start_us()), Day::of(day.start_us() - 1).0), (day, day.0 - 1));
        assert_eq!(
            (minute_of(day.start_us() + 571 * MINUTE_US), second_of(day.start_us() - 1)),
            (571, 86_399)
        );
        assert!("someday".parse::<Day>().unwrap_err().contains("2021-12-01"));
    }
}
