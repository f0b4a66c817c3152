//! The time of one security, with the way back from a stray.

use super::{ENOUGH, STEP_US, is_step};

/// The newest quote of a security, believed until the next ones disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    latest_us: i64,
    /// Where it was before it jumped; `Some(None)` when it was nowhere.
    before_us: Option<Option<i64>>,
    /// Quotes since that confirm the jump.
    since: u8,
}

/// What a quote is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It goes on from the newest.
    On,
    /// It goes on so far ahead that it may be a stray: keep what is known so far for a `Return`.
    Jump,
    /// It is older than the newest.
    Late,
    /// What came since the `Jump`, or since the beginning, was stray: what was known then holds.
    Return {
        /// It is older than the newest even so.
        is_late: bool,
    },
}

impl Track {
    /// A first quote.
    pub fn first(time_us: i64) -> Self {
        Self { latest_us: time_us, before_us: Some(None), since: 0 }
    }

    /// One of which others have said that it holds.
    pub fn known(time_us: i64) -> Self {
        Self { latest_us: time_us, before_us: None, since: 0 }
    }

    /// Time of the newest quote, microseconds since 1970 UTC.
    pub fn latest_us(&self) -> i64 {
        self.latest_us
    }

    /// Takes a quote of that time.
    pub fn step(&mut self, time_us: i64) -> Step {
        let fits = |before_us: Option<i64>| before_us.is_none_or(|it| time_us >= it - STEP_US);
        if time_us < self.latest_us - STEP_US
            && let Some(before_us) = self.before_us.filter(|it| fits(*it))
        {
            self.since = 0;
            let is_late = before_us.is_some_and(|it| time_us < it);
            self.latest_us = before_us.map_or(time_us, |it| it.max(time_us));
            self.before_us =
                before_us.filter(|it| is_step(*it, time_us)).map_or(Some(before_us), |_| None);
            return Step::Return { is_late };
        }
        if time_us < self.latest_us {
            return Step::Late;
        }
        let (step_us, before_us) = (time_us - self.latest_us, self.latest_us);
        self.latest_us = time_us;
        // a beginning that a second quote confirmed is worth the way back to
        let is_known = self.before_us.is_none() || self.before_us == Some(None) && self.since > 0;
        if is_known && step_us > STEP_US {
            (self.before_us, self.since) = (Some(Some(before_us)), 0);
            return Step::Jump;
        }
        if self.before_us.is_some() && step_us > 0 {
            self.since += 1;
            if usize::from(self.since) >= ENOUGH {
                self.before_us = None;
            }
        }
        Step::On
    }
}
