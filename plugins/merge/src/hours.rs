//! Whether a moment lies within the sessions, by the session that was looked up last.

use plugin_api::schemas::{
    session::{Sessions, Span},
    time::SECOND_US,
};

/// How long after the end of a session its last quotes still come, as Hikyuu has it.
const GRACE_US: i64 = 30 * SECOND_US;

/// The sessions, each with the time behind it in which its last quotes come.
#[derive(Debug, Clone)]
pub struct Hours {
    sessions: Sessions,
    /// A stretch of time, and whether it lies within the sessions.
    known: (Span, bool),
}

impl Hours {
    /// Those sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions, known: (Span { start_us: 0, end_us: 0 }, false) }
    }

    /// Whether a moment, microseconds since 1970 UTC, lies within them.
    pub fn contain(&mut self, at_us: i64) -> bool {
        if !(self.known.0.start_us..self.known.0.end_us).contains(&at_us) {
            self.known = self.look_up(at_us);
        }
        self.known.1
    }

    /// What the operator should know about the calendar at that moment.
    pub fn warning(&self, now_us: i64) -> Option<String> {
        self.sessions.warning(now_us)
    }

    fn look_up(&self, at_us: i64) -> (Span, bool) {
        let span = self.sessions.span_of(at_us);
        let span = span.or_else(|| self.sessions.span_of(at_us.saturating_sub(GRACE_US)));
        if let Some(Span { start_us, end_us }) = span {
            return (Span { start_us, end_us: end_us.saturating_add(GRACE_US) }, true);
        }
        match self.sessions.next_open(at_us) {
            // open at any time
            Some(open_us) if open_us == at_us => {
                (Span { start_us: i64::MIN, end_us: i64::MAX }, true)
            }
            open_us => (Span { start_us: at_us, end_us: open_us.unwrap_or(i64::MAX) }, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::schemas::{session::TradingCalendar, time::parse_exchange_time};

    use super::*;

    fn us(time: &str) -> i64 {
        parse_exchange_time(time).unwrap()
    }

    #[test]
    fn moments_lie_within_a_session_until_its_last_quotes_have_come() {
        let phases = ["09:15-11:30", "13:00-15:00"].map(|text| text.parse().unwrap());
        let mut hours = Hours::new(Sessions::new(&phases, true, TradingCalendar::shipped()));
        let cases = [
            // moment, within
            ("2021-12-01 09:14:59", false),
            ("2021-12-01 09:15:00", true),
            ("2021-12-01 11:30:29", true),
            ("2021-12-01 11:30:31", false),
            ("2021-12-01 12:59:59", false),
            ("2021-12-01 13:00:00", true),
            ("2021-12-01 15:00:29", true),
            ("2021-12-01 15:00:31", false),
            ("2021-12-04 10:00:00", false),
        ];
        // in any order, as what was looked up before must not matter
        for _ in 0..2 {
            for (text, within) in cases.iter().chain(cases.iter().rev()) {
                assert_eq!(hours.contain(us(text)), *within, "{text}");
            }
        }
    }

    #[test]
    fn without_sessions_every_moment_is_within() {
        let mut hours = Hours::new(Sessions::new(&[], true, TradingCalendar::shipped()));
        for moment_us in [i64::MIN, 0, us("2021-12-04 03:00:00"), i64::MAX - 1] {
            assert!(hours.contain(moment_us));
        }
    }
}
