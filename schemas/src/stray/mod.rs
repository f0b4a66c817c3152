//! Which quotes tell what time it is in the market, and which carry a stray timestamp.
//!
//! One record with a wrong time (tonight, tomorrow, 14:59 at two o'clock) must not become what
//! everything after it is measured by. A quote is believed at once when it goes on from what is known:
//! from the newest quote of its own security, from that of the market (all securities of the feed),
//! or, in a live feed, from the time of receipt. Any other one is a candidate and waits:
//!
//! - quotes that follow from the same or a later time confirm it, so a gap in the feed, lunch, or a
//!   new day costs nothing but a few quotes' patience;
//! - a quote that goes on from where the market was refutes it.
//!
//! A recorded feed has no time of receipt that says anything, so there only neighbours can tell.
//! [`Feed`] is for those who keep what waits; [`Track`] is for those who can take a step back.

mod chain;
mod feed;
#[cfg(test)]
mod tests;
mod track;
mod waiting;

pub use feed::Feed;
pub use track::{Step, Track};
pub use waiting::Held;

use crate::time::SECOND_US;

/// How far apart two quotes may be that follow each other without question, and how far a clock may be
/// behind the exchange's.
pub const STEP_US: i64 = 60 * SECOND_US;
/// How much older than the newest of its security a quote may be that only came late, as Hikyuu's agent
/// takes it.
pub const LATE_US: i64 = 30 * 60 * SECOND_US;
/// How old the newest quote of a live feed is at most when it is received.
pub const LIVE_US: i64 = 5 * 60 * SECOND_US;
/// Quotes that confirm a jump; those of a whole market have to lie close to each other.
const ENOUGH: usize = 5;

/// What a quote is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Exchange time of the quote, microseconds since 1970 UTC.
    pub time_us: i64,
    /// When the host received it, microseconds since 1970 UTC; 0 when unknown.
    pub received_us: i64,
    /// Time of the newest believed quote of its security.
    pub latest_us: Option<i64>,
    /// It lies within the sessions. One that does not may go on from what is known, and is no
    /// candidate for anything else.
    pub counts: bool,
}

impl Stamp {
    /// Whether it is as old as quotes of a live feed are when they are received.
    fn is_received_in_time(&self) -> bool {
        self.received_us > 0
            && (-STEP_US..=LIVE_US).contains(&self.received_us.saturating_sub(self.time_us))
    }

    /// Whether it is newer than what is known of its security.
    fn is_news(&self) -> bool {
        self.latest_us.is_none_or(|latest_us| self.time_us > latest_us)
    }

    /// Whether it was received before its own time.
    pub fn is_early(&self) -> bool {
        self.received_us > 0 && self.time_us.saturating_sub(self.received_us) > STEP_US
    }
}

/// What is thought of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its time is that of the market. What [`Feed::released`] gives comes before it.
    Believed,
    /// It lies ahead of what is known, and may be a stray: hand it to [`Feed::hold`].
    Ahead,
    /// It lies behind what is known: a stray, one that came late, or a feed that begins anew. As
    /// `Ahead`, where the order of quotes matters.
    Behind,
    /// It lies outside of the sessions and beside what is known.
    Stray,
}

/// Whether a quote follows another one without question, or came a little late.
fn is_step(known_us: i64, time_us: i64) -> bool {
    (-STEP_US..=STEP_US).contains(&time_us.saturating_sub(known_us))
}
