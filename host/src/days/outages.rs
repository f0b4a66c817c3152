//! Notes in the ledger when a source gave nothing: it was paused, silent, or failed.
//!
//! So a gap of that time has its reason. That the host itself did not run, the ledger's sink notes at its
//! next start.

use std::collections::BTreeMap;

use ::days::{Ledger, LedgerError};
use dataserver_engine::{
    telemetry::{ComponentStatus, State},
    topology::Topology,
};
use plugin_api::RoleKind;

use super::place::Place;

const SECOND_US: i64 = 1_000_000;
/// Shorter ones leave no gap that needs a reason.
const LEAST_US: i64 = 10 * SECOND_US;
/// One that lasts is noted so often, so that it is known after a kill.
const AGAIN_US: i64 = 30 * SECOND_US;
/// Entries that wait while the ledger cannot be written; the oldest go first.
const MAX_WAITING: usize = 1_000;

/// Outages of the sources of a pipeline.
#[derive(Debug, Default)]
pub struct Outages {
    /// Those that last, by their reason.
    lasting: BTreeMap<String, Lasting>,
    /// What is to be written: begin and reason, with the end so far.
    waiting: BTreeMap<(i64, String), i64>,
    /// What was told of a ledger that cannot be written.
    told: String,
}

#[derive(Debug)]
struct Lasting {
    from_us: i64,
    noted_us: i64,
}

impl Outages {
    /// Looks at the sources, and notes what is due.
    pub fn look(&mut self, topology: &Topology) {
        let components = topology.components();
        let away = components.iter().filter_map(|status| away(status)).collect();
        self.take(&away, topology.now_us());
        if self.waiting.is_empty() {
            return;
        }
        let Ok(place) = Place::of(&topology.pipeline()) else {
            self.waiting.clear();
            return;
        };
        match self.write(&place) {
            Ok(()) => self.told.clear(),
            // before its first day
            Err(LedgerError::Absent(_)) => {}
            Err(error) => {
                let text = error.to_string();
                if text != self.told {
                    tracing::warn!(component = place.id, "an outage is not noted yet: {text}");
                    self.told = text;
                }
            }
        }
    }

    /// Takes in who is away, by reason with its begin.
    fn take(&mut self, away: &BTreeMap<String, i64>, now_us: i64) {
        for (why, since_us) in away {
            let begun = || Lasting { from_us: *since_us, noted_us: *since_us };
            let lasting = self.lasting.entry(why.clone()).or_insert_with(begun);
            let is_long = now_us.saturating_sub(lasting.from_us) >= LEAST_US;
            if is_long && now_us.saturating_sub(lasting.noted_us) >= AGAIN_US {
                lasting.noted_us = now_us;
                self.waiting.insert((lasting.from_us, why.clone()), now_us);
            }
        }
        let ended = self.lasting.extract_if(.., |why, _| !away.contains_key(why));
        for (why, Lasting { from_us, .. }) in ended {
            if now_us.saturating_sub(from_us) >= LEAST_US {
                self.waiting.insert((from_us, why), now_us);
            }
        }
        while self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
        }
    }

    fn write(&mut self, place: &Place) -> Result<(), LedgerError> {
        let mut ledger = Ledger::annotate(&place.path)?;
        while let Some(((from_us, why), to_us)) = self.waiting.first_key_value() {
            ledger.note_outage(*from_us, *to_us, why)?;
            self.waiting.pop_first();
        }
        Ok(())
    }
}

/// Why a source gives nothing, and since when, microseconds since 1970 UTC; `None` of one that does, or
/// that has nothing to give.
fn away(status: &ComponentStatus) -> Option<(String, i64)> {
    if status.kind != RoleKind::Source {
        return None;
    }
    let (state, since_us) = status.state_since();
    let (what, since_us) = match state {
        State::Paused => ("was paused", since_us),
        State::Silent => ("gave nothing", status.silent_since_us().unwrap_or(since_us)),
        State::Retrying | State::Restarting => ("failed and was tried again", since_us),
        State::Stuck => ("was stuck in a call", since_us),
        State::Failed => ("failed", since_us),
        State::Ended | State::Starting | State::Running | State::Degraded => return None,
    };
    Some((format!("source {} {what}", status.id), since_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes in at these seconds whether a source is away; what waits to be written then, in seconds.
    fn noted(seconds: &[(i64, bool)]) -> Vec<(i64, i64)> {
        let mut outages = Outages::default();
        for (second, is_away) in seconds {
            // what its plugin says of the begin wavers
            let since_us = 100 * SECOND_US + second;
            let away = is_away.then(|| ("source qq was paused".to_owned(), since_us));
            outages.take(&away.into_iter().collect(), second * SECOND_US);
        }
        let waiting = outages.waiting.iter();
        waiting.map(|((from_us, _), to_us)| (from_us / SECOND_US, to_us / SECOND_US)).collect()
    }

    #[test]
    fn an_outage_is_noted_when_it_is_over_and_while_it_lasts() {
        assert_eq!(noted(&[(100, true), (109, true)]), []);
        assert_eq!(noted(&[(100, true), (109, false)]), [], "too short to leave a gap");
        assert_eq!(noted(&[(100, true), (112, false), (113, false)]), [(100, 112)]);
        let lasting = [(100, true), (131, true), (140, true)];
        assert_eq!(noted(&lasting), [(100, 131)], "it is noted each half a minute");
        assert_eq!(noted(&[&lasting[..], &[(150, false)]].concat()), [(100, 150)], "one entry");
    }

    #[test]
    fn what_waits_for_a_ledger_is_bounded() {
        let mut outages = Outages::default();
        for n in 0..i64::try_from(MAX_WAITING).unwrap() + 5 {
            let now_us = n * 100 * SECOND_US;
            outages.take(&[("source qq failed".to_owned(), now_us)].into(), now_us);
            outages.take(&BTreeMap::new(), now_us + LEAST_US);
        }
        assert_eq!(outages.waiting.len(), MAX_WAITING);
        assert_eq!(outages.waiting.keys().next().unwrap().0, 500 * SECOND_US);
    }
}
