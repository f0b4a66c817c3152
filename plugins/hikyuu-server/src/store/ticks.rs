//! The quotes of one security, packed in blocks, in the order of their time.

use std::sync::Arc;

use plugin_api::schemas::time::{ExchangeTime, SECOND_US};

use super::tick::{Tick, Unpacker};

/// Quotes after which a new block begins.
const BLOCK: u32 = 128;
/// Bytes of a datetime in an answer, without and with a fraction.
const DATETIME: [usize; 2] = [20, 27];

/// Packed quotes of one day.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Day on the exchange's calendar, counted from 1970-01-01.
    pub day: i64,
    /// Time of the first and of the last quote, microseconds since 1970 UTC.
    pub first_us: i64,
    /// As `first_us`.
    pub last_us: i64,
    /// Number of quotes.
    pub ticks: u32,
    /// Bytes that they take in an answer.
    pub answer_len: usize,
    /// The first quote stands behind an empty one.
    pub packed: Vec<u8>,
}

impl Block {
    /// Memory that it takes, bytes.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.packed.capacity()
    }

    /// Reads the quotes, one after the other, each with its row of an answer.
    pub fn for_each_row(&self, mut each: impl FnMut(&Tick, &[u8])) {
        let mut unpacker = Unpacker::new(&self.packed);
        for _ in 0..self.ticks {
            // never of what this program packed
            let Some(()) = unpacker.advance() else { return };
            each(unpacker.tick(), unpacker.row());
        }
    }

    /// Reads the quotes, one after the other.
    pub fn for_each(&self, mut each: impl FnMut(&Tick)) {
        self.for_each_row(|tick, _| each(tick));
    }

    fn push(&mut self, tick: &Tick, before: &Tick) {
        if self.ticks == 0 {
            self.first_us = tick.time_us;
            self.day = day_of(tick.time_us);
            tick.pack(&Tick::default(), &mut self.packed);
        } else {
            tick.pack(before, &mut self.packed);
        }
        self.last_us = tick.time_us;
        self.ticks += 1;
        self.answer_len += answer_len_of(tick);
    }

    fn of(ticks: &[Tick]) -> Self {
        let mut block = Self::default();
        let mut before = &Tick::default();
        for tick in ticks {
            block.push(tick, before);
            before = tick;
        }
        block.packed.shrink_to_fit();
        block
    }
}

/// The day of a moment on the exchange's calendar, counted from 1970-01-01.
pub fn day_of(time_us: i64) -> i64 {
    ExchangeTime::from_utc_us(time_us).day
}

/// Bytes of a quote in an answer.
fn answer_len_of(tick: &Tick) -> usize {
    1 + DATETIME[usize::from(tick.time_us % SECOND_US != 0)] + tick.row_len()
}

/// What became of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    New,
    /// The very same quote was kept before.
    Known,
}

/// All kept quotes of a security.
#[derive(Debug, Default)]
pub struct Ticks {
    blocks: Vec<Arc<Block>>,
    /// Memory that the blocks take, bytes.
    size: usize,
    /// The last one, behind which the next is packed.
    last: Tick,
}

