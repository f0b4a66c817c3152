//! The ledger: what came of each day, and what is missing.

mod day;
mod error;
mod report;

use std::path::Path;

pub use day::Day;
pub use error::LedgerError;
pub use report::{
    Backfill, DayReport, DaySummary, Deviation, Gap, Outage, Rounds, SecurityDay, Stretch, SumFault,
    Verdict,
};

/// An open ledger.
#[derive(Debug)]
pub struct Ledger;

#[allow(unused_variables, clippy::missing_errors_doc, missing_docs, clippy::todo)]
impl Ledger {
    /// To count what comes: makes the file, holds its lock.
    pub fn open(path: &Path) -> Result<Self, LedgerError> { todo!() }
    /// To read, also while a writer writes.
    pub fn read(path: &Path) -> Result<Self, LedgerError> { todo!() }
    /// To note outages, backfills and deviations, also while a writer writes; makes no file.
    pub fn annotate(path: &Path) -> Result<Self, LedgerError> { todo!() }
    /// First and last day of which something is known.
    pub fn span(&self) -> Result<Option<(Day, Day)>, LedgerError> { todo!() }
    /// Every day from the first to the last, both included, also those of which nothing is known.
    pub fn calendar(&self, from: Day, to: Day, now_us: i64) -> Result<Vec<DaySummary>, LedgerError> { todo!() }
    /// A day with its gaps.
    pub fn day(&self, day: Day, now_us: i64) -> Result<DayReport, LedgerError> { todo!() }
    /// What is known of each security of a day, by symbol.
    pub fn securities(&self, day: Day) -> Result<Vec<SecurityDay>, LedgerError> { todo!() }
    pub fn note_outage(&mut self, from_us: i64, to_us: i64, why: &str) -> Result<(), LedgerError> { todo!() }
    pub fn note_backfill(&mut self, first: Day, last: Day, backfill: &Backfill) -> Result<(), LedgerError> { todo!() }
    pub fn note_deviation(&mut self, deviation: &Deviation) -> Result<(), LedgerError> { todo!() }
}
