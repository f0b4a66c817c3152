//! What is wrong with the components, from one look to the next.
//!
//! Nothing here reads the time: it is handed in, microseconds since 1970 UTC.

use std::{collections::HashMap, time::Duration};

use dataserver_config::AlarmRule;
use dataserver_engine::telemetry::State;
use plugin_api::RoleKind;

use super::look::Seen;
use crate::days::judging::Incomplete;

const SECOND_US: i64 = 1_000_000;
/// A sink that cannot deliver for so long is not merely trying once more.
const AWAY_AFTER_US: i64 = 5 * SECOND_US;
/// A sink whose call has not come back for so long has begun not to deliver.
const HANGS_AFTER: Duration = Duration::from_secs(5);
/// What grew and then did not for so long has come to rest.
const CALM_AFTER_US: i64 = 60 * SECOND_US;
/// A queue on disk is nearly full from here on, until it is down to the second.
const SPOOL_FULL: f64 = 0.8;
const SPOOL_EASED: f64 = 0.7;

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What kind of thing.
    pub rule: AlarmRule,
    /// Which component; a day stands behind it after a blank, which no id has.
    pub component: String,
    /// Since when.
    pub since_us: i64,
    /// What is known of it; may be empty.
    pub detail: String,
}

/// Remembers what earlier looks showed.
#[derive(Debug, Default)]
pub struct Watch {
    by_id: HashMap<String, Track>,
}

/// One component.
#[derive(Debug, Default)]
struct Track {
    silent: Lasting,
    failed: Lasting,
    away: Lasting,
    spool: Lasting,
    /// Instances that it lost.
    fatal: u64,
    /// It lost an instance and has no new one yet.
    is_replaced: bool,
    lost: Growth,
    denied: Growth,
}

impl Watch {
    /// All that is wrong now, component by component.
    pub fn look(&mut self, now_us: i64, components: &[Seen]) -> Vec<Wrong> {
        self.by_id.retain(|id, _| components.iter().any(|seen| seen.id == *id));
        let mut wrong = Vec::new();
        for seen in components {
            let track = self.by_id.entry(seen.id.clone()).or_default();
            for (rule, found) in track.look(now_us, seen) {
                let Some((since_us, detail)) = found else { continue };
                wrong.push(Wrong { rule, component: seen.id.clone(), since_us, detail });
            }
        }
        wrong
    }
}

/// What is wrong with a day.
pub fn day(incomplete: &Incomplete) -> Wrong {
    let Incomplete { ledger, date, since_us, expected, complete, missing } = incomplete;
    let detail = format!(
        "应有 {expected} 只证券，完整 {complete} 只，约缺 {missing} 条；dataserver days {date} 列出缺口"
    );
    let component = format!("{ledger} {date}");
    Wrong { rule: AlarmRule::DayIncomplete, component, since_us: *since_us, detail }
}

/// Since when something is wrong, and what is known of it.
type Found = Option<(i64, String)>;

impl Track {
    fn look(&mut self, now_us: i64, seen: &Seen) -> [(AlarmRule, Found); 6] {
        let silent = self.silent.look(now_us, seen.is_silent);
        let failed = self.failed(now_us, seen);
        let away = self.away(now_us, seen).filter(|since| now_us - since >= AWAY_AFTER_US);
        let fill = seen.spool.unwrap_or(0.0);
        let is_full = fill >= SPOOL_FULL || self.spool.is_on() && fill >= SPOOL_EASED;
        let spool = self.spool.look(now_us, is_full);
        let total: u64 = seen.lost.iter().map(|(_, records)| records).sum();
        let lost = self.lost.look(now_us, total);
        let denied = self.denied.look(now_us, seen.denied);
        let with = |since: Option<i64>, detail: &dyn Fn() -> String| since.map(|it| (it, detail()));
        [
            (AlarmRule::SourceSilent, with(silent, &|| seen.error.clone())),
            (AlarmRule::ComponentFailed, with(failed, &|| failure(seen))),
            (AlarmRule::StoreAway, with(away, &|| why_away(seen))),
            (AlarmRule::SpoolAbove80, with(spool, &|| format!("已用 {:.0}%", fill * 100.0))),
            (AlarmRule::RecordsDropped, lost.map(|(since, by)| (since, losses(seen, by)))),
            (AlarmRule::PluginDenied, denied.map(|(since, by)| (since, format!("{by} 次")))),
        ]
    }

    /// A failure that cost an instance counts until there is a new one.
    fn failed(&mut self, now_us: i64, seen: &Seen) -> Option<i64> {
        let has_lost_one = seen.fatal > self.fatal;
        self.fatal = seen.fatal;
        self.is_replaced = has_lost_one || self.is_replaced && seen.state == State::Restarting;
        let is_down = matches!(seen.state, State::Failed | State::Stuck | State::Degraded);
        self.failed.look(now_us, self.is_replaced || is_down)
    }

