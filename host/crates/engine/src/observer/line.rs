//! The course of a security's day, minute by minute.

use std::ops::Range;

use plugin_api::schemas::time::{ExchangeTime, SECOND_US};

use super::quote::Quote;

/// Most minutes of a day: from the first auction to the end of trading after hours, without noon, there
/// are fewer.
const MAX_MINUTES: usize = 330;
/// Microseconds in a minute.
const MINUTE_US: i64 = 60 * SECOND_US;
/// The first minute of continuous trading, after midnight in Shanghai. Who sees a security before its
/// end has seen all that was traded.
const OPENING_MINUTE: u16 = 9 * 60 + 30;
/// Minutes in which nothing is traded, though Shenzhen goes on sending quotes.
const NOON: Range<u16> = 11 * 60 + 31..13 * 60;

/// One minute of a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minute {
    /// Minutes after midnight in Shanghai.
    pub minute: u16,
    /// Last price, CNY.
    pub price: f64,
    /// Volume of this minute alone, shares.
    pub volume: u64,
    /// Turnover of this minute alone, CNY.
    pub amount: f64,
}

/// A day of a security, from its quotes in order.
#[derive(Debug)]
pub struct Line {
    /// Days since 1970 on the exchange's calendar.
    day: i64,
    /// Volume and turnover of the day at the end of the minute before.
    before: Totals,
    /// The same now.
    now: Totals,
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Totals {
    volume: u64,
    amount: f64,
}

/// A minute in 16 bytes, as there are a million of them at the end of a day.
#[derive(Debug, Clone, Copy)]
struct Point {
    minute: u16,
    /// Thousandths of CNY.
    price: u32,
    volume: u32,
    amount: f32,
}

impl Line {
    /// The day of a first quote.
    pub fn new(quote: &Quote) -> Self {
        let (day, minute) = place(quote);
        let now = Totals { volume: quote.volume, amount: quote.amount };
        let nothing = Totals { volume: 0, amount: 0.0 };
        // what was traded before the host ran is of no minute
        let before = if minute <= OPENING_MINUTE { nothing } else { now };
        Self { day, before, now, points: Vec::new() }
    }

    /// Takes the next quote. One of another day, or of an earlier minute after a feed has begun
    /// anew, begins the line anew.
    pub fn note(&mut self, quote: &Quote) {
        let (day, minute) = place(quote);
        if NOON.contains(&minute) {
            return;
        }
        if day != self.day || self.points.last().is_some_and(|last| minute < last.minute) {
            *self = Self::new(quote);
        }
        if self.points.last().is_none_or(|last| last.minute != minute) {
            if self.points.len() == MAX_MINUTES {
                return;
            }
            if !self.points.is_empty() {
                self.before = self.now;
            }
            self.points.push(Point { minute, price: 0, volume: 0, amount: 0.0 });
        }
        self.now = Totals { volume: quote.volume, amount: quote.amount };
        let traded = Totals {
            volume: self.now.volume.saturating_sub(self.before.volume),
            amount: (self.now.amount - self.before.amount).max(0.0),
        };
        if let Some(last) = self.points.last_mut() {
            *last = Point::new(minute, quote.price, traded);
        }
    }

    /// Year, month and day on the exchange's calendar.
    pub fn date(&self) -> (i32, u32, u32) {
        ExchangeTime { day: self.day, of_day_us: 0 }.date()
    }

    /// The minutes in which there were quotes, in order.
    pub fn minutes(&self) -> Vec<Minute> {
        self.points.iter().map(Point::minute).collect()
    }
}

/// Day and minute of a quote.
fn place(quote: &Quote) -> (i64, u16) {
    let time = ExchangeTime::from_utc_us(quote.time_us);
    (time.day, u16::try_from(time.of_day_us / MINUTE_US).unwrap_or(0))
}

impl Point {
    /// Prices to a thousandth, turnover to seven digits: enough for a drawing.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // both end at the largest
    fn new(minute: u16, price: f64, traded: Totals) -> Self {
        Self {
            minute,
            price: (price * 1_000.0).round() as u32,
            volume: u32::try_from(traded.volume).unwrap_or(u32::MAX),
            amount: traded.amount.min(f64::from(f32::MAX)) as f32,
        }
    }

