//! Which days are trading days.

use crate::time::{ExchangeTime, parse_date};

/// The list that comes with the project; its head tells where it is from and what it covers.
const SHIPPED: &str = include_str!("../../../config/trading_days.txt");
/// Stands in a comment, before two dates with `to` between them.
const COVERS: &str = "covers ";

/// Trading days by date, on the exchange's calendar.
///
/// A day outside of the covered span is unknown; weekdays are taken for trading days there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradingCalendar {
    /// Sorted; days since 1970-01-01, as everywhere here.
    trading_days: Vec<i64>,
    /// First and last day about which everything is known.
    covered: Option<(i64, i64)>,
    /// Sorted; added by the user.
    holidays: Vec<i64>,
    /// Last day for which the added holidays speak.
    holidays_until: Option<i64>,
}

/// A list of days that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// A line that is no date.
    #[error(
        "line {line}: \"{text}\" is no date; write one day a line, e.g. 20261001 or 2026-10-01"
    )]
    Date {
        /// Number of the line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// No day at all.
    #[error("the list has no day; write one a line, e.g. 20261001 or 2026-10-01")]
    Empty,
}

impl TradingCalendar {
    /// The calendar that comes with the project: trading days since 1990-12-19.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("a test reads the shipped list")
    }

    /// Every weekday is a trading day, and no day is known for sure.
    pub fn weekdays() -> Self {
        Self { trading_days: Vec::new(), covered: None, holidays: Vec::new(), holidays_until: None }
    }

    /// Reads trading days, one a line: `20260105`, `2026-01-05` or `2026/1/5`.
    ///
    /// `#` starts a comment; one that reads `covers 1990-12-19 to 2026-12-31` tells the span in which
    /// a day that is not listed is no trading day. Without it, that is from the first day to the
    /// last.
    ///
    /// # Errors
    /// The first line that is no date; [`CalendarError::Empty`] for a list without days.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let (trading_days, stated) = days(text)?;
        let ends = trading_days.first().copied().zip(trading_days.last().copied());
        let covered = stated.or(ends).ok_or(CalendarError::Empty)?;
        Ok(Self { trading_days, covered: Some(covered), ..Self::weekdays() })
    }

    /// The calendar with more days on which nobody trades, written like trading days.
    ///
    /// What follows a date behind `,` or a blank is not read, nor is a first line without a date.
    /// The list speaks for every day up to its last one, or to the one that a `covers` comment names.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn with_holidays(mut self, text: &str) -> Result<Self, CalendarError> {
        let (holidays, stated) = days(text)?;
        let last = stated.map(|(_, last)| last).or(holidays.last().copied());
        self.holidays_until = self.holidays_until.max(Some(last.ok_or(CalendarError::Empty)?));
        self.holidays.extend(holidays);
        self.holidays.sort_unstable();
        self.holidays.dedup();
        Ok(self)
    }

    /// Whether that day, counted from 1970-01-01, is a trading day as far as is known.
    pub fn is_trading_day(&self, day: i64) -> bool {
        if self.is_added_holiday(day) {
            return false;
        }
        match self.covered {
            Some((first, last)) if (first..=last).contains(&day) => {
                self.trading_days.binary_search(&day).is_ok()
            }
            _ => is_weekday(day),
        }
    }

    /// Whether the user added that day as a holiday.
    pub fn is_added_holiday(&self, day: i64) -> bool {
        self.holidays.binary_search(&day).is_ok()
    }

    /// Last day about which something is known, counted from 1970-01-01.
    pub fn known_until(&self) -> Option<i64> {
        self.covered.map(|(_, last)| last).max(self.holidays_until)
    }

    /// What the operator should know when the day of `now_us` is past the end of the calendar.
    pub fn warning(&self, now_us: i64) -> Option<String> {
        let today = ExchangeTime::from_utc_us(now_us);
        match self.known_until() {
            Some(last) if today.day <= last => None,
            Some(last) => Some(format!(
                "the trading calendar ends with {} and today is {}, so every weekday counts as a \
                 trading day; name the holidays in `holidays_file` or install a newer release",
                date_text(last),
                date_text(today.day)
            )),
            None => Some(
                "no trading calendar is known, so every weekday counts as a trading day; name the \
                 holidays in `holidays_file`"
                    .to_owned(),
            ),
        }
    }
}

/// Monday to Friday; 1970-01-01 was a Thursday.
fn is_weekday(day: i64) -> bool {
    day.saturating_add(3).rem_euclid(7) < 5
}

fn date_text(day: i64) -> String {
    let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
    format!("{year:04}-{month:02}-{day:02}")
}

type Days = (Vec<i64>, Option<(i64, i64)>);

/// The days of a list, sorted, and the span that it says to cover.
fn days(text: &str) -> Result<Days, CalendarError> {
    let (mut days, mut covered, mut may_be_header) = (Vec::new(), None, true);
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let (entry, comment) = line.split_once('#').unwrap_or((line, ""));
        if let Some((first, last)) = stated_span(comment) {
            covered = Some((first, last));
        }
        let entry = entry.trim();
        let date = entry.split([',', ' ', '\t', ';']).next().unwrap_or_default();
        match day_of(date) {
            _ if entry.is_empty() => continue,
            Some(day) => days.push(day),
            None if may_be_header && !date.starts_with(|it: char| it.is_ascii_digit()) => {}
            None => return Err(CalendarError::Date { line: index + 1, text: date.to_owned() }),
        }
        may_be_header = false;
    }
    days.sort_unstable();
    days.dedup();
    Ok((days, covered))
}

fn stated_span(comment: &str) -> Option<(i64, i64)> {
    let (first, last) = comment.trim().strip_prefix(COVERS)?.split_once(" to ")?;
    Some((day_of(first)?, day_of(last)?)).filter(|(first, last)| first <= last)
}

fn day_of(text: &str) -> Option<i64> {
    let midnight_us = ExchangeTime::from_civil(parse_date(text)?, (0, 0, 0, 0))?;
    Some(ExchangeTime::from_utc_us(midnight_us).day)
}
