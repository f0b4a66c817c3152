//! What rows of a security are worth: which are bars, which padding, and which days lack some.
//!
//! A window that was not downloaded comes as rows without volume, with `suspendFlag` 1, with zeros or
//! with the close before. A minute without a trade and a suspension look the same. So no row without
//! volume is ever given; and a day counts as whole only if it has trades, and, when it is over, if its
//! minutes make up the volume of the day's own bar.

use std::collections::BTreeMap;

use kit::history::Bar;
use plugin_api::schemas::{
    lots::Kind,
    session::TradingCalendar,
    time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, SECOND_US},
};

use super::{
    bar::bar_of,
    question::{Auction, Period, Question, Request, date},
    row::{Row, at, unit},
};

/// What minutes may lack of the volume of their day, at most; rounding to lots comes besides.
const MOST_LACKING: f64 = 0.01;
/// The same where trading goes on after the close, at its price, which minutes may not have.
const MOST_LACKING_AFTER_HOURS: f64 = 0.2;
/// How long after its end a bar or a day may still change.
const GRACE_US: i64 = 30 * SECOND_US;
/// Most days that a fault names.
const MOST_NAMED: usize = 3;
const OPEN: i64 = at(9, 30);
const CLOSE: i64 = at(15, 0);
const AFTER_HOURS_END: i64 = at(15, 30);

/// What rows of one security came to.
#[derive(Debug, Default, PartialEq)]
pub struct Judged {
    /// Bars within the span, in the order of time.
    pub bars: Vec<Bar>,
    /// Rows without volume, of days that are not whole.
    pub padding: u64,
    /// Rows of other days than those asked for.
    pub outside: u64,
    /// Rows that cannot be used, and why.
    pub damaged: Vec<(String, Row)>,
    /// Why not all is there; empty when it is.
    pub faults: Vec<String>,
}

/// What is known when rows are judged.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// What is asked.
    pub question: &'a Question,
    /// Which days of it.
    pub request: &'a Request,
    /// Which of them are trading days.
    pub calendar: &'a TradingCalendar,
    /// When it was asked, microseconds since 1970 UTC: what came is at least as new.
    pub asked_us: i64,
}

/// What came of one day.
#[derive(Debug, Default)]
struct Day {
    traded: Vec<Row>,
    blank: u64,
    damaged: u64,
}

