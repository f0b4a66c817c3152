//! The bars of one security and type, in the order of their time.
//!
//! They are kept as they stand in answers, so that an answer costs little more than copying them.

use plugin_api::schemas::time::{DatetimeText, SECOND_US};

use super::ticks::day_of;
use crate::msgpack::Writer;

/// A bar in the units of Hikyuu's `market` query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Hikyuu's datetime of the bar, microseconds since 1970 UTC; a whole second.
    pub time_us: i64,
    /// Open, high, low, close in CNY; amount in 10,000 CNY; volume in lots for days and longer,
    /// in shares for shorter ones.
    pub values: [f64; VALUES],
}

/// Numbers of a bar.
const VALUES: usize = 6;
/// Bytes of the head of an answer's row and its datetime, which has no fraction.
const HEAD: usize = 1 + 1 + 19;

/// A bar as it stands in an answer: an array of its datetime and its numbers.
pub type BarRow = [u8; HEAD + VALUES * Writer::FLOAT];

impl Bar {
    /// Day that a bar within a day belongs to, counted from 1970-01-01; one that ends at midnight
    /// belongs to the day that ends there.
    pub fn day(&self) -> i64 {
        day_of_bar(self.time_us)
    }

    /// Whether it can stand in an answer: its numbers are numbers, and its time a whole second.
    pub fn is_sound(&self) -> bool {
        self.values.iter().all(|value| value.is_finite()) && self.time_us % SECOND_US == 0
    }

    fn row(&self, datetime: &mut DatetimeText) -> BarRow {
        let mut row = [0; size_of::<BarRow>()];
        let mut writer = Writer::default();
        writer.array(1 + VALUES);
        writer.text(datetime.format(self.time_us));
        self.values.iter().for_each(|value| writer.float(*value));
        let bytes = writer.finish();
        row.copy_from_slice(&bytes[..size_of::<BarRow>()]);
        row
    }
}

fn values_of(row: &BarRow) -> [f64; VALUES] {
    std::array::from_fn(|at| {
        let mut bytes = [0; 8];
        let from = HEAD + at * Writer::FLOAT + 1;
        bytes.copy_from_slice(&row[from..from + 8]);
        f64::from_be_bytes(bytes)
    })
}

fn day_of_bar(time_us: i64) -> i64 {
    day_of(time_us - 1)
}

/// Bars of days and longer that are kept of each security: more than four years of days.
const MOST_LONG: usize = 1_024;

/// All kept bars of one security and type.
#[derive(Debug, Default)]
pub struct Bars {
    times_us: Vec<i64>,
    rows: Vec<BarRow>,
}

impl Bars {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Bar> {
        let bars = self.times_us.iter().zip(&self.rows);
        bars.map(|(time_us, row)| Bar { time_us: *time_us, values: values_of(row) })
    }

    /// Those at or after a moment.
    pub fn since(&self, time_us: i64) -> &[BarRow] {
        &self.rows[self.times_us.partition_point(|bar_us| *bar_us < time_us)..]
    }

    /// Memory that they take, bytes.
    pub fn size(&self) -> usize {
        self.rows.capacity() * size_of::<BarRow>() + self.times_us.capacity() * size_of::<i64>()
    }

    /// Puts a sound bar at its place, or in the place of an earlier state of it.
    pub fn put(&mut self, bar: Bar, datetime: &mut DatetimeText) {
        let row = bar.row(datetime);
        match self.times_us.last() {
            Some(last_us) if *last_us >= bar.time_us => {
                match self.times_us.binary_search(&bar.time_us) {
                    Ok(at) => self.rows[at] = row,
                    Err(at) => {
                        self.times_us.insert(at, bar.time_us);
                        self.rows.insert(at, row);
                    }
                }
            }
            _ => {
                self.times_us.push(bar.time_us);
                self.rows.push(row);
            }
        }
    }

