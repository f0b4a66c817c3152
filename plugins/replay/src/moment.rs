//! Reads recorded times, which repeat from row to row.

use std::ops::Range;

use plugin_api::schemas::time::{
    DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, parse_date, parse_moment, parse_time_on,
};

use crate::{
    cell::{Cell, Why},
    settings::Date,
};

const NO_TIME: Why = "is no time; 2021-12-01 09:30:00, 20211201093000000 and the like are";
const NO_DATE: Why = "is no date; 2021-12-01, 20211201 and the like are";
const WITHOUT_DATE: Why = "has no date; set `date` or map a date column";
const MISSING: Why = "is empty";

/// 1970 to 2999: no exchange had a time outside, and sums of two such times do not overflow.
const POSSIBLE_US: Range<i64> = 0..32_503_680_000_000_000;

const ANY_DATE: Date = (1970, 1, 2);

/// Which of the cells a fault is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Date,
    Time,
}

/// Reads the time of one row after the other.
#[derive(Debug, Default)]
pub struct MomentReader {
    /// Date of times that carry none.
    date: Option<Date>,
    /// Texts of the row before, and what they meant.
    last: Vec<u8>,
    last_us: i64,
}

impl MomentReader {
    pub fn new(date: Option<Date>) -> Self {
        Self { date, ..Self::default() }
    }

    /// Microseconds since 1970 UTC; `date` is the cell of the date column, if there is one.
    ///
    /// # Errors
    /// The cell that cannot be read, and why.
    pub fn read(&mut self, date: Option<Cell<'_>>, time: Cell<'_>) -> Result<i64, (Part, Why)> {
        let texts = match (date, time) {
            (None, Cell::Text(time)) => Some((&b""[..], time)),
            (Some(Cell::Text(date)), Cell::Text(time)) => Some((date, time)),
            _ => None,
        };
        let Some((date_text, time_text)) = texts else {
            return self.moment(date, time);
        };
        let split = date_text.len();
        if self.last.len() == split + time_text.len()
            && !self.last.is_empty()
            && self.last[split..] == *time_text
            && self.last[..split] == *date_text
        {
            return Ok(self.last_us);
        }
        let time_us = self.moment(date, time)?;
        self.last.clear();
        self.last.extend_from_slice(date_text);
        self.last.extend_from_slice(time_text);
        self.last_us = time_us;
        Ok(time_us)
    }

    fn moment(&self, date: Option<Cell<'_>>, time: Cell<'_>) -> Result<i64, (Part, Why)> {
        let date = date.map(date_of).transpose()?.or(self.date);
        let time_us = moment(date, time)?;
        if POSSIBLE_US.contains(&time_us) { Ok(time_us) } else { Err((Part::Time, NO_TIME)) }
    }
}

fn date_of(cell: Cell<'_>) -> Result<Date, (Part, Why)> {
    let date = match cell {
        Cell::Empty => return Err((Part::Date, MISSING)),
        Cell::Local(us) | Cell::Utc(us) if !POSSIBLE_US.contains(&us) => None,
        Cell::Local(local_us) => {
            Some(ExchangeTime::from_utc_us(local_us - EXCHANGE_OFFSET_US).date())
        }
        Cell::Utc(time_us) => Some(ExchangeTime::from_utc_us(time_us).date()),
        // a date column may be written as a moment at midnight
        other => {
            let text = other.text();
            parse_date(&text)
                .or_else(|| parse_moment(&text).map(|us| ExchangeTime::from_utc_us(us).date()))
        }
    };
    date.ok_or((Part::Date, NO_DATE))
}