    /// A sink that opens again and again without having failed waits for its server, too; so does one
    /// whose server neither answers nor refuses.
    fn away(&mut self, now_us: i64, seen: &Seen) -> Option<i64> {
        let is_away = match seen.state {
            State::Retrying => true,
            State::Restarting => !self.is_replaced,
            // the call that tries it once more
            State::Stuck if self.away.is_on() => true,
            _ => seen.in_call >= HANGS_AFTER,
        };
        self.away.look(now_us, is_away && seen.kind == RoleKind::Sink)
    }
}

/// Something that holds for some time.
#[derive(Debug, Default)]
struct Lasting(Option<i64>);

impl Lasting {
    fn look(&mut self, now_us: i64, holds: bool) -> Option<i64> {
        self.0 = holds.then(|| self.0.unwrap_or(now_us));
        self.0
    }

    fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

/// A count that should stay as it is.
#[derive(Debug, Default)]
struct Growth {
    last: u64,
    /// What it was before it grew, since when it has, and when it did last.
    growing: Option<(u64, i64, i64)>,
}

impl Growth {
    /// Since when it grows, and by how much it has.
    fn look(&mut self, now_us: i64, count: u64) -> Option<(i64, u64)> {
        if count < self.last {
            // it counts from the beginning, as with another plugin
            (self.last, self.growing) = (0, None);
        }
        if count > self.last {
            let (before, since_us, _) = self.growing.unwrap_or((self.last, now_us, now_us));
            self.growing = Some((before, since_us, now_us));
            self.last = count;
        }
        self.growing = self.growing.filter(|(_, _, last_us)| now_us - last_us < CALM_AFTER_US);
        self.growing.map(|(before, since_us, _)| (since_us, count - before))
    }
}

fn failure(seen: &Seen) -> String {
    if let (State::Degraded, Some(reason)) = (seen.state, &seen.degraded) {
        return format!("降级运行：{reason}");
    }
    let what = match seen.state {
        State::Failed => "已停止",
        State::Stuck => "对插件的调用没有返回",
        State::Degraded => "磁盘队列故障或损坏",
        _ => "插件出错，正在重新打开",
    };
    if seen.error.is_empty() { what.to_owned() } else { format!("{what}：{}", seen.error) }
}

fn why_away(seen: &Seen) -> String {
    match seen.in_call {
        in_call if in_call >= HANGS_AFTER => format!("已 {} 秒没有应答", in_call.as_secs()),
        _ => seen.error.clone(),
    }
}

fn losses(seen: &Seen, records: u64) -> String {
    let reasons: Vec<_> = seen.lost.iter().map(|(reason, _)| reason.as_str()).collect();
    format!("{records} 条（{}）", reasons.join("、"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: RoleKind, state: State) -> Seen {
        Seen {
            id: "x".to_owned(),
            kind,
            state,
            in_call: Duration::ZERO,
            is_silent: false,
            degraded: None,
            error: "no route".to_owned(),
            fatal: 0,
            lost: Vec::new(),
            denied: 0,
            spool: None,
        }
    }

    /// What is wrong at each second.
    fn at_each_second(looks: &[Seen]) -> Vec<Vec<(AlarmRule, i64)>> {
        let mut watch = Watch::default();
        let looks = looks.iter().zip(0..);
        let wrong = looks.map(|(seen, second)| {
            let wrong = watch.look(second * SECOND_US, std::slice::from_ref(seen));
            wrong.iter().map(|it| (it.rule, it.since_us / SECOND_US)).collect()
        });
        wrong.collect()
    }

    #[test]
    fn a_sink_is_away_once_it_could_not_deliver_for_some_seconds() {
        let sink = |state| seen(RoleKind::Sink, state);
        let states = [
            State::Running,
            State::Retrying,
            State::Retrying,
            State::Running,
            // from the fifth second on, also while a call takes long and while it is opened again
            State::Retrying,
            State::Retrying,
            State::Stuck,
            State::Restarting,
            State::Retrying,
            State::Retrying,
            State::Running,
        ];
        let found = at_each_second(&states.map(sink));
        let away: Vec<_> = found.iter().map(|it| it.contains(&(AlarmRule::StoreAway, 4))).collect();
        let expected = [false; 9].into_iter().chain([true, false]).collect::<Vec<_>>();
        assert_eq!(away, expected);
        // a source's server is no store
        let source = vec![seen(RoleKind::Source, State::Retrying); 10];
        assert!(at_each_second(&source).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_sink_whose_server_says_nothing_is_away_long_before_its_call_gives_up() {
        let hanging = |kind, state, seconds| Seen {
            in_call: Duration::from_secs(seconds),
            ..seen(kind, state)
        };
        let looks: Vec<_> =
            (0..14).map(|second| hanging(RoleKind::Sink, State::Running, second)).collect();
        let told = |looks: &[Seen]| at_each_second(looks).iter().position(|it| !it.is_empty());
        assert_eq!(told(&looks), Some(10));
        let mut watch = Watch::default();
        let details = looks.iter().zip(0..).map(|(seen, second)| {
            let wrong = watch.look(second * SECOND_US, std::slice::from_ref(seen));
            wrong.first().map(|it| it.detail.clone())
        });
        assert_eq!(details.last().unwrap().unwrap(), "已 13 秒没有应答");
        // calls that come back are none, nor is a source that waits for what comes
        assert_eq!(told(&vec![hanging(RoleKind::Sink, State::Running, 4); 30]), None);
        assert_eq!(told(&vec![hanging(RoleKind::Source, State::Running, 60); 30]), None);
    }

    #[test]
    fn an_instance_that_failed_counts_until_there_is_a_new_one_however_short_that_was() {
        let look = |state, fatal| Seen { fatal, ..seen(RoleKind::Sink, state) };
        let looks = [
            look(State::Running, 0),
            look(State::Running, 1),
            look(State::Running, 1),
            look(State::Restarting, 2),
            look(State::Restarting, 2),
            look(State::Running, 2),
            look(State::Failed, 3),
            look(State::Failed, 3),
        ];
        let failed = |since| vec![(AlarmRule::ComponentFailed, since)];
        let none = Vec::new;
        let expected =
            [none(), failed(1), none(), failed(3), failed(3), none(), failed(6), failed(6)];
        assert_eq!(at_each_second(&looks), expected);
    }

    #[test]
    fn a_queue_on_disk_that_is_nearly_full_is_so_until_it_has_eased() {
        let look = |fill| Seen { spool: Some(fill), ..seen(RoleKind::Sink, State::Running) };
        let found = at_each_second(&[0.79, 0.8, 0.75, 0.71, 0.69, 0.75].map(look));
        let full = |since| vec![(AlarmRule::SpoolAbove80, since)];
        let none = Vec::new;
        assert_eq!(found, [none(), full(1), full(1), full(1), none(), none()]);
    }

    #[test]
    fn a_count_that_grows_is_at_rest_after_a_minute() {
        let look = |denied| Seen { denied, ..seen(RoleKind::Transform, State::Running) };
        let mut watch = Watch::default();
        let mut wrong = |second: i64, count| {
            let found = watch.look(second * SECOND_US, &[look(count)]);
            found.first().map(|it| (it.since_us / SECOND_US, it.detail.clone()))
        };
        let told = |since: i64, text: &str| Some((since, text.to_owned()));
        assert_eq!(wrong(0, 0), None);
        assert_eq!(wrong(10, 2), told(10, "2 次"));
        assert_eq!(wrong(69, 2), told(10, "2 次"));
        assert_eq!(wrong(69, 5), told(10, "5 次"));
        assert_eq!(wrong(128, 5), told(10, "5 次"));
        assert_eq!(wrong(129, 5), None);
        assert_eq!(wrong(200, 6), told(200, "1 次"), "what was told is not told again");
        assert_eq!(wrong(201, 1), told(201, "1 次"), "another plugin of that id");
    }

    #[test]
    fn a_component_that_is_gone_has_nothing_wrong_and_is_forgotten() {
        let mut watch = Watch::default();
        let silent = Seen { is_silent: true, ..seen(RoleKind::Source, State::Silent) };
        assert_eq!(watch.look(0, std::slice::from_ref(&silent)).len(), 1);
        assert!(watch.look(SECOND_US, &[]).is_empty());
        assert_eq!(watch.look(2 * SECOND_US, &[silent])[0].since_us, 2 * SECOND_US);
    }

    #[test]
    fn every_day_that_is_not_complete_is_an_alarm_of_its_own() {
        let incomplete = |date: &str| Incomplete {
            ledger: "ledger".to_owned(),
            date: date.parse().unwrap(),
            since_us: 7,
            expected: 5_533,
            complete: 5_210,
            missing: 17,
        };
        let [first, second] = ["2026-01-05", "2026-01-06"].map(|date| day(&incomplete(date)));
        assert_eq!((first.rule, first.since_us), (AlarmRule::DayIncomplete, 7));
        assert_eq!(first.component, "ledger 2026-01-05");
        assert_ne!(first.component, second.component);
        for part in ["5533", "5210", "17", "dataserver days 2026-01-05"] {
            assert!(first.detail.contains(part), "{part}: {}", first.detail);
        }
    }

    #[test]
    fn what_a_transform_drops_by_its_rules_is_no_loss_and_what_the_host_drops_is() {
        let dropped = [("falling", 5), ("latest", 7), ("drop_oldest", 2)];
        let dropped = dropped.map(|(reason, records)| (reason.to_owned(), records));
        let of = |kind| super::super::look::lost(kind, dropped.clone());
        let reasons = |kind| of(kind).into_iter().map(|(reason, _)| reason).collect::<Vec<_>>();
        assert_eq!(reasons(RoleKind::Transform), ["drop_oldest"]);
        assert_eq!(reasons(RoleKind::Sink), ["falling", "drop_oldest"]);
    }
}
