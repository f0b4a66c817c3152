//! What a piece, and what a job has come to.

use serde::{Deserialize, Serialize};

/// Faults of sources that are kept; the others are counted by what is missing.
const MAX_FAULTS: usize = 20;
/// Longest text of one of them, characters.
const MAX_TEXT: usize = 300;

/// Records by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records that the sources gave.
    pub received: u64,
    /// Of these, what was given to the stores.
    pub written: u64,
    /// What was not asked for: other securities, times, kinds, bars that are not closed.
    pub not_asked_for: u64,
    /// What is there already: between two gaps, or from a source before.
    pub present: u64,
    /// What stands for nothing: a vendor's fillings of times for which it has no data.
    pub refused_as_padding: u64,
    /// Securities of which nothing came, each on its day.
    pub without_any: u64,
    /// What sources said, the first of each kind.
    pub faults: Vec<String>,
}

impl Tally {
    /// Adds those of another piece.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.written += other.written;
        self.not_asked_for += other.not_asked_for;
        self.present += other.present;
        self.refused_as_padding += other.refused_as_padding;
        self.without_any += other.without_any;
        other.faults.iter().for_each(|fault| self.fault(fault));
    }

    /// Keeps what a source said.
    pub fn fault(&mut self, text: &str) {
        let text: String = text.chars().take(MAX_TEXT).collect();
        if self.faults.len() < MAX_FAULTS && !self.faults.contains(&text) {
            self.faults.push(text);
        }
    }
}

/// What a job has come to. What it asked for and what is missing still are records of which the
/// ledger knows, or without one securities, each on its day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Name of the job.
    pub name: String,
    /// First day, e.g. `2026-01-05`.
    pub from: String,
    /// Last day.
    pub to: String,
    /// `spot` or `bar`.
    pub kind: String,
    /// Period of bars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// The sources that were asked, in their order.
    pub sources: Vec<String>,
    /// The stores.
    pub stores: Vec<String>,
    /// When it began, microseconds since 1970 UTC.
    pub begun_us: i64,
    /// When it ended, microseconds since 1970 UTC.
    pub ended_us: i64,
    /// What was missing before.
    pub asked: u64,
    /// What is missing still.
    pub still_missing: u64,
    /// Whether it was ended before its time.
    pub cancelled: bool,
    /// Records.
    #[serde(flatten)]
    pub tally: Tally,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sources_say_is_kept_once_and_within_bounds() {
        let mut tally = Tally::default();
        for number in 0..100 {
            tally.fault(&format!("{} {}", number % 50, "x".repeat(1_000)));
        }
        assert_eq!(tally.faults.len(), MAX_FAULTS);
        assert!(tally.faults.iter().all(|fault| fault.chars().count() == MAX_TEXT));
        let mut sum = Tally { received: 1, ..Tally::default() };
        sum.add(&Tally { received: 2, written: 3, without_any: 4, ..tally });
        assert_eq!((sum.received, sum.written, sum.without_any), (3, 3, 4));
        assert_eq!(sum.faults.len(), MAX_FAULTS);
    }

    #[test]
    fn an_outcome_has_its_counts_beside_the_rest() {
        let tally = Tally { received: 5, written: 4, refused_as_padding: 1, ..Tally::default() };
        let outcome =
            Outcome { name: "x".to_owned(), still_missing: 7, tally, ..Outcome::default() };
        let json = serde_json::to_value(&outcome).unwrap();
        for (key, value) in
            [("received", 5), ("written", 4), ("refused_as_padding", 1), ("still_missing", 7)]
        {
            assert_eq!(json[key], value, "{key}");
        }
        assert_eq!(serde_json::from_value::<Outcome>(json).unwrap(), outcome);
    }
}