impl Judge<'_> {
    /// Judges rows of a security, in whatever order, by the bars of days that came with them.
    pub fn bars(&self, symbol: &str, rows: &[Row], of_days: &[Row]) -> Judged {
        let kind = kind_of(symbol);
        let mut judged = Judged::default();
        let days = self.by_day(rows, &mut judged);
        let mut traded = Vec::new();
        let mut lacks = Lacks::default();
        for (&day, found) in &days {
            let is_whole = self.judge_day(symbol, kind, day, found, of_days, &mut lacks);
            if !is_whole {
                judged.padding += found.blank;
            }
            traded.extend_from_slice(&found.traded);
        }
        for day in self.expected().filter(|day| !days.contains_key(day)) {
            lacks.none.push(day);
        }
        judged.faults = lacks.faults();
        match unit(kind, &traded) {
            Ok(unit) => self.bars_of(symbol, traded, unit, &mut judged),
            Err(fault) => judged.faults.push(fault),
        }
        if let Some((reason, _)) = judged.damaged.first() {
            let count = judged.damaged.len();
            judged.faults.push(format!("{count} rows cannot be used: {reason}"));
        }
        judged
    }

    /// The bars of rows that were traded.
    fn bars_of(&self, symbol: &str, mut traded: Vec<Row>, unit: u32, judged: &mut Judged) {
        let period = self.question.period.unwrap_or(Period::Day);
        if let Period::Minutes(minutes) = period {
            traded = self.with_auction(&traded, minutes);
            // what is traded at the closing price afterwards is in no bar of quotes either
            traded.retain(|row| row.of_day_us() <= CLOSE);
        }
        let (from_us, to_us) = (self.question.from_us, self.question.to_us);
        for row in traded {
            let Some(time_us) = row.time_us().filter(|us| (from_us..=to_us).contains(us)) else {
                continue;
            };
            let closed = self.asked_us >= self.end_us(symbol, time_us) + GRACE_US;
            match row.shares(unit) {
                Ok(shares) => judged.bars.push(bar_of(&row, time_us, shares, closed)),
                Err(fault) => judged.damaged.push((fault, row)),
            }
        }
    }

    /// Why quotes of one day are not all, by the volume of their last, in lots.
    pub fn quotes(&self, symbol: &str, volume: f64, of_days: &[Row]) -> Option<String> {
        let mut lacks = Lacks::default();
        let day = self.expected().next()?;
        if volume.is_nan() {
            return None; // of `pvolume` alone nothing is known to compare with
        }
        if volume <= 0.0 {
            lacks.blank.push(day);
        } else {
            self.compare(symbol, kind_of(symbol), day, (volume, 1.0), of_days, &mut lacks);
        }
        lacks.faults().pop()
    }

    /// Rows by their day, without those that are none, came twice or were not asked for.
    fn by_day(&self, rows: &[Row], judged: &mut Judged) -> BTreeMap<i64, Day> {
        let mut by_time = BTreeMap::new();
        for row in rows {
            match row.time_us() {
                // of two, the later is the newer
                Some(time_us) => drop(by_time.insert(time_us, row)),
                None => judged.damaged.push(("its `time` is no time".to_owned(), *row)),
            }
        }
        let mut days: BTreeMap<i64, Day> = BTreeMap::new();
        for row in by_time.into_values() {
            let day = row.day().unwrap_or_default();
            if !(self.request.first_day..=self.request.last_day).contains(&day) {
                judged.outside += 1;
                continue;
            }
            let found = days.entry(day).or_default();
            match row.fault() {
                _ if row.is_blank() => found.blank += 1,
                Some(fault) => {
                    found.damaged += 1;
                    judged.damaged.push((fault, *row));
                }
                None => found.traded.push(*row),
            }
        }
        days
    }

    fn judge_day(
        &self,
        symbol: &str,
        kind: Kind,
        day: i64,
        found: &Day,
        of_days: &[Row],
        lacks: &mut Lacks,
    ) -> bool {
        if found.traded.is_empty() {
            if self.is_expected(day) && found.damaged == 0 {
                lacks.blank.push(day);
            }
            return false;
        }
        if self.question.period == Some(Period::Day) || kind == Kind::Index {
            return true;
        }
        let sum = found.traded.iter().map(|row| row.volume).sum();
        #[allow(clippy::cast_precision_loss)] // minutes of a day
        let rows = found.traded.len() as f64;
        self.compare(symbol, kind, day, (sum, rows), of_days, lacks)
    }

    /// Whether so many lots, rounded so often, are the volume of a day that is over.
    fn compare(
        &self,
        symbol: &str,
        kind: Kind,
        day: i64,
        (sum, rounded): (f64, f64),
        of_days: &[Row],
        lacks: &mut Lacks,
    ) -> bool {
        let is_of_day = |row: &&Row| row.day() == Some(day) && !row.is_blank();
        let Some(whole) = of_days.iter().rev().find(is_of_day) else { return true };
        if self.asked_us < self.end_us(symbol, us_of(day, 0)) + GRACE_US || kind == Kind::Index {
            return true;
        }
        let lacking = whole.volume - sum;
        let most = if has_after_hours(symbol) { MOST_LACKING_AFTER_HOURS } else { MOST_LACKING };
        let is_whole = lacking <= rounded || lacking <= whole.volume * most;
        if !is_whole {
            lacks.short.push((day, sum, whole.volume));
        }
        is_whole
    }

    /// Days of which something must be there.
    fn expected(&self) -> impl Iterator<Item = i64> {
        (self.request.first_day..=self.request.last_day).filter(|day| self.is_expected(*day))
    }

    fn is_expected(&self, day: i64) -> bool {
        let until = self.question.to_us.min(self.asked_us);
        let (first, last) = match self.question.period {
            // the label of a day is its first moment, and its bar is there when trading began
            Some(Period::Day) => (us_of(day, 0), us_of(day, 0)),
            _ => (us_of(day, OPEN), us_of(day, CLOSE)),
        };
        let has_begun = self.asked_us > us_of(day, OPEN) + 60 * SECOND_US + GRACE_US;
        self.calendar.is_trading_day(day)
            && has_begun
            && self.question.from_us <= last
            && first <= until
    }

    /// What the option wants of the bar of the opening auction.
    fn with_auction(&self, rows: &[Row], minutes: i64) -> Vec<Row> {
        let first_label = OPEN + minutes * 60 * SECOND_US;
        let mut out: Vec<Row> = Vec::with_capacity(rows.len());
        for row in rows {
            let is_auction = row.of_day_us() <= OPEN;
            match self.question.auction {
                Auction::OwnBar => out.push(*row),
                Auction::Drop if is_auction => {}
                Auction::FirstBar if is_auction => {
                    let label = us_of(row.day().unwrap_or_default(), first_label);
                    #[allow(clippy::cast_precision_loss)] // milliseconds
                    out.push(Row { time_ms: (label / 1_000) as f64, ..*row });
                }
                _ => match out.last_mut() {
                    Some(last) if last.time_us() == row.time_us() => *last = last.join(row),
                    _ => out.push(*row),
                },
            }
        }
        out
    }

    /// When what has that label changes no more.
    fn end_us(&self, symbol: &str, label_us: i64) -> i64 {
        let is_day = label_us == us_of(day_of(label_us), 0);
        match (is_day, has_after_hours(symbol)) {
            (false, _) => label_us,
            (true, false) => label_us + CLOSE,
            (true, true) => label_us + AFTER_HOURS_END,
        }
    }
}

