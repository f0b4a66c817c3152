//! Whether days of minutes are whole, as far as that can be seen.

use std::collections::BTreeMap;

use plugin_api::schemas::time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, SECOND_US};

use crate::{question::Period, row::Row, service::date, walk::Span};

const MINUTE_US: i64 = 60 * SECOND_US;
/// Trading of a day, microseconds since midnight.
const OPEN_US: i64 = (9 * 60 + 30) * MINUTE_US;
const CLOSE_US: i64 = 15 * 60 * MINUTE_US;
/// So much of a day may lack rows at its ends: in a quiet security nobody may have traded then.
const QUIET_US: i64 = 60 * MINUTE_US;
/// How late after the close the last rows are there.
const GRACE_US: i64 = 60 * SECOND_US;

/// Days of the span that were over when it was asked, and of which the rows of the beginning or of the
/// end are not there; `None` when there is none.
///
/// It may be that nobody traded, as in a halt: a source that says nothing of it cannot be told from one
/// that lacks the rows.
pub fn shortfall(rows: &[Row], span: &Span, period: Period, asked_us: i64) -> Option<String> {
    let Period::Minutes(minutes) = period else { return None };
    let mut days: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for row in rows {
        let ends = days.entry(ExchangeTime::from_utc_us(row.time_us).day);
        let (first_us, last_us) = ends.or_insert((row.time_us, row.time_us));
        (*first_us, *last_us) = ((*first_us).min(row.time_us), (*last_us).max(row.time_us));
    }
    let length_us = i64::from(minutes) * MINUTE_US;
    let told = days.into_iter().filter_map(|(day, (first_us, last_us))| {
        let start_us = day * DAY_US - EXCHANGE_OFFSET_US;
        let (open_us, close_us) = (start_us + OPEN_US, start_us + CLOSE_US);
        let is_late = first_us > open_us + length_us + QUIET_US && span.from_us <= open_us;
        let is_over = close_us + GRACE_US <= asked_us;
        let is_early = last_us < close_us - QUIET_US && span.to_us >= close_us && is_over;
        let name = date(ExchangeTime::from_utc_us(first_us));
        match (is_late, is_early) {
            (true, true) => {
                Some(format!("{name} has rows from {} to {} alone", at(first_us), at(last_us)))
            }
            (true, false) => Some(format!("{name} begins at {}", at(first_us))),
            (false, true) => Some(format!("{name} ends at {}", at(last_us))),
            (false, false) => None,
        }
    });
    let told: Vec<_> = told.collect();
    let more = told.len().saturating_sub(1);
    let first = told.into_iter().next()?;
    let others = if more > 0 { format!(", and {more} more days") } else { String::new() };
    Some(format!("{first}{others}: it was halted, or the service lacks the rest"))
}

/// A label's time of day.
fn at(us: i64) -> String {
    let minutes = ExchangeTime::from_utc_us(us).of_day_us / MINUTE_US;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
