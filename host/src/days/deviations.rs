//! Notes in the ledger what components report of sources that disagree.

use ::days::{Deviation, Ledger, LedgerError};
use dataserver_engine::{telemetry::Deviating, topology::Topology};

use super::place::Place;

/// Entries that wait while the ledger cannot be written; what comes on top is left to the counters.
const MAX_WAITING: usize = 1_000;

/// Deviations that are on their way to the ledger.
#[derive(Debug, Default)]
pub struct Deviations {
    waiting: Vec<Deviating>,
    /// What was told of a ledger that cannot be written.
    told: String,
}

impl Deviations {
    /// Takes what was reported, and notes it.
    pub fn look(&mut self, topology: &Topology) {
        for status in topology.components() {
            let room = MAX_WAITING.saturating_sub(self.waiting.len());
            self.waiting.extend(status.take_deviations().into_iter().take(room));
        }
        if self.waiting.is_empty() {
            return;
        }
        let Ok(place) = Place::of(&topology.pipeline()) else {
            self.waiting.clear();
            return;
        };
        match self.write(&place) {
            Ok(()) => self.told.clear(),
            // before its first day
            Err(LedgerError::Absent(_)) => {}
            Err(error) => {
                let text = error.to_string();
                if text != self.told {
                    tracing::warn!(component = place.id, "deviations are not noted yet: {text}");
                    self.told = text;
                }
            }
        }
    }

    fn write(&mut self, place: &Place) -> Result<(), LedgerError> {
        let mut ledger = Ledger::annotate(&place.path)?;
        while let Some(Deviating { symbol, text, count, at_us }) = self.waiting.last().cloned() {
            ledger.note_deviation(&Deviation { at_us, symbol, text, count })?;
            self.waiting.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::days::{Day, Rules};

    use super::*;

    #[test]
    fn deviations_stand_in_the_account_of_their_day_with_their_sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("days.db");
        drop(Ledger::open(&path, "a test", &Rules::default()).unwrap());
        let place = Place { id: "ledger".to_owned(), path, inputs: Vec::new() };
        let day: Day = "2026-01-05".parse().unwrap();
        let one = |count| Deviating {
            symbol: "600000.SH".to_owned(),
            text: "prices of a and b are further apart".to_owned(),
            count,
            at_us: day.start_us() + 600 * 60_000_000,
        };
        let mut deviations = Deviations { waiting: vec![one(2), one(3)], told: String::new() };
        deviations.write(&place).unwrap();
        assert!(deviations.waiting.is_empty());
        let report = place.read().unwrap().day(day, one(1).at_us).unwrap();
        let found: Vec<_> = report.deviations.iter().map(|it| (&*it.symbol, it.count)).collect();
        assert_eq!(found, [("600000.SH", 5)]);
    }
}
