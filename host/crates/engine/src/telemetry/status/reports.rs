//! What a plugin reports of itself: that it works worse than it should, and sources that disagree.

use std::collections::BTreeMap;

use plugin_api::Report;

use super::ComponentStatus;

/// Longest text of a report that is kept, characters.
const MAX_TEXT: usize = 300;
/// Deviations that wait to be taken; what comes on top is left to the plugin's own counter.
const MAX_DEVIATIONS: usize = 1_000;

/// What was reported.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Why the component works worse than it should.
    pub degraded: Option<String>,
    /// By security and text, how often, and when last.
    deviations: BTreeMap<(String, String), (u64, i64)>,
}

/// Sources that disagree, as a component reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviating {
    /// The security, e.g. `600000.SH`.
    pub symbol: String,
    /// Who disagrees, for people.
    pub text: String,
    /// How often since it was taken last.
    pub count: u64,
    /// When it was reported last, microseconds since 1970 UTC.
    pub at_us: i64,
}

impl ComponentStatus {
    /// Takes in what its plugin reports.
    pub fn note_report(&self, report: &Report) {
        let short = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
        match report {
            Report::Degraded { reason } => {
                let reason = reason.as_deref().map(short);
                self.change(|inner| inner.reports.degraded = reason);
            }
            Report::Deviation { symbol, text, count } => {
                let now_us = self.clock.now_us();
                let mut inner = self.lock();
                let deviations = &mut inner.reports.deviations;
                let key = (short(symbol), short(text));
                if deviations.len() < MAX_DEVIATIONS || deviations.contains_key(&key) {
                    let (total, at_us) = deviations.entry(key).or_default();
                    (*total, *at_us) = (total.saturating_add(*count), now_us);
                }
            }
        }
    }

    /// Why its plugin says that it works worse than it should, if it does.
    pub fn degraded(&self) -> Option<String> {
        self.lock().reports.degraded.clone()
    }

    /// The deviations that were reported since this was called last.
    pub fn take_deviations(&self) -> Vec<Deviating> {
        let taken = std::mem::take(&mut self.lock().reports.deviations);
        let one = |((symbol, text), (count, at_us))| Deviating { symbol, text, count, at_us };
        taken.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::status::{State, tests::status};

    fn degraded(reason: Option<&str>) -> Report {
        Report::Degraded { reason: reason.map(str::to_owned) }
    }

    #[test]
    fn a_component_is_degraded_until_its_plugin_takes_it_back_or_is_opened_anew() {
        let (status, _) = status();
        let worker = status.join();
        worker.set_state(State::Running);
        status.note_report(&degraded(Some("the first choice is away")));
        assert_eq!(status.state(), State::Degraded);
        assert_eq!(status.degraded().as_deref(), Some("the first choice is away"));
        status.note_report(&degraded(None));
        assert_eq!((status.state(), status.degraded()), (State::Running, None));
        status.note_report(&degraded(Some(&"x".repeat(1_000))));
        assert_eq!(status.degraded().unwrap().len(), MAX_TEXT);
        worker.set_state(State::Restarting);
        worker.set_state(State::Running);
        assert_eq!((status.state(), status.degraded()), (State::Running, None));
    }

    #[test]
    fn deviations_are_summed_until_they_are_taken_and_bounded() {
        let (status, _) = status();
        let report = |symbol: &str| {
            let (symbol, text) = (symbol.to_owned(), "two differ".to_owned());
            status.note_report(&Report::Deviation { symbol, text, count: 2 });
        };
        report("600000.SH");
        report("600000.SH");
        let taken = status.take_deviations();
        assert_eq!((taken.len(), taken[0].count, taken[0].symbol.as_str()), (1, 4, "600000.SH"));
        assert!(status.take_deviations().is_empty());
        (0..MAX_DEVIATIONS + 5).for_each(|n| report(&n.to_string()));
        assert_eq!(status.take_deviations().len(), MAX_DEVIATIONS);
    }
}
