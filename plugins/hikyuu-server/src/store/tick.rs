//! One quote as the `tick` query gives it, and how it is packed.
//!
//! A day of a whole market is tens of millions of quotes of 27 numbers each, most of which are the
//! same as in the quote before. So a packed quote holds what changed: how long after the one
//! before, a bit for each number, and for each that changed the difference in thousandths (prices)
//! or hundredths (everything else), or its 8 bytes where that would not give it back bit by bit.

use plugin_api::schemas::{encode::Levels, spot::SpotView, time::SECOND_US};

use crate::msgpack::Writer;

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
/// Whole numbers up to here are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

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

/// Unpacks quotes, each from the one before it, and keeps what they stand for in an answer.
#[derive(Debug)]
pub struct Unpacker<'b> {
    rest: &'b [u8],
    tick: Tick,
    /// The values in whole fractions, 0 where that would not give them back.
    whole: Vec<i64>,
    /// In which fractions each value is counted.
    scales: Vec<f64>,
    /// The quote as it stands in an answer behind its datetime.
    row: Vec<u8>,
    /// Where each value stands in it.
    places: Vec<usize>,
}

impl<'b> Unpacker<'b> {
    /// Begins with the first quote of a block.
    pub fn new(packed: &'b [u8]) -> Self {
        let (whole, scales, row, places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut unpacker = Self { rest: packed, tick: Tick::default(), whole, scales, row, places };
        unpacker.lay_out();
        unpacker
    }

    /// Goes on to the next quote. `None` when the bytes are damaged.
    pub fn advance(&mut self) -> Option<()> {
        let head = take_number(&mut self.rest)?;
        let later = unzigzag(head >> 2);
        let later_us = if head & 1 == 1 { later.checked_mul(SECOND_US)? } else { later };
        self.tick.time_us = self.tick.time_us.wrapping_add(later_us);
        if head & 2 == 0 {
            self.tick.levels = take(&mut self.rest)?;
            if self.tick.levels.iter().any(|count| usize::from(*count) > MOST_LEVELS) {
                return None;
            }
            self.tick.values.truncate(FIELDS);
            self.lay_out();
        }
        let (bits, rest) = self.rest.split_at_checked(self.tick.values.len().div_ceil(8))?;
        self.rest = rest;
        for (at, bits) in bits.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                self.change(at * 8 + bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
            }
        }
        Some(())
    }

    /// The quote.
    pub fn tick(&self) -> &Tick {
        &self.tick
    }

    /// The quote as it stands in an answer behind its datetime.
    pub fn row(&self) -> &[u8] {
        &self.row
    }

    fn change(&mut self, place: usize) -> Option<()> {
        let value = self.tick.values.get_mut(place)?;
        let token = take_number(&mut self.rest)?;
        if token == 1 {
            *value = f64::from_be_bytes(take(&mut self.rest)?);
            self.whole[place] = scaled(*value, self.scales[place]).unwrap_or(0);
        } else {
            let whole = self.whole[place].checked_add(unzigzag(token >> 1))?;
            self.whole[place] = whole;
            *value = unscaled(whole, self.scales[place]);
        }
        let at = self.places[place];
        self.row[at..at + size_of::<f64>()].copy_from_slice(&value.to_be_bytes());
        Some(())
    }

