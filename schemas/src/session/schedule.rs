//! When the next round of a polled source starts.

use std::time::Duration;

use super::Sessions;

/// Start of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundStart {
    /// When, microseconds since 1970 UTC; never before the moment at which it was asked.
    pub at_us: i64,
    /// It brings the last prices of a phase that has ended.
    pub closing: bool,
}

impl Sessions {
    /// The next round, when it is `now_us` and the last one started at `last_us`.
    ///
    /// - A phase begins with a round, unless the source starts later: then with one at once.
    /// - Rounds are timed from start to start. One that took longer than `interval` is followed at
    ///   once; what was missed is not made up for.
    /// - One closing round follows each phase in which there was a round.
    /// - A clock that was put back counts as if the last round had started just now.
    ///
    /// `None` when nothing opens for more than a year.
    pub fn next_round(
        &self,
        now_us: i64,
        last_us: Option<i64>,
        interval: Duration,
    ) -> Option<RoundStart> {
        let Some(last_us) = last_us.map(|last_us| last_us.min(now_us)) else {
            return self.next_open(now_us).map(regular);
        };
        let due_us = last_us.saturating_add(micros(interval)).max(now_us);
        if self.phases.is_empty() {
            return Some(regular(due_us));
        }
        if let Some(end_us) = self.close_of(last_us) {
            if due_us < end_us {
                return Some(regular(due_us));
            }
            let closing_us = end_us.saturating_add(self.closing_lag_us).max(now_us);
            if self.span_from(end_us).is_none_or(|next| closing_us < next.start_us) {
                return Some(RoundStart { at_us: closing_us, closing: true });
            }
        }
        // the last round was of an earlier phase, so the next one begins with a round of its own
        self.span_from(now_us).map(|span| regular(span.start_us.max(now_us)))
    }
}

fn regular(at_us: i64) -> RoundStart {
    RoundStart { at_us, closing: false }
}

/// Microseconds, as far as they can be counted.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
