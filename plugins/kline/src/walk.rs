//! One security: pages backwards from the end of the span until they reach its start.

use std::collections::BTreeMap;

use plugin_api::schemas::{
    session::TradingCalendar,
    time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, SECOND_US},
};

use crate::{
    answer::{Page, Security},
    fault::Fault,
    question::Period,
    row::Row,
    service::{PageOf, Service, date},
};

/// Most pages of a security; 35 years of days have 14.
const MOST_PAGES: usize = 64;
/// First trading of a day, microseconds since midnight.
const OPEN_US: i64 = (9 * 60 + 30) * 60 * SECOND_US;
/// Days looked ahead for the first trading day; the longest closure had 17.
const MOST_DAYS_AHEAD: i64 = 20;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// First moment, microseconds since 1970 UTC.
    pub from_us: i64,
    /// Last moment, inclusive.
    pub to_us: i64,
    /// Most rows of a page.
    pub request_rows: usize,
}

/// What there is of a security.
#[derive(Debug, Default)]
pub struct Walked {
    /// Rows of the span in the order of time, with those that tell of no trading.
    pub rows: Vec<Row>,
    /// Rows that could not be read: why, and as they came.
    pub damaged: Vec<(String, String)>,
    /// Why not all of the span may be there.
    pub shortfall: Option<String>,
}

/// Asks for all rows of the span, at that moment (microseconds since 1970 UTC).
///
/// # Errors
/// Why there is nothing at all.
pub fn walk(
    service: &Service,
    security: &Security,
    span: &Span,
    now_us: i64,
) -> Result<Walked, Fault> {
    let period = service.question().period;
    let target = Target::of(span, period, service.calendar());
    let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
    let mut walked = Walked::default();
    let mut end_us = match period {
        Period::Day => Some(span.to_us.min(now_us)),
        // whether minutes are cut at an end was never seen, so the newest come first
        Period::Minutes(_) => None,
    };
    for page_number in 0.. {
        if page_number == MOST_PAGES {
            let text = "it has more rows than are asked for; raise `request_rows`, or ask for less";
            walked.shortfall = Some(text.to_owned());
            break;
        }
        let oldest_us = rows.keys().next().copied();
        let last_us = end_us.unwrap_or(now_us);
        let wanted = target.rows_until(last_us, period, service.calendar(), span.request_rows);
        let of = PageOf { security, end_us, rows: wanted, may_be_empty: oldest_us.is_some() };
        let page = match (service.page(&of), oldest_us) {
            (Ok(page), _) => page,
            (Err(fault), None) => return Err(fault),
            (Err(fault), Some(oldest_us)) => {
                walked.shortfall = Some(nothing_before(oldest_us, &fault.text));
                break;
            }
        };
        let Page { rows: read, damaged } = page;
        walked.damaged.extend(damaged);
        let is_past_end = end_us
            .zip(read.last())
            .is_some_and(|(end_us, newest)| newest.time_us > end_of_day(end_us));
        rows.extend(read.iter().map(|row| (row.time_us, *row)));
        let Some(reached_us) = rows.keys().next().copied() else {
            return Err(Fault::answered("no row of it can be read"));
        };
        if target.is_reached(reached_us, period) {
            break;
        }
        if oldest_us.is_some_and(|oldest_us| reached_us >= oldest_us) {
            // days begin with the listing; of minutes the service keeps the last ones
            if is_past_end || period != Period::Day {
                walked.shortfall =
                    Some(nothing_before(reached_us, "the service has no older rows"));
            }
            break;
        }
        end_us = Some(reached_us - step_us(period));
    }
    walked.rows = rows.range(span.from_us..=span.to_us).map(|(_, row)| *row).collect();
    Ok(walked)
}

/// Where the first row of a span lies.
struct Target {
    from_us: i64,
    /// First trading day from the start of the span on, since 1970-01-01.
    first_day: i64,
}

impl Target {
    fn of(span: &Span, period: Period, calendar: &TradingCalendar) -> Self {
        let from = ExchangeTime::from_utc_us(span.from_us);
        // the bar of a day is at its first moment
        let is_over = period == Period::Day && from.of_day_us > 0;
        let day = from.day + i64::from(is_over);
        let first = (day..=day + MOST_DAYS_AHEAD).find(|day| calendar.is_trading_day(*day));
        Self { from_us: span.from_us, first_day: first.unwrap_or(day) }
    }

    /// Whether rows from that moment on are all of the span.
    fn is_reached(&self, oldest_us: i64, period: Period) -> bool {
        let oldest = ExchangeTime::from_utc_us(oldest_us);
        let is_first_of_day = match period {
            Period::Day => true,
            Period::Minutes(minutes) => {
                oldest.of_day_us <= OPEN_US + i64::from(minutes) * 60 * SECOND_US
            }
        };
        oldest_us <= self.from_us
            || oldest.day < self.first_day
            || (oldest.day == self.first_day && is_first_of_day)
    }

    /// Rows from the start of the span until then, and one more, which shows that there are all.
    fn rows_until(
        &self,
        last_us: i64,
        period: Period,
        calendar: &TradingCalendar,
        most: usize,
    ) -> usize {
        let last_day = ExchangeTime::from_utc_us(last_us).day;
        let days = (self.first_day..=last_day).filter(|day| calendar.is_trading_day(*day));
        let days = days.take(most).count().max(1);
        days.saturating_mul(period.bars_a_day()).saturating_add(1).min(most)
    }
}

/// The last moment of the day of a moment.
fn end_of_day(us: i64) -> i64 {
    let day = ExchangeTime::from_utc_us(us).day;
    day * DAY_US - EXCHANGE_OFFSET_US + DAY_US - 1
}

/// From a label to the one before, at least.
fn step_us(period: Period) -> i64 {
    match period {
        Period::Day => DAY_US,
        Period::Minutes(_) => 60 * SECOND_US,
    }
}

fn nothing_before(oldest_us: i64, why: &str) -> String {
    let oldest = ExchangeTime::from_utc_us(oldest_us);
    let minutes = oldest.of_day_us / (60 * SECOND_US);
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("nothing before {} {hour:02}:{minute:02}: {why}", date(oldest))
}
