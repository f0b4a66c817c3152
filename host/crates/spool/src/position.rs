//! The position of a spool: what is delivered, and what is in flight.

use std::collections::BTreeMap;

use super::{
    gaps::Gaps,
    streams::{ProducerStream, SeqNo, StreamTable},
};

/// A batch that was offered to the sink and is not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    /// Batches offered in one call share it; 0 for one that was committed without being offered.
    pub group: u64,
    pub stream: ProducerStream,
    pub seq: SeqNo,
    /// It is delivered, but not all before it are.
    pub done: bool,
}

/// What outlives the host. It is changed by [`offer`](Self::offer) and [`commit`](Self::commit)
/// alone, which the [journal](super::journal) repeats at the next start.
#[derive(Debug, Clone, Default)]
pub(super) struct Position {
    /// Everything up to that number is delivered.
    pub committed: u64,
    /// The last number that a sink has seen; numbers up to there are not reused.
    pub floor: u64,
    /// Last delivered number of each stream.
    pub streams: StreamTable,
    /// Gaps in streams, left by damage.
    pub gaps: Gaps,
    /// What is in flight, by number.
    pub offered: BTreeMap<u64, Offered>,
}

impl Position {
    /// Notes a batch that is offered to the sink.
    pub fn offer(&mut self, number: u64, offered: Offered) {
        self.floor = self.floor.max(number);
        self.offered.insert(number, offered);
    }

    /// Notes deliveries, and that everything up to `committed` is delivered.
    pub fn commit(&mut self, done: &[u64], committed: u64) {
        for number in done {
            if let Some(offered) = self.offered.get_mut(number) {
                offered.done = true;
            }
        }
        self.committed = self.committed.max(committed);
        self.floor = self.floor.max(committed);
        while let Some(first) = self.offered.first_entry().filter(|it| *it.key() <= committed) {
            let offered = first.remove();
            if offered.done && self.gaps.covers(&offered.stream, offered.seq) {
                self.gaps.fill(&offered.stream, offered.seq);
            } else if offered.done {
                self.streams.advance(&offered.stream, offered.seq);
            }
        }
    }

    /// Whether that batch is delivered.
    pub fn is_done(&self, number: u64) -> bool {
        number <= self.committed || self.offered.get(&number).is_some_and(|it| it.done)
    }
}