impl Ticks {
    /// The blocks, in order. A copy of the list stays as it is when more quotes come.
    pub fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    /// Memory that the blocks take, bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of quotes.
    pub fn len(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.ticks)).sum()
    }

    /// Puts a quote at its place, behind those of the same time.
    pub fn insert(&mut self, tick: &Tick) -> Kept {
        let Some(newest) = self.blocks.last_mut() else {
            self.begin(tick);
            return Kept::New;
        };
        if tick.is_same(&self.last) {
            return Kept::Known;
        }
        if tick.time_us <= newest.last_us {
            return self.insert_late(tick);
        }
        let goes_on = newest.ticks < BLOCK && day_of(tick.time_us) == newest.day;
        self.size -= newest.size();
        let block = Arc::make_mut(newest);
        if goes_on {
            block.push(tick, &self.last);
            self.last.clone_from(tick);
        } else {
            block.packed.shrink_to_fit();
        }
        self.size += block.size();
        if !goes_on {
            self.begin(tick);
        }
        Kept::New
    }

    fn begin(&mut self, tick: &Tick) {
        let block = Block::of(std::slice::from_ref(tick));
        self.size += block.size();
        self.blocks.push(Arc::new(block));
        self.last.clone_from(tick);
    }

    /// A quote that is not the newest: the block that it belongs to is packed anew.
    fn insert_late(&mut self, tick: &Tick) -> Kept {
        // those of the same time may lie in several blocks
        let earliest = self.blocks.partition_point(|block| block.last_us < tick.time_us);
        let after = self.blocks.partition_point(|block| block.first_us <= tick.time_us);
        for block in &self.blocks[earliest..after] {
            let mut is_known = false;
            block.for_each(|kept| is_known |= kept.is_same(tick));
            if is_known {
                return Kept::Known;
            }
        }
        let day = day_of(tick.time_us);
        let place = after.saturating_sub(1);
        // a block is of one day
        let place = match self.blocks.get(place) {
            Some(block) if block.day == day => place,
            _ if self.blocks.get(after).is_some_and(|block| block.day == day) => after,
            _ => {
                self.blocks.insert(after, Arc::new(Block::of(std::slice::from_ref(tick))));
                self.settle();
                return Kept::New;
            }
        };
        let mut ticks = Vec::new();
        self.blocks[place].for_each(|kept| ticks.push(kept.clone()));
        let at = ticks.partition_point(|kept| kept.time_us <= tick.time_us);
        ticks.insert(at, tick.clone());
        if ticks.len() > 2 * BLOCK as usize {
            let second = ticks.split_off(BLOCK as usize);
            self.blocks.insert(place + 1, Arc::new(Block::of(&second)));
        }
        self.blocks[place] = Arc::new(Block::of(&ticks));
        self.settle();
        Kept::New
    }

    /// Puts blocks from elsewhere in, quote by quote where they overlap with what is here.
    pub fn merge(&mut self, block: Block) {
        match self.blocks.last() {
            Some(newest) if newest.last_us >= block.first_us => {
                block.for_each(|tick| {
                    self.insert(tick);
                });
            }
            _ => {
                self.blocks.push(Arc::new(block));
                self.settle();
            }
        }
    }

    /// Forgets the days before that one.
    pub fn evict_before(&mut self, day: i64) {
        let gone = self.blocks.partition_point(|block| block.day < day);
        self.blocks.drain(..gone);
        self.settle();
    }

    /// Forgets one day.
    pub fn evict_day(&mut self, day: i64) {
        self.blocks.retain(|block| block.day != day);
        self.settle();
    }

    /// Forgets the oldest block unless it is the only one; returns its quotes.
    pub fn evict_oldest_blocks(&mut self) -> u64 {
        if self.blocks.len() < 2 {
            return 0;
        }
        let oldest = self.blocks.remove(0);
        self.size -= oldest.size();
        u64::from(oldest.ticks)
    }

    /// After the blocks were changed other than at their end.
    fn settle(&mut self) {
        self.size = self.blocks.iter().map(|block| block.size()).sum();
        if let Some(block) = self.blocks.last() {
            let last = &mut self.last;
            block.for_each(|tick| last.clone_from(tick));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tick::FIELDS, *};

    fn tick(second: i64, price: f64) -> Tick {
        let mut values = vec![price; FIELDS];
        values.extend([price; 4]);
        Tick { time_us: second * SECOND_US, levels: [1; 4], values }
    }

    fn all(ticks: &Ticks) -> Vec<Tick> {
        let mut all = Vec::new();
        ticks.blocks().iter().for_each(|block| block.for_each(|tick| all.push(tick.clone())));
        all
    }

    /// The packed bytes hold what the rest of the block says.
    fn check(block: &Block) {
        let (mut ticks, mut answer_len, mut last_us) = (0, 0, block.first_us);
        block.for_each(|tick| {
            assert!(last_us <= tick.time_us && day_of(tick.time_us) == block.day);
            last_us = tick.time_us;
            answer_len += answer_len_of(tick);
            ticks += 1;
        });
        assert_eq!((ticks, answer_len, last_us), (block.ticks, block.answer_len, block.last_us));
    }

    proptest! {
        /// Against a plain list, over several days and with many late and repeated ones.
        #[test]
        fn quotes_lie_in_the_order_of_their_time_and_none_is_kept_twice(
            given in prop::collection::vec((0..400_i64, 0..3_i64, 0..4_i32), 0..700),
        ) {
            let mut ticks = Ticks::default();
            let mut model: Vec<Tick> = Vec::new();
            for (second, day, price) in given {
                let tick = tick(day * 86_400 + second, f64::from(price));
                let is_known = model.contains(&tick);
                let kept = ticks.insert(&tick);
                prop_assert_eq!(kept == Kept::Known, is_known);
                if !is_known {
                    let at = model.partition_point(|kept| kept.time_us <= tick.time_us);
                    model.insert(at, tick);
                }
            }
            prop_assert_eq!(all(&ticks), model.clone());
            prop_assert_eq!(ticks.len(), model.len() as u64);
            let size: usize = ticks.blocks().iter().map(|block| block.size()).sum();
            prop_assert_eq!(ticks.size(), size);
            ticks.blocks().iter().for_each(|block| check(block));
        }
    }

    #[test]
    fn days_are_forgotten_as_a_whole() {
        let mut ticks = Ticks::default();
        for second in [0, 1, 86_400, 86_401, 172_800] {
            ticks.insert(&tick(second, 1.0));
        }
        ticks.evict_before(1);
        assert_eq!(all(&ticks).len(), 3);
        assert_eq!(ticks.evict_oldest_blocks(), 2);
        assert_eq!(ticks.evict_oldest_blocks(), 0, "the newest stays");
        assert_eq!(ticks.insert(&tick(172_800, 1.0)), Kept::Known);
    }

    #[test]
    fn a_list_of_blocks_stays_as_it_was_while_quotes_come() {
        let mut ticks = Ticks::default();
        ticks.insert(&tick(0, 1.0));
        let before = ticks.blocks().to_vec();
        ticks.insert(&tick(1, 1.0));
        assert_eq!((before[0].ticks, ticks.blocks()[0].ticks), (1, 2));
    }

    #[test]
    fn blocks_from_elsewhere_come_before_or_among_what_is_here() {
        let mut elsewhere = Ticks::default();
        (0..300).for_each(|second| {
            elsewhere.insert(&tick(second, 1.0));
        });
        let mut ticks = Ticks::default();
        ticks.insert(&tick(250, 1.0));
        ticks.insert(&tick(400, 2.0));
        for block in elsewhere.blocks() {
            ticks.merge(Block::clone(block));
        }
        assert_eq!(all(&ticks).len(), 301);
        let mut empty = Ticks::default();
        for block in elsewhere.blocks() {
            empty.merge(Block::clone(block));
        }
        assert_eq!(all(&empty), all(&elsewhere));
        assert_eq!(empty.insert(&tick(299, 1.0)), Kept::Known);
    }
}