    fn minute(&self) -> Minute {
        Minute {
            minute: self.minute,
            price: f64::from(self.price) / 1_000.0,
            volume: self.volume.into(),
            amount: self.amount.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::schemas::time::parse_exchange_time;

    use super::*;

    fn quote(time: &str, price: f64, volume: u64) -> Quote {
        let time_us = parse_exchange_time(time).unwrap();
        #[allow(clippy::cast_precision_loss)]
        let amount = volume as f64 * 10.0;
        Quote { time_us, price, volume, amount, ..Quote::default() }
    }

    fn line(quotes: &[(&str, f64, u64)]) -> Line {
        let quotes: Vec<_> =
            quotes.iter().map(|(time, price, volume)| quote(time, *price, *volume)).collect();
        let mut line = Line::new(&quotes[0]);
        quotes.iter().for_each(|quote| line.note(quote));
        line
    }

    fn shown(line: &Line) -> Vec<(u16, f64, u64, f64)> {
        line.minutes().iter().map(|it| (it.minute, it.price, it.volume, it.amount)).collect()
    }

    #[test]
    fn each_minute_has_its_last_price_and_what_was_traded_in_it_alone() {
        let line = line(&[
            ("2024-01-03 09:25:01", 9.1, 500),
            ("2024-01-03 09:30:03", 9.12, 800),
            ("2024-01-03 09:30:57", 9.11, 1_000),
            ("2024-01-03 09:31:00", 9.111, 1_000),
            ("2024-01-03 11:29:59", 1_750.05, 4_000),
            ("2024-01-03 12:10:00", 1_750.05, 4_000),
        ]);
        let expected = [
            (565, 9.1, 500, 5_000.0),
            (570, 9.11, 500, 5_000.0),
            (571, 9.111, 0, 0.0),
            (689, 1_750.05, 3_000, 30_000.0),
        ];
        assert_eq!(shown(&line), expected);
        assert_eq!(line.date(), (2024, 1, 3));
    }

    #[test]
    fn who_comes_late_counts_from_then_on() {
        let line = line(&[
            ("2024-01-03 13:00:03", 9.1, 70_000),
            ("2024-01-03 13:00:06", 9.1, 70_200),
            ("2024-01-03 13:01:00", 9.2, 70_300),
        ]);
        assert_eq!(shown(&line), [(780, 9.1, 200, 2_000.0), (781, 9.2, 100, 1_000.0)]);
    }

    #[test]
    fn another_day_and_a_feed_that_begins_anew_begin_the_line_anew() {
        let next = line(&[("2024-01-03 14:59:57", 9.1, 70_000), ("2024-01-04 09:30:00", 9.3, 100)]);
        assert_eq!((next.date(), shown(&next)), ((2024, 1, 4), vec![(570, 9.3, 100, 1_000.0)]));
        let anew = line(&[("2024-01-03 14:59:57", 9.1, 70_000), ("2024-01-03 09:30:00", 9.0, 300)]);
        assert_eq!(shown(&anew), [(570, 9.0, 300, 3_000.0)]);
        // a source that counts otherwise
        let less = line(&[("2024-01-03 09:30:00", 9.0, 300), ("2024-01-03 09:31:00", 9.0, 3)]);
        assert_eq!(shown(&less)[1], (571, 9.0, 0, 0.0));
    }

    #[test]
    fn a_line_ends_and_what_is_too_large_is_cut() {
        let mut line = Line::new(&quote("2024-01-03 00:00:00", 1.0, 0));
        for minute in 0..24 * 60 {
            let time = format!("2024-01-03 {:02}:{:02}:00", minute / 60, minute % 60);
            line.note(&quote(&time, f64::MAX, u64::MAX / 2));
        }
        assert_eq!(line.minutes().len(), MAX_MINUTES);
        let first = line.minutes()[0];
        assert_eq!(first.volume, u64::from(u32::MAX));
        assert!(first.price.is_finite() && first.amount.is_finite());
    }
}
