//! What the ledger says of days.

use serde::{Deserialize, Serialize};

use crate::Day;

/// What is thought of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every expected record came, as far as the day has gone.
    Complete,
    /// Something is missing.
    Incomplete,
    /// Nobody trades on it.
    Holiday,
    /// A trading day of which nothing came.
    #[serde(rename = "no host")]
    NoHost,
}

impl Verdict {
    /// `complete`, `incomplete`, `holiday` or `no host`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Holiday => "holiday",
            Self::NoHost => "no host",
        }
    }
}

/// A day in the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySummary {
    /// As `2021-12-01`.
    pub date: Day,
    /// What is thought of it.
    pub verdict: Verdict,
    /// Securities expected: the universe less those suspended.
    pub expected: u64,
    /// Securities of which something came.
    pub seen: u64,
    /// Expected securities without a gap.
    pub complete: u64,
    /// Records that are missing, about.
    pub missing: u64,
    /// The day is not over, so only what had to come by now is judged.
    pub open: bool,
}

impl DaySummary {
    /// Share of the expected securities that are complete, 0 to 1; 1 where none is expected.
    #[allow(clippy::cast_precision_loss)] // some thousand securities
    pub fn completeness(&self) -> f64 {
        match (self.verdict, self.expected) {
            (Verdict::NoHost, _) => 0.0,
            (_, 0) => 1.0,
            (_, expected) => self.complete as f64 / expected as f64,
        }
    }
}

/// A stretch of a day that is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// The security, as `600000.SH`; `*` for the whole market.
    pub symbol: String,
    /// `spot` or `bar`.
    pub kind: String,
    /// First minute of it, as `2021-12-01T09:31+08:00`; of bars, the time of the first missing bar.
    pub from: String,
    /// Last minute of it.
    pub to: String,
    /// Records that are missing, about.
    pub records: u64,
    /// Period of missing bars, as `1m`; `None` for quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

/// A time in which the host did not run, was paused, or heard nothing of its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// First moment, as `2021-12-01T09:31:05+08:00`.
    pub from: String,
    /// Last moment.
    pub to: String,
    /// Why, for people.
    pub why: String,
}

/// A stretch that one source gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Its name in the records.
    pub source: String,
    /// `spot` or `bar`.
    pub kind: String,
    /// First minute.
    pub from: String,
    /// Last minute.
    pub to: String,
    /// Securities of which it gave something then.
    pub securities: u64,
}

/// What one backfill did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backfill {
    /// First day or moment that was asked for, as text.
    pub from: String,
    /// Last one.
    pub to: String,
    /// Records that were asked for, about.
    pub asked: u64,
    /// Records that came.
    pub received: u64,
    /// Records that the stores took.
    pub written: u64,
    /// Records that are missing after it, about.
    pub still_missing: u64,
    /// Records that were no data: rows that a vendor fills windows with.
    pub refused_as_padding: u64,
    /// When it ended, microseconds since 1970 UTC.
    pub at_us: i64,
    /// Who gave them.
    pub source: String,
    /// Who took them.
    pub stores: Vec<String>,
}

/// Sources that disagree about a security.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// When it was seen, microseconds since 1970 UTC.
    pub at_us: i64,
    /// The security, as `600000.SH`.
    pub symbol: String,
    /// Who said what, for people.
    pub text: String,
    /// How often until then.
    pub count: u64,
}

/// Minutes against the day, of a security whose sums differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SumFault {
    /// The security, as `600000.SH`.
    pub symbol: String,
    /// Volume of its 1m bars, shares.
    pub minutes_volume: u64,
    /// Volume of its day, shares.
    pub day_volume: u64,
    /// Turnover of its 1m bars, CNY.
    pub minutes_amount: f64,
    /// Turnover of its day, CNY.
    pub day_amount: f64,
}

/// Rounds of the market.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// Those that came within the sessions.
    pub received: u64,
    /// Those that would have come at the usual interval.
    pub expected: u64,
    /// The usual interval, seconds; 0 when too few came to tell.
    pub interval_s: u64,
}

/// A day in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayReport {
    /// As `2021-12-01`.
    pub date: Day,
    /// What is thought of it.
    pub verdict: Verdict,
    /// Securities expected: the universe less those suspended.
    pub expected: u64,
    /// Securities of which something came.
    pub seen: u64,
    /// Expected securities without a gap.
    pub complete: u64,
    /// What is missing: the whole market first, then by security and time.
    pub gaps: Vec<Gap>,
    /// The day is not over, so only what had to come by now is judged.
    pub open: bool,
    /// Rounds of the market.
    pub rounds: Rounds,
    /// When the host did not run or its source was silent.
    pub outages: Vec<Outage>,
    /// Which source gave what.
    pub sources: Vec<Stretch>,
    /// Securities whose 1m bars do not sum to their day.
    pub sums: Vec<SumFault>,
    /// Records that failed a rule of quality, by security.
    pub doubtful: Vec<(String, u64)>,
    /// Backfills of this day.
    pub backfills: Vec<Backfill>,
    /// Sources that disagreed.
    pub deviations: Vec<Deviation>,
}

impl DayReport {
    /// The day as the calendar has it.
    pub fn summary(&self) -> DaySummary {
        DaySummary {
            date: self.date,
            verdict: self.verdict,
            expected: self.expected,
            seen: self.seen,
            complete: self.complete,
            missing: self.gaps.iter().map(|gap| gap.records).sum(),
            open: self.open,
        }
    }
}

/// One security on one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityDay {
    /// The security, as `600000.SH`.
    pub symbol: String,
    /// Quotes that came.
    pub records: u64,
    /// Moment of the first one, to the second, as `2021-12-01T09:15:01+08:00`.
    pub first: Option<String>,
    /// Moment of the last one.
    pub last: Option<String>,
    /// Longest time without a quote inside the sessions, seconds, to within a minute.
    pub longest_silence_s: u64,
    /// Quotes that failed a rule of quality.
    pub doubtful: u64,
    /// Volume of its day, shares.
    pub volume: u64,
    /// Turnover of its day, CNY.
    pub amount: f64,
    /// Names of the sources that gave something.
    pub sources: Vec<String>,
}
