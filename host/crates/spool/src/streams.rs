//! Progress of each stream of numbered batches.
//!
//! After a crash a source resends what was not confirmed. Its sequence numbers only grow, so a
//! batch that is not above the last one is a duplicate.

use std::collections::HashMap;

use plugin_api::Batch;

/// Streams that are remembered; the least recently used one is forgotten first.
const MAX_STREAMS: usize = 256;

/// A stream with growing sequence numbers: one epoch of one source, by one writer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ProducerStream {
    /// Component that writes into the spool: batches of a source may arrive by several routes.
    pub writer: String,
    /// Component that the batches come from.
    pub source: String,
    /// Epoch of the source's numbers.
    pub epoch: u64,
}

impl ProducerStream {
    /// The stream of a batch from that writer.
    pub fn of(writer: &str, batch: &Batch) -> Self {
        let provenance = batch.provenance();
        let source = provenance.source().to_owned();
        Self { writer: writer.to_owned(), source, epoch: provenance.epoch }
    }
}

/// Sequence number of a batch in its stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SeqNo {
    pub sequence: u64,
    pub part: u64,
}

impl SeqNo {
    pub fn of(batch: &Batch) -> Self {
        let provenance = batch.provenance();
        Self { sequence: provenance.sequence, part: provenance.part }
    }

    /// Unnumbered batches cannot be recognised.
    pub fn is_numbered(self) -> bool {
        self.sequence > 0
    }

    /// The number right before this one.
    pub fn previous(self) -> Self {
        match self.part.checked_sub(1) {
            Some(part) => Self { part, ..self },
            None => Self { sequence: self.sequence.saturating_sub(1), part: u64::MAX },
        }
    }

    /// The number right after this one.
    pub fn next(self) -> Self {
        match self.part.checked_add(1) {
            Some(part) => Self { part, ..self },
            None => Self { sequence: self.sequence.saturating_add(1), part: 0 },
        }
    }
}

/// The last sequence number of every stream.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamTable {
    last: HashMap<ProducerStream, (SeqNo, u64)>,
    /// Grows with every use.
    clock: u64,
}

impl StreamTable {
    /// Whether that number is not above the last one of its stream.
    pub fn has_seen(&self, stream: &ProducerStream, seq: SeqNo) -> bool {
        seq.is_numbered() && self.last.get(stream).is_some_and(|(last, _)| seq <= *last)
    }

    /// Notes a number, unless the stream is further already.
    pub fn advance(&mut self, stream: &ProducerStream, seq: SeqNo) {
        if !seq.is_numbered() {
            return;
        }
        self.clock += 1;
        match self.last.get_mut(stream) {
            Some((last, used)) => (*last, *used) = ((*last).max(seq), self.clock),
            None => {
                self.forget_one_if_full();
                self.last.insert(stream.clone(), (seq, self.clock));
            }
        }
    }

    /// Every stream with its last number, the most recently used one at the end.
    pub fn by_use(&self) -> Vec<(&ProducerStream, SeqNo)> {
        let mut all: Vec<_> = self.last.iter().collect();
        all.sort_by_key(|(_, (_, used))| *used);
        all.into_iter().map(|(stream, (seq, _))| (stream, *seq)).collect()
    }

    fn forget_one_if_full(&mut self) {
        if self.last.len() >= MAX_STREAMS {
            let oldest = self.last.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) {
                self.last.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(source: &str, epoch: u64) -> ProducerStream {
        ProducerStream { writer: "clean".to_owned(), source: source.to_owned(), epoch }
    }

    fn seq(sequence: u64, part: u64) -> SeqNo {
        SeqNo { sequence, part }
    }

    #[test]
    fn what_is_not_above_the_last_mark_is_known() {
        let mut streams = StreamTable::default();
        streams.advance(&stream("day", 1), seq(5, 10));
        for (asked, known) in [((4, 99), true), ((5, 10), true), ((5, 11), false), ((6, 0), false)]
        {
            assert_eq!(
                streams.has_seen(&stream("day", 1), seq(asked.0, asked.1)),
                known,
                "{asked:?}"
            );
        }
        assert!(!streams.has_seen(&stream("day", 2), seq(1, 0)), "another counting");
        assert!(!streams.has_seen(&stream("night", 1), seq(1, 0)), "another source");
    }

    #[test]
    fn unnumbered_batches_are_never_known() {
        let mut streams = StreamTable::default();
        streams.advance(&stream("day", 1), seq(0, 0));
        assert!(!streams.has_seen(&stream("day", 1), seq(0, 0)));
        assert_eq!(streams.by_use(), []);
    }

    #[test]
    fn the_lane_that_rested_longest_is_forgotten() {
        let mut streams = StreamTable::default();
        for epoch in 0..=MAX_STREAMS as u64 {
            streams.advance(&stream("day", 0), seq(epoch + 1, 0));
            streams.advance(&stream("day", epoch + 1), seq(1, 0));
        }
        assert_eq!(streams.by_use().len(), MAX_STREAMS);
        assert!(!streams.has_seen(&stream("day", 1), seq(1, 0)));
        assert!(
            streams.has_seen(&stream("day", 0), seq(1, 0))
                && streams.has_seen(&stream("day", 5), seq(1, 0))
        );
    }
}
