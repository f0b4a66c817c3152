//! Gaps in streams.
//!
//! Damage in the middle of a spool loses batches that are followed by intact ones. When their
//! source resends them, they must not be taken for duplicates.

use std::collections::BTreeSet;

use super::streams::{ProducerStream, SeqNo};

/// Gaps that are remembered; the oldest is forgotten first.
const MAX_GAPS: usize = 256;
/// Refilled numbers of one gap that are remembered.
const MAX_REFILLED: usize = 1 << 14;

/// Numbers of one stream between two others, both exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub stream: ProducerStream,
    pub after: SeqNo,
    pub before: SeqNo,
    /// Those that were resent. Each is remembered, because later damage can lose any of them.
    pub refilled: BTreeSet<SeqNo>,
}

impl Gap {
    pub fn new(stream: ProducerStream, after: SeqNo, before: SeqNo) -> Self {
        Self { stream, after, before, refilled: BTreeSet::new() }
    }

    fn covers(&self, stream: &ProducerStream, seq: SeqNo) -> bool {
        self.after < seq && seq < self.before && self.stream == *stream
    }
}

/// All gaps of a spool, oldest first; usually none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Gap> {
        self.0.iter()
    }

    /// Whether the batch with that number was missing and was resent.
    pub fn is_refilled(&self, stream: &ProducerStream, seq: SeqNo) -> bool {
        self.0.iter().any(|gap| gap.covers(stream, seq) && gap.refilled.contains(&seq))
    }

    /// Whether the batch with that number is missing, or was.
    pub fn covers(&self, stream: &ProducerStream, seq: SeqNo) -> bool {
        self.0.iter().any(|gap| gap.covers(stream, seq))
    }

    pub fn open(&mut self, gap: Gap) {
        let is_same =
            |it: &Gap| (&it.stream, it.after, it.before) == (&gap.stream, gap.after, gap.before);
        if self.0.iter().any(is_same) {
            return;
        }
        if self.0.len() >= MAX_GAPS {
            self.0.remove(0);
        }
        self.0.push(gap);
    }

    /// Notes that this one was resent.
    pub fn fill(&mut self, stream: &ProducerStream, seq: SeqNo) {
        for gap in self.0.iter_mut().filter(|gap| gap.covers(stream, seq)) {
            if gap.refilled.len() >= MAX_REFILLED {
                gap.refilled.pop_first();
            }
            gap.refilled.insert(seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> ProducerStream {
        ProducerStream { writer: "clean".to_owned(), source: "day".to_owned(), epoch: 1 }
    }

    fn seq(sequence: u64) -> SeqNo {
        SeqNo { sequence, part: 0 }
    }

    fn missing(gaps: &Gaps) -> Vec<u64> {
        let is_missing = |sequence: &u64| {
            let seq = seq(*sequence);
            gaps.covers(&stream(), seq) && !gaps.is_refilled(&stream(), seq)
        };
        (1..10).filter(is_missing).collect()
    }

    #[test]
    fn what_is_there_again_is_not_missing() {
        let mut gaps = Gaps::default();
        gaps.open(Gap::new(stream(), seq(2), seq(8)));
        assert_eq!(missing(&gaps), [3, 4, 5, 6, 7]);
        gaps.fill(&stream(), seq(6));
        gaps.fill(&stream(), seq(4));
        gaps.fill(&ProducerStream { epoch: 2, ..stream() }, seq(7));
        assert_eq!(missing(&gaps), [3, 5, 7]);
        gaps.open(Gap::new(stream(), seq(2), seq(8)));
        assert_eq!((gaps.iter().len(), missing(&gaps)), (1, vec![3, 5, 7]));
    }

    #[test]
    fn the_oldest_gaps_are_forgotten() {
        let mut gaps = Gaps::default();
        for sequence in 1..=MAX_GAPS as u64 + 2 {
            gaps.open(Gap::new(stream(), seq(sequence).previous(), seq(sequence).next()));
        }
        assert_eq!((gaps.iter().len(), missing(&gaps)), (MAX_GAPS, vec![3, 4, 5, 6, 7, 8, 9]));
    }
}
