//! Judges the trading days that are over, for the alarm and the metric.
//!
//! A thread of its own reads the ledger once a minute, because that may block: who looks at what is
//! wrong takes what was found last. The same thread notes [outages](Outages) and
//! [deviations](Deviations) there. A day is judged a quarter of an hour after its close, when what
//! sources give late has come. One on which no host ran is nobody's fault: it is not judged.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ::days::{Day, DaySummary, LedgerError, Verdict};
use dataserver_engine::{clock::Clock, topology::Topology};

use super::{deviations::Deviations, outages::Outages, place::Place};

/// How often it is looked which sources are away.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const JUDGE_EVERY: Duration = Duration::from_secs(60);
/// From midnight to a quarter of an hour after the close.
const JUDGED_AFTER_US: i64 = (15 * 60 + 15) * 60 * 1_000_000;
/// So far back a day that is not complete stays an alarm.
const DAYS_BACK: i64 = 30;

/// A trading day that is over and has gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// Id of the sink that keeps account of it.
    pub ledger: String,
    /// Which one.
    pub date: Day,
    /// When it was to be judged, microseconds since 1970 UTC.
    pub since_us: i64,
    /// Securities that were expected.
    pub expected: u64,
    /// Those of which all is there.
    pub complete: u64,
    /// Records that are missing, about.
    pub missing: u64,
}

/// What was found last; a clone shows the same.
#[derive(Debug, Clone, Default)]
pub struct Judged(Arc<Mutex<Vec<Incomplete>>>);

impl Judged {
    /// Days that are not complete: the one that was over last when the host began, and those since.
    pub fn incomplete(&self) -> Vec<Incomplete> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, found: Vec<Incomplete>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// The thread that judges.
#[derive(Debug)]
pub struct Judging {
    judged: Judged,
    /// Dropping it wakes the thread up, which then ends.
    end: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// Judges the days of a pipeline for as long as it runs; where its ledger is, is read each time.
///
/// # Errors
/// When the system gives no thread.
pub fn start(topology: Arc<Topology>, clock: Arc<dyn Clock>) -> io::Result<Judging> {
    let judged = Judged::default();
    let (end, ended) = sync_channel(0);
    let judge = Judge { judged: judged.clone(), first: None, told: String::new() };
    let thread = thread::Builder::new()
        .name("days".to_owned())
        .spawn(move || judge.run(&topology, clock.as_ref(), &ended))?;
    Ok(Judging { judged, end, thread })
}

impl Judging {
    /// What it found last.
    pub fn judged(&self) -> Judged {
        self.judged.clone()
    }

