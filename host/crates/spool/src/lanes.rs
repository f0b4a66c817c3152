//! How far each stream of numbered batches has come.
//!
//! A source that can go back after a crash sends again what it is not sure of. Its numbers only
//! grow, so whatever is not above the last one is here already.

use std::collections::HashMap;

use plugin_api::Batch;

/// Streams that are remembered; the one that rested longest is forgotten first.
const MOST_LANES: usize = 256;

/// A stream of batches whose numbers grow: one counting of one source, by one way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    /// Component that writes into the spool: a source may come by several ways.
    pub writer: String,
    /// Component that the batches come from.
    pub source: String,
    /// The counting.
    pub epoch: u64,
}

impl Lane {
    /// The lane of a batch from that writer.
    pub fn of(writer: &str, batch: &Batch) -> Self {
        let provenance = batch.provenance();
        let source = provenance.source().to_owned();
        Self { writer: writer.to_owned(), source, epoch: provenance.epoch }
    }
}

/// Place of a batch in its lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark {
    pub sequence: u64,
    pub part: u64,
}

impl Mark {
    pub fn of(batch: &Batch) -> Self {
        let provenance = batch.provenance();
        Self { sequence: provenance.sequence, part: provenance.part }
    }

    /// What nobody numbered cannot be recognised.
    pub fn is_numbered(self) -> bool {
        self.sequence > 0
    }

    /// The mark right before this one.
    pub fn previous(self) -> Self {
        match self.part.checked_sub(1) {
            Some(part) => Self { part, ..self },
            None => Self { sequence: self.sequence.saturating_sub(1), part: u64::MAX },
        }
    }

    /// The mark right after this one.
    pub fn following(self) -> Self {
        match self.part.checked_add(1) {
            Some(part) => Self { part, ..self },
            None => Self { sequence: self.sequence.saturating_add(1), part: 0 },
        }
    }
}

/// The last mark of every lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes {
    last: HashMap<Lane, (Mark, u64)>,
    /// Grows with every use.
    clock: u64,
}

impl Lanes {
    /// Whether that mark is not above the last one of its lane.
    pub fn has(&self, lane: &Lane, mark: Mark) -> bool {
        mark.is_numbered() && self.last.get(lane).is_some_and(|(last, _)| mark <= *last)
    }

    /// Notes a mark, unless the lane has come further already.
    pub fn raise(&mut self, lane: &Lane, mark: Mark) {
        if !mark.is_numbered() {
            return;
        }
        self.clock += 1;
        match self.last.get_mut(lane) {
            Some((last, used)) => (*last, *used) = ((*last).max(mark), self.clock),
            None => {
                self.forget_one_if_full();
                self.last.insert(lane.clone(), (mark, self.clock));
            }
        }
    }

    /// Every lane with its last mark, the one used last at the end.
    pub fn by_use(&self) -> Vec<(&Lane, Mark)> {
        let mut all: Vec<_> = self.last.iter().collect();
        all.sort_by_key(|(_, (_, used))| *used);
        all.into_iter().map(|(lane, (mark, _))| (lane, *mark)).collect()
    }

    fn forget_one_if_full(&mut self) {
        if self.last.len() >= MOST_LANES {
            let oldest = self.last.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(lane, _)| lane.clone()) {
                self.last.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(source: &str, epoch: u64) -> Lane {
        Lane { writer: "clean".to_owned(), source: source.to_owned(), epoch }
    }

    fn mark(sequence: u64, part: u64) -> Mark {
        Mark { sequence, part }
    }

    #[test]
    fn what_is_not_above_the_last_mark_is_known() {
        let mut lanes = Lanes::default();
        lanes.raise(&lane("day", 1), mark(5, 10));
        for (asked, known) in [((4, 99), true), ((5, 10), true), ((5, 11), false), ((6, 0), false)]
        {
            assert_eq!(lanes.has(&lane("day", 1), mark(asked.0, asked.1)), known, "{asked:?}");
        }
        assert!(!lanes.has(&lane("day", 2), mark(1, 0)), "another counting");
        assert!(!lanes.has(&lane("night", 1), mark(1, 0)), "another source");
    }

    #[test]
    fn unnumbered_batches_are_never_known() {
        let mut lanes = Lanes::default();
        lanes.raise(&lane("day", 1), mark(0, 0));
        assert!(!lanes.has(&lane("day", 1), mark(0, 0)));
        assert_eq!(lanes.by_use(), []);
    }

    #[test]
    fn the_lane_that_rested_longest_is_forgotten() {
        let mut lanes = Lanes::default();
        for epoch in 0..=MOST_LANES as u64 {
            lanes.raise(&lane("day", 0), mark(epoch + 1, 0));
            lanes.raise(&lane("day", epoch + 1), mark(1, 0));
        }
        assert_eq!(lanes.by_use().len(), MOST_LANES);
        assert!(!lanes.has(&lane("day", 1), mark(1, 0)));
        assert!(lanes.has(&lane("day", 0), mark(1, 0)) && lanes.has(&lane("day", 5), mark(1, 0)));
    }
}
