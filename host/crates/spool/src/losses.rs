//! Counts what damage has lost, from the entries before and after it.

use std::ops::Range;

use super::{
    entry::Frame,
    layout::{Layout, Placed, SegmentContext},
    stretch::{Stretch, Wrong},
};

/// Damaged places of a file that are reported one by one.
const MAX_STRETCHES: usize = 100;

/// What lies between two entries.
struct Between {
    place: Range<u64>,
    /// Batches and records that are missing there, where that is known.
    lost: Option<(u64, u64)>,
    /// The number of the entry before.
    after: u64,
    /// The number of the entry after.
    before: u64,
}

impl Layout {
    /// Counts what the stretches have lost.
    pub(super) fn count_losses(&mut self, frame: Frame, context: &SegmentContext) {
        if self.is_newer {
            return;
        }
        let mean = Mean::of(&self.entries);
        for index in 0..=self.entries.len() {
            let Between { place, lost, after, before } = self.between(index, frame, context);
            if before <= context.committed.saturating_add(1) {
                // delivered before the damage
                continue;
            }
            if let Some(entry) = self.entries.get_mut(index).filter(|_| frame != Frame::Plain) {
                entry.after_damage = match lost {
                    Some((batches, _)) => batches > 0,
                    None => entry.after_damage,
                };
            }
            self.charge(place, lost, after >= context.committed, mean);
        }
        self.join_stretches();
    }

    /// What lies before the entry of that index.
    fn between(&self, index: usize, frame: Frame, context: &SegmentContext) -> Between {
        let before = index.checked_sub(1).and_then(|it| self.entries.get(it));
        let after = self.entries.get(index);
        let ends = match before {
            Some(it) => it.head.tally.map(|tally| tally.and(1, u64::from(it.head.records))),
            None => self.start,
        };
        let begins = match after {
            Some(it) => it.head.tally,
            None => context.next_start,
        };
        let lost = |from: u64, to: u64| to.saturating_sub(from);
        Between {
            place: before.map_or(frame.header().min(self.bytes), |it| it.next)
                ..after.map_or(self.bytes.max(frame.header()) + 1, |it| it.at),
            lost: ends.zip(begins).map(|(ends, begins)| {
                (lost(ends.entries, begins.entries), lost(ends.records, begins.records))
            }),
            after: before.map_or(0, |it| it.head.number),
            before: after.map_or(context.next_first.unwrap_or(u64::MAX), |it| it.head.number),
        }
    }

    /// Records the loss between two entries, all or part of which was undelivered.
    fn charge(&mut self, place: Range<u64>, lost: Option<(u64, u64)>, is_all: bool, mean: Mean) {
        let first = self.stretches.partition_point(|it| it.at < place.start);
        let is_between = |it: &Stretch| it.at < place.end && it.wrong != Wrong::Repeated;
        match lost {
            Some((0, _)) => {}
            Some((batches, records)) => {
                let here = self.stretches.get(first).filter(|it| is_between(it)).map(|_| first);
                // a duplicate was written over it
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

    /// Joins stretches at one place, and those beyond [`MAX_STRETCHES`].
    fn join_stretches(&mut self) {
        self.stretches.dedup_by(|again, kept| {
            let is_same = again.at == kept.at;
            if is_same {
                *kept = Stretch::joined(kept, again);
            }
            is_same
        });
        if self.stretches.len() > MAX_STRETCHES {
            let mut rest = self.stretches.split_off(MAX_STRETCHES - 1).into_iter();
            let joined =
                rest.next().map(|first| rest.fold(first, |all, it| Stretch::joined(&all, &it)));
            self.stretches.extend(joined);
        }
    }
}

/// Mean size of the intact entries of a file.
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

    /// Estimates what a stretch has lost.
    fn estimate(self, stretch: &mut Stretch) {
        let bytes = self.bytes.max(1);
        let batches = stretch.bytes.saturating_mul(self.count).saturating_add(bytes / 2) / bytes;
        stretch.batches = batches.max(u64::from(stretch.bytes > 0));
        stretch.records = stretch.batches.saturating_mul(self.records).div_ceil(self.count.max(1));
        stretch.is_exact = false;
    }
}
