//! What is missing in the middle of a lane.
//!
//! A damaged place in the middle of a spool costs batches of which later ones are still there. When
//! their source sends them again, they must not be taken for known.

use super::lanes::{Lane, Mark};

/// Gaps that are remembered; the oldest is forgotten first.
const MOST_GAPS: usize = 256;

/// Marks of one lane between two others, which are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub lane: Lane,
    pub after: Mark,
    pub before: Mark,
}

impl Gap {
    /// The gap that one missing batch leaves.
    pub fn of_one(lane: Lane, mark: Mark) -> Self {
        Self { lane, after: mark.previous(), before: mark.following() }
    }

    fn has(&self, lane: &Lane, mark: Mark) -> bool {
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

    /// Whether a batch with that mark is missing.
    pub fn has(&self, lane: &Lane, mark: Mark) -> bool {
        self.0.iter().any(|gap| gap.has(lane, mark))
    }

    pub fn open(&mut self, gap: Gap) {
        if self.0.contains(&gap) {
            return;
        }
        if self.0.len() >= MOST_GAPS {
            self.0.remove(0);
        }
        self.0.push(gap);
    }

    /// Notes that the source has sent up to that mark again; false when it filled no gap.
    pub fn fill(&mut self, lane: &Lane, mark: Mark) -> bool {
        let mut has_filled = false;
        for gap in self.0.iter_mut().filter(|gap| gap.has(lane, mark)) {
            gap.after = mark;
            has_filled = true;
        }
        has_filled
    }

    /// Notes that this one of the missing is delivered.
    pub fn except(&mut self, lane: &Lane, mark: Mark) {
        let split = self.0.iter_mut().filter(|gap| gap.has(lane, mark)).map(|gap| {
            let rest = Gap { lane: lane.clone(), after: mark, before: gap.before };
            gap.before = mark;
            rest
        });
        let rests: Vec<_> = split.collect();
        rests.into_iter().for_each(|rest| self.open(rest));
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
        (1..10).filter(|sequence| gaps.has(&lane(), mark(*sequence))).collect()
    }

    #[test]
    fn a_gap_closes_from_its_beginning() {
        let mut gaps = Gaps::default();
        gaps.open(Gap { lane: lane(), after: mark(2), before: mark(6) });
        assert_eq!(missing(&gaps), [3, 4, 5]);
        assert!(gaps.fill(&lane(), mark(4)));
        assert_eq!(missing(&gaps), [5]);
        assert!(!gaps.fill(&lane(), mark(4)) && !gaps.fill(&Lane { epoch: 2, ..lane() }, mark(5)));
    }

    #[test]
    fn what_is_delivered_is_not_missing() {
        let mut gaps = Gaps::default();
        gaps.open(Gap { lane: lane(), after: mark(2), before: mark(6) });
        gaps.except(&lane(), mark(4));
        assert_eq!(missing(&gaps), [3, 5]);
    }

    #[test]
    fn one_missing_batch_is_a_gap_of_one() {
        let mut gaps = Gaps::default();
        gaps.open(Gap::of_one(lane(), mark(3)));
        assert_eq!(missing(&gaps), [3]);
        assert!(!gaps.has(&lane(), Mark { sequence: 3, part: 1 }));
        assert!(!gaps.has(&lane(), Mark { sequence: 2, part: 9 }));
        for _ in 0..2 * MOST_GAPS {
            gaps.open(Gap::of_one(lane(), mark(3)));
        }
        assert_eq!(gaps.iter().len(), 1);
    }
}