    /// Puts a sound bar from elsewhere in, unless a later state of it is here: what was traded
    /// within a bar only grows.
    pub fn merge(&mut self, bar: Bar, datetime: &mut DatetimeText) {
        let is_later = |row: &BarRow| {
            let [.., amount, volume] = values_of(row);
            (amount, volume) > (bar.values[4], bar.values[5])
        };
        match self.times_us.binary_search(&bar.time_us) {
            Ok(at) if is_later(&self.rows[at]) => {}
            _ => self.put(bar, datetime),
        }
    }

    /// Forgets the days before that one.
    pub fn evict_before(&mut self, day: i64) {
        let gone = self.times_us.partition_point(|time_us| day_of_bar(*time_us) < day);
        self.forget(gone);
        self.times_us.shrink_to_fit();
        self.rows.shrink_to_fit();
    }

    /// Keeps the newest, for bars that a day has at most one of.
    pub fn keep_newest(&mut self) {
        if self.len() > 2 * MOST_LONG {
            self.forget(self.len() - MOST_LONG);
        }
    }

    fn forget(&mut self, gone: usize) {
        self.times_us.drain(..gone);
        self.rows.drain(..gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(minute: i64, close: f64) -> Bar {
        Bar { time_us: minute * 60_000_000, values: [close; VALUES] }
    }

    fn filled(bars: impl IntoIterator<Item = Bar>) -> Bars {
        let mut filled = Bars::default();
        for bar in bars {
            filled.put(bar, &mut DatetimeText::default());
            filled.keep_newest();
        }
        filled
    }

    fn closes(bars: &Bars) -> Vec<f64> {
        bars.iter().map(|bar| bar.values[3]).collect()
    }

    #[test]
    fn a_later_state_of_a_bar_takes_its_place_wherever_it_is() {
        let given = [(1, 1.0), (2, 2.0), (2, 2.5), (4, 4.0), (1, 1.5), (3, 3.0)];
        let mut bars = filled(given.map(|(minute, close)| bar(minute, close)));
        assert_eq!(closes(&bars), [1.5, 2.5, 3.0, 4.0]);
        assert_eq!(bars.since(3 * 60_000_000).len(), 2, "the bar asked for is there");
        assert_eq!(bars.since(3 * 60_000_000 + 1).len(), 1);
        for (minute, close) in [(4, 9.0), (1, 1.0), (0, 0.5)] {
            bars.merge(bar(minute, close), &mut DatetimeText::default());
        }
        assert_eq!(closes(&bars), [0.5, 1.5, 2.5, 3.0, 9.0], "more was traded later");
    }

    #[test]
    fn a_row_is_what_an_answer_holds() {
        let bar =
            Bar { time_us: 1_638_322_260_000_000, values: [8.5, 8.6, 8.4, 8.55, 1.25, 100.0] };
        let row = bar.row(&mut DatetimeText::default());
        let read = rmpv::decode::read_value(&mut row.as_slice()).unwrap();
        let read = read.as_array().unwrap();
        assert_eq!(read[0].as_str(), Some("2021-12-01 09:31:00"));
        let values: Vec<_> = read[1..].iter().filter_map(rmpv::Value::as_f64).collect();
        assert_eq!(values, bar.values);
        assert_eq!(filled([bar]).iter().collect::<Vec<_>>(), [bar]);
    }

    #[test]
    fn a_bar_that_cannot_stand_in_an_answer_is_told() {
        assert!(bar(1, 8.5).is_sound());
        assert!(!bar(1, f64::NAN).is_sound());
        assert!(!Bar { time_us: 1, ..bar(1, 8.5) }.is_sound());
    }

    #[test]
    fn old_bars_go_by_day_or_by_number() {
        let mut bars = filled((0..4_000).map(|day| bar(day * 1_440, 1.0)));
        assert!((MOST_LONG..=2 * MOST_LONG).contains(&bars.len()));
        bars.evict_before(3_999);
        assert_eq!(bars.len(), 1);
        // midnight in Shanghai ends the day before
        bars.put(bar(4_000 * 1_440 - 8 * 60, 1.0), &mut DatetimeText::default());
        bars.evict_before(4_000);
        assert_eq!(bars.len(), 0);
    }
}