    /// After the number of levels changed: those of the book are 0 again.
    fn lay_out(&mut self) {
        let Self { tick, whole, scales, row, places, .. } = self;
        tick.values.resize(tick.len(), 0.0);
        row.clear();
        tick.write_row(row);
        scales.clear();
        scales.extend((0..tick.values.len()).map(|place| tick.scale(place)));
        whole.clear();
        let values = tick.values.iter().zip(&*scales);
        whole.extend(values.map(|(value, scale)| scaled(*value, *scale).unwrap_or(0)));
        places.clear();
        let mut at = 0;
        let lists = tick.levels.iter().map(|count| (1, usize::from(*count)));
        for (head, count) in std::iter::once((0, FIELDS)).chain(lists) {
            at += head;
            places.extend((0..count).map(|value| at + value * Writer::FLOAT + 1));
            at += count * Writer::FLOAT;
        }
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

/// Bit by bit, so that zero with a sign and what is no number come back as they were.
fn same(one: f64, two: f64) -> bool {
    one.to_bits() == two.to_bits()
}

/// The value in whole fractions, if that gives it back.
#[allow(clippy::cast_possible_truncation)] // within 2^53
fn scaled(value: f64, scale: f64) -> Option<i64> {
    let whole = (value * scale).round();
    (whole.abs() < EXACT && same(unscaled(whole as i64, scale), value)).then_some(whole as i64)
}

#[allow(clippy::cast_precision_loss)] // within 2^54
fn unscaled(whole: i64, scale: f64) -> f64 {
    whole as f64 / scale
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Seven bits a byte, lowest first; the highest bit says that more follow. Times of records and
/// differences of scaled numbers stay below 2^56, so their tokens have room for two bits more.
#[allow(clippy::cast_possible_truncation)] // seven bits
fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(number);
        }
    }
    None
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (0..100_000_i32).prop_map(|cents| f64::from(cents) / 100.0),
            2 => (0..1_000_000_i32).prop_map(f64::from),
            1 => any::<f64>(),
            1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, 1e300, -0.01]),
        ]
    }

    fn tick() -> impl Strategy<Value = Tick> {
        let levels =
            prop_oneof![3 => Just([5; 4]), 1 => Just([0; 4]), 1 => prop::array::uniform4(0..16_u8)];
        (levels, any::<i32>(), any::<bool>()).prop_flat_map(|(levels, time, whole)| {
            let len = FIELDS + levels.iter().map(|count| usize::from(*count)).sum::<usize>();
            let time_us = i64::from(time) * if whole { SECOND_US } else { 1_001 };
            prop::collection::vec(value(), len).prop_map(move |values| Tick {
                time_us,
                levels,
                values,
            })
        })
    }

    proptest! {
        #[test]
        fn quotes_come_back_bit_by_bit(ticks in prop::collection::vec(tick(), 1..20)) {
            let mut bytes = Vec::new();
            let mut before = Tick::default();
            for tick in &ticks {
                tick.pack(&before, &mut bytes);
                before = tick.clone();
            }
            let mut read = Unpacker::new(&bytes);
            for tick in &ticks {
                read.advance().unwrap();
                let bits = |tick: &Tick| tick.values.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(read.tick()), bits(tick));
                prop_assert!(read.tick().is_same(tick));
                let mut row = Vec::new();
                tick.write_row(&mut row);
                prop_assert_eq!(read.row(), &row);
                prop_assert_eq!(row.len(), tick.row_len());
            }
            prop_assert!(read.rest.is_empty());
        }

        #[test]
        fn damaged_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut read = Unpacker::new(&bytes);
            while read.advance().is_some() && !read.rest.is_empty() {}
        }
    }

    #[test]
    fn a_quote_that_went_through_base_units_is_the_same() {
        let wire = |amount: f64, volume: f64| Tick {
            values: vec![8.5, 8.5, 8.5, 8.5, 8.5, amount, volume],
            ..Tick::default()
        };
        for number in 1..20_000_u32 {
            let (amount, volume) = (f64::from(number) * 7.0 * 0.0001, f64::from(number) * 0.01);
            let base = ((amount * 10_000.0), (volume * 100.0).round());
            let back = wire(base.0 / 10_000.0, base.1 / 100.0);
            assert!(back.is_same(&wire(amount, volume)), "{number}");
        }
        assert!(!wire(1.0, 100.0).is_same(&wire(1.0, 100.01)));
        assert!(wire(f64::NAN, f64::INFINITY).is_same(&wire(f64::NAN, f64::INFINITY)));
        assert!(!wire(f64::INFINITY, 1.0).is_same(&wire(1.0, 1.0)));
    }

    #[test]
    fn an_ordinary_change_takes_a_few_bytes() {
        let mut values = vec![8.49, 8.5, 8.51, 8.48, 8.5, 1234.5, 14_520.0];
        values.extend([8.49, 8.48, 8.47, 8.46, 8.45, 10.0, 20.0, 30.0, 40.0, 50.0]);
        values.extend([8.5, 8.51, 8.52, 8.53, 8.54, 10.0, 20.0, 30.0, 40.0, 50.0]);
        let before = Tick { time_us: 0, levels: [5; 4], values };
        let mut after = Tick { time_us: 3 * SECOND_US, ..before.clone() };
        (after.values[5], after.values[6], after.values[12]) = (1_243.0, 14_530.0, 15.0);
        let mut bytes = Vec::new();
        after.pack(&before, &mut bytes);
        assert!(bytes.len() <= 14, "{} bytes", bytes.len());
    }
}
