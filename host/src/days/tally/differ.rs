//! Where two counts of a security differ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Series;

/// A stretch of minutes of which the store has another number of records than the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// The security, as `600000.SH`.
    pub symbol: String,
    /// What differs.
    #[serde(flatten)]
    pub series: Series,
    /// First minute, as `2021-12-01T09:31+08:00`.
    pub from: String,
    /// Last minute.
    pub to: String,
    /// Records that the ledger counted in these minutes.
    pub counted: u64,
    /// Records that the store has in them.
    pub stored: u64,
}

/// Minutes one behind the other that differ in the same direction.
pub struct Run {
    /// First minute of the day.
    pub from: u16,
    /// Last minute.
    pub to: u16,
    /// Records that the ledger counted.
    pub counted: u64,
    /// Records that the store has.
    pub stored: u64,
}

impl Run {
    fn is_less(&self) -> bool {
        self.stored < self.counted
    }

    /// Records by which both differ.
    pub fn size(&self) -> u64 {
        self.stored.abs_diff(self.counted)
    }
}

/// Where two counts of a security differ.
pub fn runs(counted: &[(u16, u32)], stored: &[(u16, u32)]) -> Vec<Run> {
    let mut by_minute: BTreeMap<u16, (u32, u32)> = BTreeMap::new();
    for (minute, records) in counted {
        by_minute.entry(*minute).or_default().0 += records;
    }
    for (minute, records) in stored {
        by_minute.entry(*minute).or_default().1 += records;
    }
    let mut runs: Vec<Run> = Vec::new();
    for (minute, (counted, stored)) in
        by_minute.into_iter().filter(|(_, (one, other))| one != other)
    {
        let next = Run { from: minute, to: minute, counted: counted.into(), stored: stored.into() };
        match runs.last_mut() {
            Some(run) if run.to + 1 == minute && run.is_less() == next.is_less() => {
                run.to = minute;
                run.counted += next.counted;
                run.stored += next.stored;
            }
            _ => runs.push(next),
        }
    }
    runs
}
