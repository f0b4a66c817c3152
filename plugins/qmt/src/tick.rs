//! What QMT says about one security, as it came: nothing is checked yet.

use std::borrow::Cow;

/// Most book levels that are looked at.
pub const MOST_LEVELS: usize = 10;

/// A number of QMT's.
///
/// Absent is NaN, as QMT itself writes it; what is no number at all is infinite, so that it cannot
/// pass for one.
pub type Number = f64;

/// Absent from the tick.
pub const ABSENT: Number = f64::NAN;
/// Present, and no number.
pub const MALFORMED: Number = f64::INFINITY;

/// One side of the book, prices or sizes, best first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    values: [Number; MOST_LEVELS],
    len: usize,
}

impl Default for Side {
    fn default() -> Self {
        Self { values: [0.0; MOST_LEVELS], len: 0 }
    }
}

impl Side {
    /// Adds a level; more than [`MOST_LEVELS`] are left out.
    pub fn push(&mut self, value: Number) {
        if self.len < MOST_LEVELS {
            self.values[self.len] = value;
            self.len += 1;
        }
    }

    /// The levels.
    pub fn levels(&self) -> &[Number] {
        &self.values[..self.len]
    }
}

/// One full quote, in the words of xtquant.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick<'a> {
    /// `time`: milliseconds since 1970 UTC.
    pub time: Number,
    /// `stime`, or else `timetag`: exchange time as text; empty when absent.
    pub time_text: Cow<'a, str>,
    /// `lastPrice`.
    pub last: Number,
    /// `open`.
    pub open: Number,
    /// `high`.
    pub high: Number,
    /// `low`.
    pub low: Number,
    /// `lastClose`.
    pub pre_close: Number,
    /// `amount`: CNY since the open.
    pub amount: Number,
    /// `volume`: lots since the open.
    pub volume: Number,
    /// `pvolume`: shares, or lots again.
    pub pvolume: Number,
    /// `openInt`: phase of the day.
    pub phase: Number,
    /// `askPrice`, `bidPrice`, `askVol`, `bidVol`.
    pub book: [Side; 4],
    /// It has fields that only bars have.
    pub is_bar: bool,
}

impl Default for Tick<'_> {
    fn default() -> Self {
        Self {
            time: ABSENT,
            time_text: Cow::Borrowed(""),
            last: ABSENT,
            open: ABSENT,
            high: ABSENT,
            low: ABSENT,
            pre_close: ABSENT,
            amount: ABSENT,
            volume: ABSENT,
            pvolume: ABSENT,
            phase: ABSENT,
            book: [Side::default(); 4],
            is_bar: false,
        }
    }
}

/// A tick with the code under which it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Coded<'a> {
    /// As QMT writes it, e.g. `600000.SH`.
    pub code: Cow<'a, str>,
    /// What it says.
    pub tick: Tick<'a>,
}
