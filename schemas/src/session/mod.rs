//! When the exchanges trade, and when a polled source asks.
//!
//! Everything here is a function of the moments it is given: no clock is read, and no zone of the
//! machine matters, as the exchanges keep UTC+8. A day counts as a trading day by a
//! [`TradingCalendar`]; past its end every weekday does, which [`TradingCalendar::warning`] tells.
//!
//! ```
//! use schemas::session::{Phase, Sessions, TradingCalendar};
//!
//! let phases: Vec<Phase> = ["9:00-12:00", "13:00-15:00"].map(|it| it.parse().unwrap()).into();
//! let sessions = Sessions::new(&phases, true, TradingCalendar::shipped());
//! let noon_us = 1_741_579_200_000_000; // 2025-03-10 12:00 in Shanghai
//! assert!(!sessions.is_open(noon_us));
//! assert_eq!(sessions.next_open(noon_us), Some(noon_us + 3_600_000_000));
//! ```

mod calendar;
mod phase;
mod schedule;
#[cfg(test)]
mod tests;

pub use calendar::{CalendarError, TradingCalendar};
pub use phase::{Phase, PhaseError};
pub use schedule::RoundStart;

use std::time::Duration;

use crate::time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime};

/// Days looked ahead for the next phase; the longest real closure had 17.
const MAX_DAYS_AHEAD: i64 = 400;

/// How long after the end of a phase the closing round starts by default.
///
/// The price of the closing auction is published some seconds after 15:00.
pub const CLOSING_LAG: Duration = Duration::from_secs(5);

/// A stretch of time in which quotes are expected, microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First moment within.
    pub start_us: i64,
    /// First moment behind.
    pub end_us: i64,
}

/// The phases of trading days.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// Ordered, without overlap; none: open at any time.
    phases: Vec<Phase>,
    ignore_weekend: bool,
    calendar: TradingCalendar,
    closing_lag_us: i64,
}

impl Sessions {
    /// Those phases of every trading day; without phases, always.
    ///
    /// With `ignore_weekend` false the calendar is not asked and every day counts, except the
    /// holidays that were added to it. Phases that touch or overlap are taken as one.
    pub fn new(phases: &[Phase], ignore_weekend: bool, calendar: TradingCalendar) -> Self {
        let phases = phase::joined(phases);
        let mut sessions = Self { phases, ignore_weekend, calendar, closing_lag_us: 0 };
        sessions.set_closing_lag(CLOSING_LAG);
        sessions
    }

    /// The same with another time between the end of a phase and its closing round.
    pub fn with_closing_lag(mut self, lag: Duration) -> Self {
        self.set_closing_lag(lag);
        self
    }

    fn set_closing_lag(&mut self, lag: Duration) {
        self.closing_lag_us = schedule::micros(lag);
    }

    /// The calendar.
    pub fn calendar(&self) -> &TradingCalendar {
        &self.calendar
    }

    /// Whether quotes are expected at that moment.
    pub fn is_open(&self, at_us: i64) -> bool {
        self.phases.is_empty() || self.span_of(at_us).is_some()
    }

    /// The first open moment from `at_us` on; `None` when nothing opens for more than a year.
    pub fn next_open(&self, at_us: i64) -> Option<i64> {
        if self.phases.is_empty() {
            return Some(at_us);
        }
        self.span_from(at_us).map(|span| span.start_us.max(at_us))
    }

    /// End of the phase in which `at_us` lies; `None` outside, and without phases.
    pub fn close_of(&self, at_us: i64) -> Option<i64> {
        self.span_of(at_us).map(|span| span.end_us)
    }

    /// The phase in which `at_us` lies; `None` outside, and without phases.
    pub fn span_of(&self, at_us: i64) -> Option<Span> {
        self.span_from(at_us).filter(|span| span.start_us <= at_us)
    }

    /// What the operator should know about the calendar at that moment.
    pub fn warning(&self, now_us: i64) -> Option<String> {
        let is_asked = self.ignore_weekend && !self.phases.is_empty();
        if is_asked { self.calendar.warning(now_us) } else { None }
    }

    /// The first phase that ends behind `at_us`.
    fn span_from(&self, at_us: i64) -> Option<Span> {
        let today = ExchangeTime::from_utc_us(at_us).day;
        (today..=today.saturating_add(MAX_DAYS_AHEAD))
            .filter(|day| self.is_session_day(*day))
            .flat_map(|day| self.phases.iter().map(move |phase| span(day, *phase)))
            .find(|span| at_us < span.end_us)
    }

    fn is_session_day(&self, day: i64) -> bool {
        if self.ignore_weekend {
            self.calendar.is_trading_day(day)
        } else {
            !self.calendar.is_added_holiday(day)
        }
    }
}

fn span(day: i64, phase: Phase) -> Span {
    let midnight_us = day.saturating_mul(DAY_US).saturating_sub(EXCHANGE_OFFSET_US);
    Span {
        start_us: midnight_us.saturating_add(phase.start_us()),
        end_us: midnight_us.saturating_add(phase.end_us()),
    }
}