    /// Ends it, and waits for that.
    pub fn end(self) {
        drop(self.end);
        let _ = self.thread.join();
    }
}

struct Judge {
    judged: Judged,
    /// The first day that is an alarm.
    first: Option<Day>,
    /// What was told of a ledger that cannot be read.
    told: String,
}

impl Judge {
    fn run(mut self, topology: &Topology, clock: &dyn Clock, ended: &Receiver<()>) {
        let (mut outages, mut deviations) = (Outages::default(), Deviations::default());
        let mut judged = None::<Instant>;
        loop {
            outages.look(topology);
            deviations.look(topology);
            if judged.is_none_or(|judged| judged.elapsed() >= JUDGE_EVERY) {
                judged = Some(Instant::now());
                self.look(topology, clock.now_us());
            }
            if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn look(&mut self, topology: &Topology, now_us: i64) {
        let Ok(place) = Place::of(&topology.pipeline()) else {
            self.judged.set(Vec::new());
            return;
        };
        let today = Day::of(now_us);
        // one that is under way is not looked at, which takes the most time
        let last = if judged_us(today) <= now_us { today } else { Day(today.0 - 1) };
        let first = Day(last.0 - DAYS_BACK);
        let read = place.read().and_then(|ledger| ledger.calendar(first, last, now_us));
        match read {
            Ok(days) => {
                let over = over(&days, now_us);
                if let Some(ratio) = over.last().map(|day| day.completeness()) {
                    let mut components = topology.components().into_iter();
                    let keeper = components.find(|status| status.id == place.id);
                    keeper.inspect(|status| status.metrics.day_completeness(ratio));
                }
                let incomplete = self.incomplete(&place.id, &over);
                self.judged.set(incomplete);
                self.told.clear();
            }
            // before its first day; the sink itself tells what goes wrong with the file
            Err(LedgerError::Absent(_)) => {}
            Err(error) => {
                let text = error.to_string();
                if text != self.told {
                    tracing::warn!(component = place.id, "days are not judged: {text}");
                    self.told = text;
                }
            }
        }
    }

    fn incomplete(&mut self, ledger: &str, over: &[&DaySummary]) -> Vec<Incomplete> {
        let Some(last) = over.last() else { return Vec::new() };
        let first = *self.first.get_or_insert(last.date);
        let is_wrong = |day: &&&DaySummary| day.date >= first && day.verdict == Verdict::Incomplete;
        let wrong = over.iter().filter(is_wrong).map(|day| Incomplete {
            ledger: ledger.to_owned(),
            date: day.date,
            since_us: judged_us(day.date),
            expected: day.expected,
            complete: day.complete,
            missing: day.missing,
        });
        wrong.collect()
    }
}

fn judged_us(day: Day) -> i64 {
    day.start_us() + JUDGED_AFTER_US
}

/// Trading days that can be judged, in the order of a calendar.
fn over(days: &[DaySummary], now_us: i64) -> Vec<&DaySummary> {
    let is_over = |day: &&DaySummary| {
        let is_traded = matches!(day.verdict, Verdict::Complete | Verdict::Incomplete);
        is_traded && !day.open && judged_us(day.date) <= now_us
    };
    days.iter().filter(is_over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str, verdict: Verdict, complete: u64) -> DaySummary {
        let date = date.parse().unwrap();
        DaySummary { date, verdict, expected: 4, seen: 4, complete, missing: 9, open: false }
    }

    fn at(date: &str, minutes: i64) -> i64 {
        date.parse::<Day>().unwrap().start_us() + minutes * 60_000_000
    }

    /// Dates that are an alarm at a moment.
    fn dates(judge: &mut Judge, days: &[DaySummary], now_us: i64) -> Vec<String> {
        let found = judge.incomplete("ledger", &over(days, now_us));
        found.into_iter().map(|it| it.date.to_string()).collect()
    }

    fn judge() -> Judge {
        Judge { judged: Judged::default(), first: None, told: String::new() }
    }

    #[test]
    fn a_day_is_judged_a_quarter_of_an_hour_after_its_close() {
        let days = [day("2026-01-05", Verdict::Incomplete, 3)];
        assert!(dates(&mut judge(), &days, at("2026-01-05", 15 * 60 + 14)).is_empty());
        let found = judge().incomplete("ledger", &over(&days, at("2026-01-05", 15 * 60 + 15)));
        assert_eq!(found[0].since_us, at("2026-01-05", 15 * 60 + 15));
        assert_eq!((found[0].expected, found[0].complete, found[0].missing), (4, 3, 9));
        let open = [DaySummary { open: true, ..days[0].clone() }];
        assert!(dates(&mut judge(), &open, at("2026-01-05", 16 * 60)).is_empty());
    }

    #[test]
    fn days_before_the_host_began_are_no_alarm_but_for_the_last_one() {
        let mut days = vec![
            day("2026-01-05", Verdict::Incomplete, 3),
            day("2026-01-06", Verdict::Incomplete, 3),
            day("2026-01-07", Verdict::NoHost, 0),
        ];
        let mut judge = judge();
        assert_eq!(dates(&mut judge, &days, at("2026-01-08", 600)), ["2026-01-06"]);
        days.push(day("2026-01-08", Verdict::Incomplete, 2));
        let evening = at("2026-01-08", 20 * 60);
        assert_eq!(dates(&mut judge, &days, evening), ["2026-01-06", "2026-01-08"]);
        days[1].verdict = Verdict::Complete;
        assert_eq!(dates(&mut judge, &days, evening), ["2026-01-08"]);
    }
}
