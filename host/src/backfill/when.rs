//! When a host looks for gaps by itself.

use std::collections::HashSet;

use dataserver_config::BackfillWhen;
use plugin_api::schemas::{session::TradingCalendar, time::ExchangeTime};

const SECOND_US: i64 = 1_000_000;
/// After an outage live records come first, so that the ledger knows where the gap ends.
const AFTER_OUTAGE_US: i64 = 60 * SECOND_US;
/// Shorter silence is none that leaves a gap.
const LEAST_SILENCE_US: i64 = 60 * SECOND_US;
/// Time of day from which on a trading day is over, with ten minutes for what comes late.
const AFTER_CLOSE_US: i64 = (15 * 60 + 10) * 60 * SECOND_US;

/// Why gaps are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The host, or a source, is back.
    Outage,
    /// The day is over.
    Close,
}

impl Reason {
    /// As it is logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "after an outage",
            Self::Close => "after the close",
        }
    }
}

/// Watches for outages that are over, and for the close.
#[derive(Debug)]
pub struct When {
    calendar: TradingCalendar,
    /// When gaps are looked for after the last outage.
    outage_due_us: Option<i64>,
    /// Sources that are silent, since when.
    silent: Vec<(String, i64)>,
    /// The last day whose close has passed.
    closed_day: Option<i64>,
}

impl When {
    /// Begins with the start of the host at that time, which ends an outage.
    pub fn new(now_us: i64) -> Self {
        Self {
            calendar: TradingCalendar::shipped(),
            outage_due_us: Some(now_us.saturating_add(AFTER_OUTAGE_US)),
            silent: Vec::new(),
            closed_day: None,
        }
    }

    /// Looks at the time and at who is silent; why gaps are to be looked for now, if they are.
    pub fn look(
        &mut self,
        now_us: i64,
        when: BackfillWhen,
        silent: &HashSet<String>,
    ) -> Option<Reason> {
        let over = |(id, since_us): &(String, i64)| {
            !silent.contains(id) && now_us.saturating_sub(*since_us) >= LEAST_SILENCE_US
        };
        if self.silent.iter().any(over) {
            self.outage_due_us = Some(now_us.saturating_add(AFTER_OUTAGE_US));
        }
        self.silent.retain(|(id, _)| silent.contains(id));
        for id in silent {
            if !self.silent.iter().any(|(known, _)| known == id) {
                self.silent.push((id.clone(), now_us));
            }
        }
        let today = ExchangeTime::from_utc_us(now_us);
        let is_closed = self.calendar.is_trading_day(today.day)
            && today.of_day_us >= AFTER_CLOSE_US
            && self.closed_day != Some(today.day);
        if is_closed {
            self.closed_day = Some(today.day);
            if when.is_after_close() {
                return Some(Reason::Close);
            }
        }
        if self.outage_due_us.is_some_and(|due_us| due_us <= now_us) {
            self.outage_due_us = None;
            return when.is_after_outage().then_some(Reason::Outage);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-05, a Monday, at that minute in Shanghai.
    fn at(minutes: i64) -> i64 {
        1_767_542_400_000_000 + minutes * 60 * SECOND_US
    }

    fn silent(ids: &[&str]) -> HashSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn gaps_are_looked_for_a_minute_after_the_start_once() {
        let mut when = When::new(at(600));
        let mut look = |minutes| when.look(at(minutes), BackfillWhen::AfterOutage, &silent(&[]));
        assert_eq!([600, 601, 602, 920].map(&mut look), [None, Some(Reason::Outage), None, None]);
        let mut never = When::new(at(600));
        assert_eq!(never.look(at(601), BackfillWhen::Never, &silent(&[])), None);
        assert_eq!(never.look(at(602), BackfillWhen::Both, &silent(&[])), None, "it is past");
    }

    #[test]
    fn a_silence_that_is_over_is_an_outage_unless_it_was_short() {
        let mut when = When::new(at(0));
        let mut look =
            |minutes, ids: &[&str]| when.look(at(minutes), BackfillWhen::AfterOutage, &silent(ids));
        assert_eq!(look(1, &[]), Some(Reason::Outage));
        assert_eq!(look(600, &["quotes"]), None);
        assert_eq!(look(600, &[]), None);
        assert_eq!(look(605, &[]), None, "it was short");
        assert_eq!(look(610, &["quotes"]), None);
        assert_eq!(look(620, &["quotes", "other"]), None);
        assert_eq!(look(621, &["other"]), None);
        assert_eq!(look(622, &["other"]), Some(Reason::Outage));
    }

    #[test]
    fn gaps_are_looked_for_after_the_close_of_trading_days() {
        let mut when = When::new(at(0));
        let mut look = |minutes| when.look(at(minutes), BackfillWhen::AfterClose, &silent(&[]));
        let days = [15 * 60 + 9, 15 * 60 + 10, 16 * 60, 1_440 + 15 * 60 + 10, 5 * 1_440 + 16 * 60];
        let found = days.map(&mut look);
        assert_eq!(found, [None, Some(Reason::Close), None, Some(Reason::Close), None]);
    }
}
