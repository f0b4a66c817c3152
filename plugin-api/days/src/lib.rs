//! The ledger: what came of each day, and what is missing.
//!
//! One SQLite file, written by the `ledger` sink, read by everybody else. For every minute it has a row
//! of cells, one for each security: quotes that came, the first and the last second, how many failed a
//! rule of quality, which sources they came from, and the volume of the day until then; the same for
//! bars of each period. What is missing is not written down but found when it is asked for, so a record
//! that comes late, by a backfill, closes its gap by itself.
//!
//! # What a complete day is
//!
//! **Expected** is the universe that the sink was given, or else every security that came on this day
//! or on the last complete one of the three days before it. A security that was quoted with the close of
//! the day before and had neither a first price nor a volume by 9:31 does not trade and is not expected,
//! nor is one of which nothing came after 9:25, without either, while most others were quoted after 9:31,
//! nor is one that was such on the day before and of which nothing came.
//!
//! **Quotes.** In every minute of the sessions (9:30 to 11:30, 13:00 to 15:00) every expected security
//! owes at least one quote. That it did not change is no excuse: a source that goes round gives it again,
//! and exchanges publish at least that often what is traded at all. Where thin securities may be silent
//! for longer, `expect_minutes` says how long. A quote speaks for the minute of its exchange time; of a
//! source that goes round, one that is older than a minute when it is received speaks for the minute in
//! which it was received, for then the security is quiet and the answer is the evidence. In the opening auction (9:15 to
//! 9:25) only the market as a whole owes a quote a minute, as single securities are silent there.
//!
//! **Rounds.** Within the continuous trading (until 14:57) the time from one round to the next is about
//! the same all day, its median, and at least three seconds, as exchanges publish Level-1 quotes at
//! that pace. A time of more than one and a half of it lacks a round, which is a gap of the market in
//! that minute. Rounds are those that sources mark; without marks, every second in which anything came
//! is one. A round is placed to half an interval. Where most of the securities lack the whole minute, their
//! rounds are missing with them, which is not told again.
//!
//! **The market.** What less than one in a hundred of the expected securities has is a gap of the whole
//! market and told once, as `*`; the securities are told only of what they lack beyond that.
//!
//! **Bars.** For each period that came on the day, a security that has any of its bars (or every one, when
//! nine in ten have) owes all of them, unless nothing was traded: its bars have the volume of its day
//! already, or its quotes before and behind have the same volume. Bars of an hour and longer are cut
//! in several ways, so those are expected that anybody had. A bar that changes takes the place of the one
//! before.
//!
//! **A day** counts once quotes came in three minutes of its sessions, or a bar: less than that are strays.
//! Records of a day on which nobody trades, or whose time has not come yet, do not count. A quote of an
//! earlier day that a polled source gives again says that the security has not traded today.
//!
//! A day that is over and at rest is **sealed**: volumes, which take the most room, are replaced by what
//! they tell.

mod bits;
mod calendar;
mod cells;
mod counts;
mod day;
mod error;
mod facts;
mod file;
mod judge;
mod lock;
mod mark;
mod names;
mod notes;
mod pack;
mod record;
mod report;
mod rules;
mod seal;
mod securities;
mod tally;
#[cfg(test)]
mod tests;
mod totals;
mod writer;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use counts::MinuteCount;
pub use day::Day;
pub use error::LedgerError;
pub use file::SetAside;
pub use mark::Mark;
pub use record::{ClosedBar, Counted, Quote};
pub use report::{
    Backfill, DayReport, DaySummary, Deviation, Gap, Outage, Rounds, SecurityDay, Stretch,
    SumFault, Verdict,
};
pub use rules::{Rules, Span};
pub use writer::Writer;

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    db: Connection,
}

impl Ledger {
    /// Opens a ledger to read it, also while a writer writes.
    ///
    /// # Errors
    /// `Absent`, `Newer`, `Foreign`, `Damaged`, or what the system says.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { path: path.to_owned(), db: file::read(path)? })
    }

    /// Opens a ledger to note something in it, also while a writer counts. Makes none.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn annotate(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { path: path.to_owned(), db: file::open_beside(path)? })
    }

    /// Opens a ledger to count in it, and makes it; see [`Writer`].
    ///
    /// # Errors
    /// `InUse` while another one counts, `Newer`, `Foreign`, or what the system says. A damaged file
    /// is set aside, which [`Writer::set_aside`] tells.
    pub fn open(path: &Path, holder: &str, rules: &Rules) -> Result<Writer, LedgerError> {
        Writer::open(path, holder, rules)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For `map_err` on a call of SQLite.
    fn fault(&self) -> impl Fn(rusqlite::Error) -> LedgerError + use<> {
        LedgerError::sql(&self.path)
    }
}
