//! The bars of one security and type, in the order of their time.

use super::ticks::day_of;

/// A bar in the units of Hikyuu's `market` query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Hikyuu's datetime of the bar, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Open, high, low, close in CNY; amount in 10,000 CNY; volume in lots for days and longer,
    /// in shares for shorter ones.
    pub values: [f64; 6],
}

impl Bar {
    /// Day that a bar within a day belongs to, counted from 1970-01-01; one that ends at midnight
    /// belongs to the day that ends there.
    pub fn day(&self) -> i64 {
        day_of(self.time_us - 1)
    }
}

/// Bars of days and longer that are kept of each security: more than four years of days.
const MOST_LONG: usize = 1_024;

/// All kept bars of one security and type.
#[derive(Debug, Default)]
pub struct Bars {
    bars: Vec<Bar>,
}

impl Bars {
    /// All of them, in order.
    pub fn all(&self) -> &[Bar] {
        &self.bars
    }

    /// Those at or after a moment.
    pub fn since(&self, time_us: i64) -> &[Bar] {
        &self.bars[self.bars.partition_point(|bar| bar.time_us < time_us)..]
    }

    /// Memory that they take, bytes.
    pub fn size(&self) -> usize {
        self.bars.capacity() * size_of::<Bar>()
    }

    /// Puts a bar at its place, or in the place of an earlier state of it.
    pub fn put(&mut self, bar: Bar) {
        match self.bars.last_mut() {
            Some(last) if last.time_us == bar.time_us => *last = bar,
            Some(last) if last.time_us > bar.time_us => {
                match self.bars.binary_search_by_key(&bar.time_us, |kept| kept.time_us) {
                    Ok(at) => self.bars[at] = bar,
                    Err(at) => self.bars.insert(at, bar),
                }
            }
            _ => self.bars.push(bar),
        }
    }

    /// Puts a bar from elsewhere in, unless it is here.
    pub fn merge(&mut self, bar: Bar) {
        if let Err(at) = self.bars.binary_search_by_key(&bar.time_us, |kept| kept.time_us) {
            self.bars.insert(at, bar);
        }
    }

    /// Forgets the days before that one.
    pub fn forget_before(&mut self, day: i64) {
        let gone = self.bars.partition_point(|bar| bar.day() < day);
        self.bars.drain(..gone);
        self.bars.shrink_to_fit();
    }

    /// Keeps the newest, for bars that a day has at most one of.
    pub fn keep_newest(&mut self) {
        if self.bars.len() > 2 * MOST_LONG {
            self.bars.drain(..self.bars.len() - MOST_LONG);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(minute: i64, close: f64) -> Bar {
        Bar { time_us: minute * 60_000_000, values: [close; 6] }
    }

    fn closes(bars: &[Bar]) -> Vec<f64> {
        bars.iter().map(|bar| bar.values[3]).collect()
    }

    #[test]
    fn a_later_state_of_a_bar_takes_its_place_wherever_it_is() {
        let mut bars = Bars::default();
        for (minute, close) in [(1, 1.0), (2, 2.0), (2, 2.5), (4, 4.0), (1, 1.5), (3, 3.0)] {
            bars.put(bar(minute, close));
        }
        assert_eq!(closes(bars.all()), [1.5, 2.5, 3.0, 4.0]);
        assert_eq!(closes(bars.since(3 * 60_000_000)), [3.0, 4.0], "the bar asked for is there");
        assert_eq!(closes(bars.since(3 * 60_000_000 + 1)), [4.0]);
        bars.merge(bar(4, 9.0));
        bars.merge(bar(0, 0.5));
        assert_eq!(closes(bars.all()), [0.5, 1.5, 2.5, 3.0, 4.0]);
    }

    #[test]
    fn old_bars_go_by_day_or_by_number() {
        let mut bars = Bars::default();
        (0..4_000).for_each(|day| {
            bars.put(bar(day * 1_440, 1.0));
            bars.keep_newest();
        });
        assert!((MOST_LONG..=2 * MOST_LONG).contains(&bars.all().len()));
        bars.forget_before(3_999);
        assert_eq!(bars.all().len(), 1);
        // midnight in Shanghai ends the day before
        bars.put(bar(4_000 * 1_440 - 8 * 60, 1.0));
        bars.forget_before(4_000);
        assert_eq!(bars.all().len(), 0);
    }
}
