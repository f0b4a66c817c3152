//! What damage has cost, by what stands before and behind it.

use std::ops::Range;

use super::{
    entry::Frame,
    layout::{Around, Layout, Placed},
    stretch::{Stretch, Wrong},
};

/// Places of a file that are told one by one.
const MOST_STRETCHES: usize = 100;

impl Layout {
    /// Finds out what the stretches have cost.
    pub(super) fn count_losses(&mut self, frame: Frame, around: &Around) {
        if self.is_newer {
            return;
        }
        let (header, mean) = (frame.header(), Mean::of(&self.entries));
        for index in 0..=self.entries.len() {
            let before = index.checked_sub(1).map(|it| &self.entries[it]);
            let after = self.entries.get(index);
            let ends = match before {
                Some(it) => it.head.tally.map(|tally| tally.and(1, u64::from(it.head.records))),
                None => self.start,
            };
            let begins = match after {
                Some(it) => it.head.tally,
                None => around.next_start,
            };
            let lost = ends.zip(begins).map(|(ends, begins)| {
                let lost = |from: u64, to: u64| to.saturating_sub(from);
                (lost(ends.entries, begins.entries), lost(ends.records, begins.records))
            });
            let numbers = (
                before.map_or(0, |it| it.head.number),
                after.map_or(around.next_first.unwrap_or(u64::MAX), |it| it.head.number),
            );
            let place = before.map_or(header.min(self.bytes), |it| it.next)
                ..after.map_or(self.bytes.max(header) + 1, |it| it.at);
            if numbers.1 <= around.committed.saturating_add(1) {
                // it was delivered before
                continue;
            }
            let is_all = numbers.0 >= around.committed;
            if let Some(entry) = self.entries.get_mut(index).filter(|_| frame != Frame::Plain) {
                let is_exactly_none = lost.is_some_and(|(batches, _)| batches == 0);
                entry.after_damage &= !is_exactly_none;
                entry.after_damage |= lost.is_some_and(|(batches, _)| batches > 0);
            }
            self.charge(place, lost, is_all, mean);
        }
        self.join_stretches();
    }

    /// Notes what was lost between two entries, of which all or a part was undelivered.
    fn charge(&mut self, place: Range<u64>, lost: Option<(u64, u64)>, is_all: bool, mean: Mean) {
        let first = self.stretches.partition_point(|it| it.at < place.start);
        let is_between = |it: &Stretch| it.at < place.end && it.wrong != Wrong::Repeated;
        match lost {
            Some((0, _)) => {}
            Some((batches, records)) => {
                let here = self.stretches.get(first).filter(|it| is_between(it)).map(|_| first);
                // what is there twice took its place
                let is_other = |it: &Stretch| it.wrong == Wrong::Repeated;
                let at = here.or_else(|| self.stretches.iter().position(is_other));
                let at = at.unwrap_or_else(|| {
                    self.stretches.insert(first, Stretch::new(Wrong::CutOff, place.start, 0));
                    first
                });
                let stretch = &mut self.stretches[at];
                stretch.batches += batches;
                stretch.records += records;
                stretch.is_exact &= is_all;
            }
            None => {
                let stretches = self.stretches[first..].iter_mut();
                for stretch in stretches.take_while(|it| it.at < place.end) {
                    if matches!(stretch.wrong, Wrong::Damaged | Wrong::CutOff) {
                        mean.estimate(stretch);
                    }
                }
            }
        }
    }

    /// Joins what stands at one place, and what would be too many places to tell.
    fn join_stretches(&mut self) {
        self.stretches.dedup_by(|again, kept| {
            let is_same = again.at == kept.at;
            if is_same {
                *kept = Stretch::joined(kept, again);
            }
            is_same
        });
        if self.stretches.len() > MOST_STRETCHES {
            let mut rest = self.stretches.split_off(MOST_STRETCHES - 1).into_iter();
            let joined =
                rest.next().map(|first| rest.fold(first, |all, it| Stretch::joined(&all, &it)));
            self.stretches.extend(joined);
        }
    }
}

/// What the whole entries of a file are like.
#[derive(Clone, Copy)]
struct Mean {
    count: u64,
    bytes: u64,
    records: u64,
}

impl Mean {
    fn of(entries: &[Placed]) -> Self {
        let bytes = entries.iter().map(|it| it.next - it.at).sum();
        let records = entries.iter().map(|it| u64::from(it.head.records)).sum();
        Self { count: entries.len() as u64, bytes, records }
    }

    /// Estimates what a stretch has cost.
    fn estimate(self, stretch: &mut Stretch) {
        let batches = stretch.bytes.saturating_mul(self.count).div_ceil(self.bytes.max(1));
        stretch.batches = batches.max(u64::from(stretch.bytes > 0));
        stretch.records = stretch.batches.saturating_mul(self.records).div_ceil(self.count.max(1));
        stretch.is_exact = false;
    }
}
