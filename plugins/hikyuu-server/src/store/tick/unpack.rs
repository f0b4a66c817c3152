//! Unpacking quotes, as they stand in an answer.

use plugin_api::schemas::time::SECOND_US;

use super::{
    FIELDS, MOST_LEVELS, Tick,
    numbers::{scaled, take, take_number, unscaled, unzigzag},
};
use crate::msgpack::Writer;

/// Unpacks quotes, each from the one before it, and keeps what they stand for in an answer.
#[derive(Debug)]
pub struct Unpacker<'b> {
    pub(super) rest: &'b [u8],
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
