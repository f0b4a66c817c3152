//! One quote as the `tick` query gives it, and how it is packed.
//!
//! A day of a whole market is tens of millions of quotes of 27 numbers each, most of which are the
//! same as in the quote before. So a packed quote holds what changed: how long after the one
//! before, a bit for each number, and for each that changed the difference in thousandths (prices)
//! or hundredths (everything else), or its 8 bytes where that would not give it back bit by bit.

mod numbers;
mod unpack;

use plugin_api::schemas::{encode::Levels, spot::SpotView, time::SECOND_US};

use self::numbers::{push_number, same, scaled, zigzag};
use crate::msgpack::Writer;

pub use self::unpack::Unpacker;

/// Numbers before the levels of the book.
pub const FIELDS: usize = 7;
/// Most levels of the book that are kept of each side; Hikyuu's sources have 5, some others 10. With
/// up to 15 the head of a list is one byte, which answers rely on.
pub const MOST_LEVELS: usize = 15;
/// Fractions in which the differences of numbers are counted.
const PRICE_SCALE: f64 = 1_000.0;
const SIZE_SCALE: f64 = 100.0;
/// Share of a number in which two that are the same may differ.
const BLUR: f64 = 1e-12;

/// A quote, in the units of the wire: prices in CNY, amount in 10,000 CNY, sizes in lots.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Exchange time, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Levels of bid, bid sizes, ask, ask sizes.
    pub levels: [u8; 4],
    /// Close of the day before, open, high, low, last price, amount, volume; then the levels.
    pub values: Vec<f64>,
}

impl Default for Tick {
    /// The empty quote, behind which a block begins.
    fn default() -> Self {
        Self { time_us: 0, levels: [0; 4], values: vec![0.0; FIELDS] }
    }
}

impl Tick {
    /// Takes a quote over; `time_us` is its time.
    pub fn set(&mut self, spot: &SpotView<'_>, time_us: i64) {
        let wire = &spot.0;
        self.time_us = time_us;
        self.values.clear();
        self.values.extend([
            wire.yesterday_close(),
            wire.open(),
            wire.high(),
            wire.low(),
            wire.close(),
            wire.amount(),
            wire.volume(),
        ]);
        let sides = [spot.bid(), spot.bid_lots(), spot.ask(), spot.ask_lots()];
        for (count, side) in self.levels.iter_mut().zip(sides) {
            *count = self.values.push_levels(side);
        }
    }

    /// Whether both are the same quote. Numbers that went through base units and back, as those
    /// of a lake did, may differ in their last bits.
    pub fn is_same(&self, other: &Self) -> bool {
        self.time_us == other.time_us
            && self.levels == other.levels
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(|(one, two)| is_as_good_as(*one, *two))
    }

    /// Packs this quote behind `before`, which is what was packed last.
    pub fn pack(&self, before: &Self, bytes: &mut Vec<u8>) {
        let later_us = self.time_us.wrapping_sub(before.time_us);
        let in_seconds = later_us % SECOND_US == 0;
        let later = if in_seconds { later_us / SECOND_US } else { later_us };
        let same_levels = self.levels == before.levels;
        let kind = u64::from(in_seconds) | u64::from(same_levels) << 1;
        push_number(bytes, zigzag(later) << 2 | kind);
        if !same_levels {
            bytes.extend(self.levels);
        }
        let bits = bytes.len();
        bytes.resize(bits + self.values.len().div_ceil(8), 0);
        for (place, value) in self.values.iter().enumerate() {
            let old = before.value(place, same_levels);
            if same(*value, old) {
                continue;
            }
            bytes[bits + place / 8] |= 1 << (place % 8);
            let scale = self.scale(place);
            match (scaled(*value, scale), scaled(old, scale)) {
                (Some(new), old) => {
                    push_number(bytes, zigzag(new - old.unwrap_or(0)) << 1);
                }
                (None, _) => {
                    bytes.push(1);
                    bytes.extend(value.to_be_bytes());
                }
            }
        }
    }

    /// Numbers that a quote with these levels has.
    fn len(&self) -> usize {
        FIELDS + self.levels.iter().map(|count| usize::from(*count)).sum::<usize>()
    }

    /// What a value is compared with; levels count as zero when their number changed.
    fn value(&self, place: usize, same_levels: bool) -> f64 {
        if place < FIELDS || same_levels {
            self.values.get(place).copied().unwrap_or(0.0)
        } else {
            0.0
        }
    }

    fn scale(&self, place: usize) -> f64 {
        let [bid, bid_sizes, ask, _] = self.levels.map(usize::from);
        let is_price = match place.checked_sub(FIELDS) {
            None => place < 5,
            Some(level) => level < bid || (bid + bid_sizes..bid + bid_sizes + ask).contains(&level),
        };
        if is_price { PRICE_SCALE } else { SIZE_SCALE }
    }

    /// Bytes that the quote takes in an answer behind its datetime.
    pub fn row_len(&self) -> usize {
        self.levels.len() + self.values.len() * Writer::FLOAT
    }

    /// Writes the quote as it stands in an answer behind its datetime: seven numbers, four lists.
    pub fn write_row(&self, row: &mut Vec<u8>) {
        let mut writer = Writer::after(std::mem::take(row));
        let (numbers, mut rest) = self.values.split_at(FIELDS.min(self.values.len()));
        numbers.iter().for_each(|value| writer.float(*value));
        for count in self.levels {
            let (side, after) = rest.split_at(usize::from(count).min(rest.len()));
            writer.array(side.len());
            side.iter().for_each(|value| writer.float(*value));
            rest = after;
        }
        *row = writer.finish();
    }
}

trait PushLevels {
    fn push_levels(&mut self, levels: Levels<'_>) -> u8;
}

impl PushLevels for Vec<f64> {
    fn push_levels(&mut self, levels: Levels<'_>) -> u8 {
        let before = self.len();
        self.extend(levels.iter().take(MOST_LEVELS));
        u8::try_from(self.len() - before).unwrap_or(u8::MAX)
    }
}

fn is_as_good_as(one: f64, two: f64) -> bool {
    same(one, two) || (one - two).abs() < one.abs().max(two.abs()) * BLUR
}

#[cfg(test)]
mod tests;
