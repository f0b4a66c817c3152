//! Which days are asked for.

use plugin_api::schemas::time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, parse_date};

/// Days that are shown when no first one is named: a quarter.
const USUAL: i64 = 92;
/// Days of one question.
const MOST: i64 = 4_000;

/// Days since 1970-01-01 on the exchange's calendar, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first one.
    pub from: i64,
    /// The last one, no earlier.
    pub to: i64,
}

/// The day on which a moment lies, microseconds since 1970 UTC.
pub fn day_of(utc_us: i64) -> i64 {
    ExchangeTime::from_utc_us(utc_us).day
}

/// When a day begins, microseconds since 1970 UTC.
pub fn midnight_us(day: i64) -> i64 {
    day.saturating_mul(DAY_US).saturating_sub(EXCHANGE_OFFSET_US)
}

/// A day as it is written, e.g. `2026-01-05` or `20260105`.
///
/// # Errors
/// When it is none.
pub fn parse_day(text: &str) -> Result<i64, String> {
    let date = parse_date(text.trim());
    let midnight_us = date.and_then(|date| ExchangeTime::from_civil(date, (0, 0, 0, 0)));
    let midnight_us =
        midnight_us.ok_or_else(|| format!("\"{text}\" is no day; write e.g. 2026-01-05"))?;
    Ok(day_of(midnight_us))
}

/// `2026-01-05`
pub fn date_text(day: i64) -> String {
    let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
    format!("{year:04}-{month:02}-{day:02}")
}

impl Range {
    /// From the one day to the other; without them the last quarter up to today.
    ///
    /// # Errors
    /// When the first one lies behind the last one, or there are too many between.
    pub fn new(from: Option<i64>, to: Option<i64>, now_us: i64) -> Result<Self, String> {
        let to = to.unwrap_or_else(|| day_of(now_us).max(from.unwrap_or(i64::MIN)));
        let from = from.unwrap_or_else(|| to.saturating_sub(USUAL - 1));
        let (first, last) = (date_text(from), date_text(to));
        if from > to {
            return Err(format!("from {first} is after to {last}; swap them"));
        }
        if to - from >= MOST {
            return Err(format!("{first} to {last} are more than {MOST} days; ask for fewer"));
        }
        Ok(Self { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-05 15:00 in Shanghai.
    const NOW_US: i64 = 1_767_596_400_000_000;

    #[test]
    fn a_day_is_read_in_the_usual_spellings_and_written_in_one() {
        for text in ["2026-01-05", "20260105", "2026/1/5", " 2026.01.05 "] {
            assert_eq!(date_text(parse_day(text).unwrap()), "2026-01-05", "{text}");
        }
        assert_eq!(parse_day("1970-01-01"), Ok(0));
        for odd in ["", "today", "2026-02-30", "2026-13-01", "05.01.2026", "2026-01-05 09:30"] {
            assert!(parse_day(odd).unwrap_err().contains("2026-01-05"), "{odd}");
        }
    }

    #[test]
    fn days_are_those_of_the_exchange() {
        let day = parse_day("2026-01-05").unwrap();
        assert_eq!(day_of(NOW_US), day);
        assert_eq!(midnight_us(day), NOW_US - 15 * 3_600_000_000);
        assert_eq!(day_of(midnight_us(day) - 1), day - 1);
    }

    #[test]
    fn without_days_it_is_the_last_quarter_up_to_today() {
        let day = parse_day("2026-01-05").unwrap();
        let range = |from, to| Range::new(from, to, NOW_US);
        assert_eq!(range(None, None), Ok(Range { from: day - 91, to: day }));
        assert_eq!(range(Some(day - 3), None), Ok(Range { from: day - 3, to: day }));
        assert_eq!(range(Some(day + 3), None), Ok(Range { from: day + 3, to: day + 3 }));
        assert_eq!(range(None, Some(day - 9)), Ok(Range { from: day - 100, to: day - 9 }));
        assert!(range(Some(day), Some(day - 1)).unwrap_err().contains("swap"));
        assert!(range(Some(day - 4_000), Some(day)).unwrap_err().contains("fewer"));
    }
}
