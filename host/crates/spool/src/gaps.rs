//! What is missing in the middle of a lane.
//!
//! A damaged place in the middle of a spool costs batches of which later ones are still there. When
//! their source sends them again, they must not be taken for known.

use std::collections::BTreeSet;

use super::lanes::{Lane, Mark};

/// Gaps that are remembered; the oldest is forgotten first.
const MOST_GAPS: usize = 256;
/// Marks in one gap that are remembered to be there.
const MOST_THERE: usize = 1 << 14;

/// Marks of one lane between two others, which are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub lane: Lane,
    pub after: Mark,
    pub before: Mark,
    /// Of these, what is there again. Every one is remembered: damage can take any of them away.
    pub there: BTreeSet<Mark>,
}

impl Gap {
    pub fn new(lane: Lane, after: Mark, before: Mark) -> Self {
        Self { lane, after, before, there: BTreeSet::new() }
    }

    fn is_around(&self, lane: &Lane, mark: Mark) -> bool {
        self.after < mark && mark < self.before && self.lane == *lane
    }
}

/// All gaps of a spool, oldest first; hardly ever there are any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Gap> {
        self.0.iter()
    }

    /// Whether a batch with that mark was missing and is there again.
    pub fn have_again(&self, lane: &Lane, mark: Mark) -> bool {
        self.0.iter().any(|gap| gap.is_around(lane, mark) && gap.there.contains(&mark))
    }

    /// Whether a batch with that mark is missing, or was.
    pub fn are_around(&self, lane: &Lane, mark: Mark) -> bool {
        self.0.iter().any(|gap| gap.is_around(lane, mark))
    }

    pub fn open(&mut self, gap: Gap) {
        let is_same =
            |it: &Gap| (&it.lane, it.after, it.before) == (&gap.lane, gap.after, gap.before);
        if self.0.iter().any(is_same) {
            return;
        }
        if self.0.len() >= MOST_GAPS {
            self.0.remove(0);
        }
        self.0.push(gap);
    }

    /// Notes that this one is there.
    pub fn fill(&mut self, lane: &Lane, mark: Mark) {
        for gap in self.0.iter_mut().filter(|gap| gap.is_around(lane, mark)) {
            if gap.there.len() >= MOST_THERE {
                gap.there.pop_first();
            }
            gap.there.insert(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Lane {
        Lane { writer: "clean".to_owned(), source: "day".to_owned(), epoch: 1 }
    }

    fn mark(sequence: u64) -> Mark {
        Mark { sequence, part: 0 }
    }

    fn missing(gaps: &Gaps) -> Vec<u64> {
        let is_missing = |sequence: &u64| {
            let mark = mark(*sequence);
            gaps.are_around(&lane(), mark) && !gaps.have_again(&lane(), mark)
        };
        (1..10).filter(is_missing).collect()
    }

    #[test]
    fn what_is_there_again_is_not_missing() {
        let mut gaps = Gaps::default();
        gaps.open(Gap::new(lane(), mark(2), mark(8)));
        assert_eq!(missing(&gaps), [3, 4, 5, 6, 7]);
        gaps.fill(&lane(), mark(6));
        gaps.fill(&lane(), mark(4));
        gaps.fill(&Lane { epoch: 2, ..lane() }, mark(7));
        assert_eq!(missing(&gaps), [3, 5, 7]);
        gaps.open(Gap::new(lane(), mark(2), mark(8)));
        assert_eq!((gaps.iter().len(), missing(&gaps)), (1, vec![3, 5, 7]));
    }

    #[test]
    fn the_oldest_gaps_are_forgotten() {
        let mut gaps = Gaps::default();
        for sequence in 1..=MOST_GAPS as u64 + 2 {
            gaps.open(Gap::new(lane(), mark(sequence).previous(), mark(sequence).following()));
        }
        assert_eq!((gaps.iter().len(), missing(&gaps)), (MOST_GAPS, vec![3, 4, 5, 6, 7, 8, 9]));
    }
}
