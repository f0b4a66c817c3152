//! How far a writer has come in what it is offered.
//!
//! The host offers batches under numbers that grow, and after a crash the same ones under the same
//! numbers again. Parts of one batch share its number; their records stand at places of their own.

use plugin_api::Batch;

/// Everything before it is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Number of the last batch; 0 before the first that had one.
    pub delivery: u64,
    /// Place behind its last record, among the records of that number.
    pub next: u64,
}

impl Mark {
    /// How many of a batch's records, from the first on, are taken; none of one without a number.
    pub fn taken_of(self, batch: &Batch) -> u64 {
        let records = u64::from(batch.records());
        match batch.lasting_delivery() {
            0 => 0,
            delivery if delivery < self.delivery => records,
            delivery if delivery > self.delivery => 0,
            _ => self.next.saturating_sub(batch.provenance().part).min(records),
        }
    }

    /// Moves behind a batch; one without a number leaves it where it is.
    pub fn pass(&mut self, batch: &Batch) {
        if batch.lasting_delivery() > 0 {
            let next = batch.provenance().part + u64::from(batch.records());
            *self = (*self).max(Self { delivery: batch.lasting_delivery(), next });
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, testing::spot_batch};

    use super::*;

    fn batch(delivery: u64, part: u64, records: usize) -> Batch {
        spot_batch(records, Round::MIDDLE).numbered(1, 1, part).with_delivery(delivery)
    }

    #[test]
    fn what_lies_before_the_mark_is_taken() {
        let mark = Mark { delivery: 7, next: 15 };
        for (offered, taken) in [
            // number, part, records
            ((6, 0, 10), 10),
            ((7, 10, 5), 5),
            ((7, 10, 10), 5), // the whole of which a half was taken
            ((7, 15, 5), 0),
            ((7, 20, 5), 0),
            ((8, 0, 10), 0),
            ((0, 0, 10), 0),
        ] {
            let (delivery, part, records) = offered;
            assert_eq!(mark.taken_of(&batch(delivery, part, records)), taken, "{offered:?}");
        }
    }

    #[test]
    fn the_mark_moves_behind_a_batch_and_never_back() {
        let mut mark = Mark::default();
        for (offered, expected) in [
            ((7, 10, 5), (7, 15)),
            ((7, 15, 5), (7, 20)),
            ((7, 10, 5), (7, 20)),
            ((0, 99, 5), (7, 20)),
            ((6, 99, 5), (7, 20)),
            ((9, 0, 0), (9, 0)),
        ] {
            mark.pass(&batch(offered.0, offered.1, offered.2));
            assert_eq!((mark.delivery, mark.next), expected, "{offered:?}");
        }
    }
}
