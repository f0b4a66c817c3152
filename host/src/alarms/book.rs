//! Which of the things that are wrong are to be told: each once, and its end.
//!
//! Nothing here reads the time: it is handed in, microseconds since 1970 UTC.

use std::{collections::HashMap, time::Duration};

use dataserver_config::{AlarmRule, Alarms};

use super::watch::Wrong;

/// What comes back within this time has not ended.
const OVER_AFTER_US: i64 = 5_000_000;

/// What is told of an alarm: that it began, or that it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What kind of thing is wrong.
    pub rule: AlarmRule,
    /// Which component, and of which day if it is about one.
    pub component: String,
    /// Since when.
    pub since_us: i64,
    /// Until when, if it is over.
    pub until_us: Option<i64>,
    /// What is known of it; may be empty.
    pub detail: String,
}

/// Keeps what was told.
#[derive(Debug, Default)]
pub struct Book {
    entries: HashMap<(AlarmRule, String), Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// What holds, and since when it does not any more.
    open: Option<Open>,
    /// When it was told last that this began.
    told_us: Option<i64>,
}

#[derive(Debug)]
struct Open {
    wrong: Wrong,
    is_told: bool,
    gone_us: Option<i64>,
}

impl Book {
    /// Takes down what is wrong now; returns what is to be told, ends first.
    pub fn update(&mut self, now_us: i64, wrong: Vec<Wrong>, alarms: &Alarms) -> Vec<Notice> {
        let is_asked_for = |rule: &AlarmRule| alarms.rules.contains(rule);
        // whoever does not want to hear of it is not told of its end
        self.entries.retain(|(rule, _), _| is_asked_for(rule));
        for entry in self.entries.values_mut() {
            if let Some(open) = &mut entry.open {
                open.gone_us = open.gone_us.or(Some(now_us));
            }
        }
        for wrong in wrong.into_iter().filter(|wrong| is_asked_for(&wrong.rule)) {
            let entry = self.entries.entry((wrong.rule, wrong.component.clone())).or_default();
            entry.note(wrong);
        }
        let quiet_us = micros(alarms.quiet);
        let (mut ended, mut begun) = (Vec::new(), Vec::new());
        for entry in self.entries.values_mut() {
            ended.extend(entry.end(now_us));
            begun.extend(entry.begin(now_us, quiet_us));
        }
        let is_recent = |at: i64| now_us.saturating_sub(at) < quiet_us;
        self.entries
            .retain(|_, entry| entry.open.is_some() || entry.told_us.is_some_and(is_recent));
        for notices in [&mut ended, &mut begun] {
            notices.sort_by(|a, b| place(a).cmp(&place(b)));
        }
        ended.append(&mut begun);
        ended
    }
}

impl Entry {
    fn note(&mut self, wrong: Wrong) {
        match &mut self.open {
            // since when stays as it was told
            Some(open) => {
                open.wrong.detail = wrong.detail;
                open.gone_us = None;
            }
            None => self.open = Some(Open { wrong, is_told: false, gone_us: None }),
        }
    }

    /// The end of what has not come back.
    fn end(&mut self, now_us: i64) -> Option<Notice> {
        let over = |open: &mut Open| {
            open.gone_us.is_some_and(|gone_us| now_us.saturating_sub(gone_us) >= OVER_AFTER_US)
        };
        let open = self.open.take_if(over)?;
        open.is_told.then(|| notice(open.wrong, open.gone_us))
    }

    /// The begin of what is not told yet, unless the same was told a short while ago.
    fn begin(&mut self, now_us: i64, quiet_us: i64) -> Option<Notice> {
        let open = self.open.as_mut().filter(|open| !open.is_told && open.gone_us.is_none())?;
        if self.told_us.is_some_and(|told_us| now_us.saturating_sub(told_us) < quiet_us) {
            return None;
        }
        open.is_told = true;
        self.told_us = Some(now_us);
        Some(notice(open.wrong.clone(), None))
    }
}

/// Its place among those that are told together.
fn place(notice: &Notice) -> (i64, &str, &str) {
    (notice.since_us, &notice.component, notice.rule.as_str())
}

