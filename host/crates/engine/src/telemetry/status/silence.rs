//! Whether a source gives what it promised.

use std::time::{Duration, Instant};

use super::ComponentStatus;

/// What a source promised and kept.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// How long it may be silent, and since when that holds.
    expected: Option<(Duration, Instant)>,
    last_record: Option<Instant>,
    pub is_silent: bool,
}

impl Silence {
    /// How long it has been silent beyond what it promised.
    fn beyond_promise(&self) -> Option<Duration> {
        let (within, since) = self.expected?;
        let silent = self.last_record.map_or(since, |last| last.max(since)).elapsed();
        (silent > within).then_some(silent)
    }

    /// Counts from now on: before, nobody asked it.
    pub fn begin_anew(&mut self) {
        if let Some((_, since)) = &mut self.expected {
            *since = Instant::now();
        }
    }
}

impl ComponentStatus {
    /// Notes how long a source may be silent from now on; `None` when silence is normal.
    pub fn expect_records(&self, within: Option<Duration>) {
        let mut inner = self.lock();
        let silence = &mut inner.silence;
        let since = silence.expected.map_or_else(Instant::now, |(_, since)| since);
        silence.expected = within.map(|within| (within, since));
    }

    /// Notes that a source gave a record.
    pub fn note_record(&self, received_at_us: i64) {
        self.metrics.last_record(received_at_us);
        self.lock().silence.last_record = Some(Instant::now());
    }

    /// Since when a source is silent against its expectation, microseconds since 1970 UTC; `None` when it
    /// is not.
    pub fn silent_since_us(&self) -> Option<i64> {
        let inner = self.lock();
        let silent = inner.silence.beyond_promise().filter(|_| inner.silence.is_silent)?;
        let silent_us = i64::try_from(silent.as_micros()).unwrap_or(i64::MAX);
        Some(self.clock.now_us().saturating_sub(silent_us))
    }

    /// Checks whether a source is silent against its expectation; on a change, how long it has been
    /// silent, or `None` when it is no longer. One that is paused is not.
    pub fn check_silence(&self) -> Option<Option<Duration>> {
        let is_paused = self.is_paused();
        let silent = self.change(|inner| {
            let silent = inner.silence.beyond_promise().filter(|_| !is_paused);
            let was_silent = std::mem::replace(&mut inner.silence.is_silent, silent.is_some());
            (was_silent != silent.is_some()).then_some(silent)
        })?;
        self.metrics.silent(silent.is_some());
        Some(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::status::{State, tests::status};

    #[test]
    fn a_source_is_silent_when_records_that_it_promised_do_not_come() {
        let (status, metrics) = status();
        status.join().set_state(State::Running);
        assert_eq!(status.check_silence(), None, "it has promised nothing");
        status.expect_records(Some(Duration::from_secs(3600)));
        assert_eq!((status.check_silence(), status.state()), (None, State::Running));
        status.expect_records(Some(Duration::ZERO));
        assert!(matches!(status.check_silence(), Some(Some(_))));
        assert_eq!((status.check_silence(), status.state()), (None, State::Silent), "told once");
        assert!(status.silent_since_us().is_some());
        assert!(metrics.encode().contains(
            "dataserver_source_silent{component=\"day\",kind=\"source\",plugin=\"qq\"} 1"
        ));
        status.expect_records(None);
        assert_eq!((status.check_silence(), status.state()), (Some(None), State::Running));
        assert_eq!(status.silent_since_us(), None);
        status.expect_records(Some(Duration::from_secs(3600)));
        status.note_record(1);
        assert_eq!(status.check_silence(), None);
    }

    #[test]
    fn a_paused_source_may_be_silent_and_its_promise_begins_anew_afterwards() {
        let (status, _) = status();
        status.join().set_state(State::Running);
        status.expect_records(Some(Duration::ZERO));
        assert!(matches!(status.check_silence(), Some(Some(_))));
        status.pause_switch().set(true);
        status.note_paused();
        assert_eq!((status.check_silence(), status.state()), (Some(None), State::Paused));
        status.expect_records(Some(Duration::from_secs(3600)));
        let before = status.lock().silence.expected.unwrap().1;
        status.pause_switch().set(false);
        status.note_paused();
        assert!(status.lock().silence.expected.unwrap().1 > before);
        assert_eq!((status.check_silence(), status.state()), (None, State::Running));
    }
}
