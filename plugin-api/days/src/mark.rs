//! How far a writer has come in what it is offered.

/// Everything before it is counted. Batches come under numbers that grow, and after a crash the same
/// ones under the same numbers again; parts of one batch share its number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Number of the last batch; 0 before the first that had one.
    pub delivery: u64,
    /// Place behind its last record, among the records of that number.
    pub next: u64,
}

impl Mark {
    /// How many records of a batch, from the first on, are counted. `delivery` is 0 for a batch
    /// without a number, `part` the place of its first record.
    pub fn counted_of(self, delivery: u64, part: u64, records: u64) -> u64 {
        match delivery {
            0 => 0,
            _ if delivery < self.delivery => records,
            _ if delivery > self.delivery => 0,
            _ => self.next.saturating_sub(part).min(records),
        }
    }

    /// Moves behind a batch; one without a number leaves it where it is.
    pub fn pass(&mut self, delivery: u64, part: u64, records: u64) {
        if delivery > 0 {
            *self = (*self).max(Self { delivery, next: part.saturating_add(records) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_before_the_mark_is_counted() {
        let mut mark = Mark { delivery: 7, next: 15 };
        for (offered, counted) in [
            // number, part, records
            ((6, 0, 10), 10),
            ((7, 10, 5), 5),
            ((7, 10, 10), 5),
            ((7, 15, 5), 0),
            ((8, 0, 10), 0),
            ((0, 0, 10), 0),
        ] {
            let (delivery, part, records) = offered;
            assert_eq!(mark.counted_of(delivery, part, records), counted, "{offered:?}");
        }
        mark.pass(0, 99, 5);
        mark.pass(6, 99, 5);
        assert_eq!(mark, Mark { delivery: 7, next: 15 });
        mark.pass(7, 15, 5);
        assert_eq!(mark, Mark { delivery: 7, next: 20 });
        mark.pass(9, 0, 0);
        assert_eq!(mark, Mark { delivery: 9, next: 0 });
    }
}