fn notice(wrong: Wrong, until_us: Option<i64>) -> Notice {
    let Wrong { rule, component, since_us, detail } = wrong;
    Notice { rule, component, since_us, until_us, detail }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    /// Updates once a second: the alarms that hold in each, as ranges of seconds. Returns what was
    /// told when: `+` for a begin, `-` for an end.
    fn told(
        quiet: u64,
        until: i64,
        holding: &[(AlarmRule, &str, std::ops::Range<i64>)],
    ) -> Vec<String> {
        let alarms = Alarms { quiet: Duration::from_secs(quiet), ..Alarms::default() };
        let (mut book, mut told) = (Book::default(), Vec::new());
        for second in 0..until {
            let wrong = holding.iter().filter(|(_, _, seconds)| seconds.contains(&second));
            let wrong = wrong.map(|(rule, component, seconds)| Wrong {
                rule: *rule,
                component: (*component).to_owned(),
                since_us: seconds.start * SECOND_US,
                detail: String::new(),
            });
            for notice in book.update(second * SECOND_US, wrong.collect(), &alarms) {
                let sign = if notice.until_us.is_some() { '-' } else { '+' };
                let at = notice.until_us.unwrap_or(notice.since_us) / SECOND_US;
                told.push(format!("{second}: {sign}{} {at}", notice.component));
            }
        }
        assert!(book.entries.len() <= holding.len());
        told
    }

    use AlarmRule::{ComponentFailed, StoreAway};

    #[test]
    fn an_alarm_is_told_once_with_its_begin_and_its_end() {
        let one = [(StoreAway, "lake", 10..500)];
        assert_eq!(told(600, 600, &one), ["10: +lake 10", "505: -lake 500"]);
    }

    #[test]
    fn what_comes_back_at_once_has_not_ended() {
        let flaps = [(StoreAway, "lake", 10..20), (StoreAway, "lake", 24..30)];
        assert_eq!(told(600, 100, &flaps), ["10: +lake 10", "35: -lake 30"]);
    }

    #[test]
    fn the_same_alarm_is_told_at_most_once_within_the_quiet_time() {
        let often: Vec<_> = (0..10).map(|n| (StoreAway, "lake", n * 20..n * 20 + 10)).collect();
        let expected = ["0: +lake 0", "15: -lake 10", "100: +lake 100", "115: -lake 110"];
        assert_eq!(told(100, 200, &often), expected);
        assert_eq!(told(0, 200, &often).len(), 20, "each is told when there is no quiet time");
    }

    #[test]
    fn one_that_lasts_beyond_the_quiet_time_is_told_when_that_is_over() {
        let twice = [(StoreAway, "lake", 0..10), (StoreAway, "lake", 30..500)];
        let expected = ["0: +lake 0", "15: -lake 10", "100: +lake 30", "505: -lake 500"];
        assert_eq!(told(100, 600, &twice), expected);
    }

    #[test]
    fn alarms_of_other_components_and_rules_are_others_and_come_together() {
        let all = [
            (StoreAway, "lake", 10..20),
            (StoreAway, "db", 10..20),
            (ComponentFailed, "lake", 12..20),
            (ComponentFailed, "db", 25..26),
        ];
        let expected = [
            "10: +db 10",
            "10: +lake 10",
            "12: +lake 12",
            "25: -db 20",
            "25: -lake 20",
            "25: -lake 20",
            "25: +db 25",
            "31: -db 26",
        ];
        assert_eq!(told(600, 100, &all), expected);
    }

    #[test]
    fn a_rule_that_is_not_asked_for_is_not_told_of_nor_its_end() {
        let wrong = || {
            let component = "lake".to_owned();
            vec![Wrong { rule: StoreAway, component, since_us: 0, detail: String::new() }]
        };
        let mut book = Book::default();
        let all = Alarms::default();
        assert_eq!(book.update(0, wrong(), &all).len(), 1);
        let others = Alarms { rules: vec![ComponentFailed], ..Alarms::default() };
        assert!(book.update(SECOND_US, wrong(), &others).is_empty());
        assert!(book.update(60 * SECOND_US, Vec::new(), &others).is_empty());
        assert!(book.entries.is_empty());
    }
}