fn moment(date: Option<Date>, time: Cell<'_>) -> Result<i64, (Part, Why)> {
    let text = match time {
        Cell::Empty => return Err((Part::Time, MISSING)),
        Cell::Utc(time_us) => return Ok(time_us),
        Cell::Local(local_us) => return Ok(local_us.saturating_sub(EXCHANGE_OFFSET_US)),
        Cell::TimeOfDay(of_day_us) => {
            let midnight = date.and_then(|date| ExchangeTime::from_civil(date, (0, 0, 0, 0)));
            let midnight = midnight.ok_or((Part::Time, WITHOUT_DATE))?;
            return Ok(midnight + of_day_us.rem_euclid(DAY_US));
        }
        other => other.text(),
    };
    let time_us = match date {
        Some(date) => parse_time_on(date, &text).or_else(|| parse_moment(&text)),
        None => parse_moment(&text),
    };
    time_us.ok_or_else(|| {
        let lacks_date = date.is_none() && parse_time_on(ANY_DATE, &text).is_some();
        (Part::Time, if lacks_date { WITHOUT_DATE } else { NO_TIME })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2021-12-01 09:15:01 in Shanghai
    const NINE_FIFTEEN_US: i64 = 1_638_321_301_000_000;

    fn text(text: &str) -> Cell<'_> {
        Cell::from_text(text.as_bytes())
    }

    #[test]
    fn times_of_every_type_are_one_moment() {
        let date = Some((2021, 12, 1));
        let of_day_us = 33_301_000_000;
        let local = Cell::Local(NINE_FIFTEEN_US + EXCHANGE_OFFSET_US);
        let midnight = Cell::Local(NINE_FIFTEEN_US + EXCHANGE_OFFSET_US - of_day_us);
        // date of the options, date cell, time cell
        for (option, cell, time) in [
            (None, None, text("2021.12.01T09:15:01.000")),
            (None, None, text("1638321301000")),
            (None, None, text("2021-12-01T09:15:01+08:00")),
            (None, None, text("2021-12-01T01:15:01.000000Z")),
            (None, None, text("2021-12-01 01:15:01+00")),
            (date, None, text("01:15:01Z")),
            (date, None, text("1638321301.0")),
            (None, Some(text("2021-11-30T16:00:00Z")), text("09:15:01")),
            (None, Some(text("2021-12-01")), text("2021-12-01T01:15:01Z")),
            (None, None, Cell::Float(1_638_321_301_000.0)),
            (None, None, Cell::Int(1_638_321_301)),
            (None, None, Cell::Int(20_211_201_091_501_000)),
            (None, None, Cell::Utc(NINE_FIFTEEN_US)),
            (None, None, local),
            (date, None, text("09:15:01.000")),
            (date, None, Cell::Int(91_501_000)),
            (date, None, Cell::TimeOfDay(of_day_us)),
            (None, Some(text("2021.12.01")), text("9:15:1")),
            (None, Some(Cell::Int(20_211_201)), Cell::Int(91_501)),
            (None, Some(midnight), Cell::TimeOfDay(of_day_us)),
            (None, Some(text("2021-12-01 00:00:00")), text("091501")),
        ] {
            let mut reader = MomentReader::new(option);
            for _ in 0..2 {
                assert_eq!(
                    reader.read(cell, time),
                    Ok(NINE_FIFTEEN_US),
                    "{option:?} {cell:?} {time:?}"
                );
            }
        }
    }

    #[test]
    fn a_time_that_means_nothing_says_why() {
        let mut reader = MomentReader::default();
        assert_eq!(reader.read(None, text("09:15:01")), Err((Part::Time, WITHOUT_DATE)));
        for cell in [
            Cell::Local(i64::MIN),
            Cell::Utc(i64::MAX),
            Cell::Utc(-1),
            Cell::Int(i64::MIN),
            Cell::Int(-163_832_130),
            Cell::Float(f64::NAN),
        ] {
            assert_eq!(reader.read(None, cell), Err((Part::Time, NO_TIME)), "{cell:?}");
            assert_eq!(
                reader.read(Some(cell), text("09:30:00")),
                Err((Part::Date, NO_DATE)),
                "{cell:?}"
            );
        }
        assert_eq!(reader.read(None, text("soon")), Err((Part::Time, NO_TIME)));
        assert_eq!(reader.read(None, text("")), Err((Part::Time, MISSING)));
        assert_eq!(reader.read(Some(text("x")), text("09:15:01")), Err((Part::Date, NO_DATE)));
        assert_eq!(reader.read(Some(Cell::Empty), text("09:15:01")), Err((Part::Date, MISSING)));
    }
}