/// Days that are not whole.
#[derive(Debug, Default)]
struct Lacks {
    none: Vec<i64>,
    blank: Vec<i64>,
    /// With what their minutes sum up to, and what they should, in lots.
    short: Vec<(i64, f64, f64)>,
}

impl Lacks {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut list = |days: &[i64], what: &str| {
            if !days.is_empty() {
                faults.push(format!("{what} on {}", named(days)));
            }
        };
        list(&self.none, "no rows");
        list(&self.blank, "no trades (suspended, or not in the terminal)");
        if let Some((day, sum, whole)) = self.short.first() {
            let days: Vec<_> = self.short.iter().map(|(day, ..)| *day).collect();
            faults.push(format!(
                "not all of {}: {sum} lots of {whole} on {}",
                named(&days),
                date(*day, "-")
            ));
        }
        faults
    }
}

fn named(days: &[i64]) -> String {
    let mut texts: Vec<_> = days.iter().take(MOST_NAMED).map(|day| date(*day, "-")).collect();
    if days.len() > MOST_NAMED {
        texts.push(format!("{} more days", days.len() - MOST_NAMED));
    }
    texts.join(", ")
}

fn kind_of(symbol: &str) -> Kind {
    let (code, market) = symbol.split_once('.').unwrap_or((symbol, ""));
    Kind::of(market, code)
}

/// Whether it is traded from 15:05 to 15:30, at the closing price.
fn has_after_hours(symbol: &str) -> bool {
    kind_of(symbol) == Kind::Star || (symbol.ends_with(".SZ") && symbol.starts_with("30"))
}

fn day_of(us: i64) -> i64 {
    ExchangeTime::from_utc_us(us).day
}

/// A moment of a day, microseconds since 1970 UTC.
fn us_of(day: i64, of_day_us: i64) -> i64 {
    day * DAY_US - EXCHANGE_OFFSET_US + of_day_us
}
