//! What is expected of a day; kept in the file, so that every reader judges alike.

use schemas::session::TradingCalendar;
use serde::{Deserialize, Serialize};

use crate::Day;

/// From one minute of the day up to, not including, another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First minute, counted from midnight.
    pub from: u16,
    /// First minute behind.
    pub to: u16,
}

/// What is expected of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Minutes in which every security owes quotes.
    pub sessions: Vec<Span>,
    /// Minutes in which the market owes a quote, and no single security does.
    pub auction: Vec<Span>,
    /// Minutes without a quote that make a gap of a security.
    pub expect_minutes: u16,
    /// Seconds without a quote of the whole market that make a gap; `None`: half as long again as
    /// usual.
    pub silence_s: Option<u32>,
    /// More days on which nobody trades, as [`TradingCalendar::with_holidays`] reads them.
    pub holidays: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            sessions: vec![Span { from: 570, to: 690 }, Span { from: 780, to: 900 }],
            auction: vec![Span { from: 555, to: 565 }],
            expect_minutes: 1,
            silence_s: None,
            holidays: String::new(),
        }
    }
}

impl Rules {
    /// The calendar that it goes by; that of the release when its holidays cannot be read.
    pub fn calendar(&self) -> TradingCalendar {
        let shipped = TradingCalendar::shipped();
        if self.holidays.is_empty() {
            return shipped;
        }
        shipped.clone().with_holidays(&self.holidays).unwrap_or(shipped)
    }

    /// First minute behind the sessions; that of a day without them when there are none.
    pub(crate) fn close(&self) -> u16 {
        self.sessions.iter().map(|span| span.to).max().unwrap_or(crate::day::MINUTES)
    }

    /// When a day is over and what had to come has come, microseconds since 1970 UTC.
    pub(crate) fn over_us(&self, day: Day) -> i64 {
        day.start_us() + i64::from(self.close() + LATE_MINUTES) * crate::day::MINUTE_US
    }

    /// Whether a minute lies within the sessions.
    pub(crate) fn is_session(&self, minute: u16) -> bool {
        self.sessions.iter().any(|span| (span.from..span.to).contains(&minute))
    }
}

/// How much later than its minute a record is expected at most, minutes.
pub(crate) const LATE_MINUTES: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_exchanges_day() {
        let rules = Rules::default();
        for (minute, is_session) in
            [(569, false), (570, true), (689, true), (690, false), (899, true), (900, false)]
        {
            assert_eq!(rules.is_session(minute), is_session, "{minute}");
        }
        assert_eq!(rules.close(), 900);
        let read: Rules = serde_json::from_str("{\"expect_minutes\": 5}").unwrap();
        assert_eq!(read, Rules { expect_minutes: 5, ..rules });
        let closed = Rules { holidays: "2021-12-01\n".to_owned(), ..read };
        let day: Day = "2021-12-01".parse().unwrap();
        assert!(closed.calendar().is_added_holiday(day.0));
    }
}
