//! What is known of a security over a whole day.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::{
    Day,
    day::minute_of,
    record::{ClosedBar, Place, Quote},
};

/// From here on a volume has the fixed-price trading after the close: 15:05.
const AFTER_HOURS: u16 = 905;
/// A security that has not opened by then does not trade that day: 9:31.
const OPENED: u16 = 571;
/// The opening auction is over, and its result known: 9:25. Some sources give a suspended security no
/// later than that.
const AUCTION_OVER: u16 = 565;
/// Bits of `state`.
const PRE_CLOSE: i64 = 1;
const OPEN: i64 = 2;
const UNSETTLED: i64 = 4;

/// What is known of a security over a whole day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Total {
    /// Moment of the last quote, microseconds since 1970 UTC; 0 without one.
    pub at_us: i64,
    /// See the bits of the state.
    state: i64,
    /// Volume of the day, shares, by its quotes.
    pub volume: u64,
    /// Turnover of the day, CNY, by its quotes.
    pub amount: f64,
    /// Volume and turnover by a bar of the day.
    pub day: Option<(u64, f64)>,
    /// Volume and turnover of its 1m bars, once the day is sealed.
    pub minutes: Option<(u64, f64)>,
}

impl Total {
    /// Takes a quote in; whether anything changed. The order in which quotes come does not matter.
    pub fn add_quote(&mut self, quote: &Quote<'_>, place: Place) -> bool {
        let before = *self;
        self.at_us = self.at_us.max(place.moment_us);
        if quote.pre_close > 0.0 {
            self.state |= PRE_CLOSE;
        }
        if !place.is_stale {
            if quote.open > 0.0 || quote.volume > 0 {
                self.state |= OPEN;
            }
            if minute_of(place.moment_us) < AFTER_HOURS {
                self.volume = self.volume.max(quote.volume);
                self.amount = self.amount.max(quote.amount);
            }
        }
        before != *self
    }

    /// Takes a bar in.
    pub fn add_bar(&mut self, bar: &ClosedBar<'_>, is_new: bool) {
        if bar.volume > 0 {
            self.state |= OPEN;
        }
        if bar.period == "day" {
            self.day = Some((bar.volume, bar.amount));
        }
        if bar.period == "1m"
            && let Some((volume, amount)) = &mut self.minutes
        {
            if is_new {
                (*volume, *amount) = (*volume + bar.volume, *amount + bar.amount);
            } else {
                // what it takes the place of is not known any more
                self.state |= UNSETTLED;
            }
        }
    }

    /// It was quoted with the close of the day before and never opened: not by 9:31, or not when its
    /// source was done with it after the auction, while the market went on.
    pub fn is_suspended(&self, has_market_opened: bool) -> bool {
        let known_from = if has_market_opened { AUCTION_OVER } else { OPENED };
        self.state & (PRE_CLOSE | OPEN) == PRE_CLOSE
            && self.at_us > 0
            && minute_of(self.at_us) >= known_from
    }

    /// Its minutes do not tell their sum any more, as one was changed after the day was sealed.
    pub fn is_unsettled(&self) -> bool {
        self.state & UNSETTLED != 0
    }

    /// Volume and turnover of its day; `None` where nothing says.
    pub fn of_day(&self) -> Option<(u64, f64)> {
        // quotes alone know nothing of a day that they have not seen to its end
        let quoted = (self.at_us > 0).then_some((self.volume, self.amount));
        match (self.day, quoted) {
            (Some(day), Some(quoted)) if quoted.0 > day.0 => Some(quoted),
            (day, quoted) => day.or(quoted),
        }
    }
}

/// Whether most securities of a day were quoted when the market had opened.
pub fn has_market_opened(totals: &HashMap<u32, Total>) -> bool {
    let is_after = |total: &&Total| total.at_us > 0 && minute_of(total.at_us) >= OPENED;
    totals.values().filter(is_after).count() * 2 > totals.len()
}

/// All of a day, by the number of the security.
pub fn read(db: &Connection, day: i64) -> rusqlite::Result<HashMap<u32, Total>> {
    let mut statement = db.prepare(
        "SELECT security, at_us, state, volume, amount, day_volume, day_amount, minutes_volume,
         minutes_amount FROM totals WHERE day = ?1",
    )?;
    let pair = |row: &rusqlite::Row<'_>, at: usize| -> rusqlite::Result<Option<(u64, f64)>> {
        let (volume, amount): (Option<i64>, Option<f64>) = (row.get(at)?, row.get(at + 1)?);
        Ok(volume.map(|volume| (volume.unsigned_abs(), amount.unwrap_or(0.0))))
    };
    let rows = statement.query_map([day], |row| {
        let total = Total {
            at_us: row.get(1)?,
            state: row.get(2)?,
            volume: row.get::<_, i64>(3)?.unsigned_abs(),
            amount: row.get(4)?,
            day: pair(row, 5)?,
            minutes: pair(row, 7)?,
        };
        Ok((row.get(0)?, total))
    })?;
    rows.collect()
}

/// Writes those.
pub fn write<'a>(
    db: &Connection,
    day: i64,
    totals: impl Iterator<Item = (u32, &'a Total)>,
) -> rusqlite::Result<()> {
    let mut put = db.prepare(
        "INSERT OR REPLACE INTO totals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for (security, total) in totals {
        put.execute(params![
            day,
            security,
            total.at_us,
            total.state,
            number(total.volume),
            total.amount,
            total.day.map(|it| number(it.0)),
            total.day.map(|it| it.1),
            total.minutes.map(|it| number(it.0)),
            total.minutes.map(|it| it.1),
        ])?;
    }
    Ok(())
}

/// Whether a day's last quote lies at its close, so that its volume is that of the day.
pub fn reaches_close(total: &Total, day: Day, close: u16) -> bool {
    total.day.is_some() || Day::of(total.at_us) == day && minute_of(total.at_us) + 1 >= close
}
