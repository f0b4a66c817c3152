//! Rate, trend, lag and state of a reader: the rules, in one place.
//!
//! A component tells counts. What they mean shows in how they change, so the last samples are kept.
//! All times are microseconds since 1970 UTC, given by whoever asks.

use std::collections::VecDeque;

use plugin_api::Reader;
use serde::Serialize;

const SECOND_US: i64 = 1_000_000;
/// Samples that come faster add nothing.
const SPACING_US: i64 = 900_000;
/// How long samples are kept: what was lost in that time counts as being lost.
const KEPT_US: i64 = 60 * SECOND_US;
/// What a rate is taken over.
const RATE_US: i64 = 10 * SECOND_US;
/// What a trend is taken over, at most and at least.
const TREND_US: (i64, i64) = (30 * SECOND_US, 3 * SECOND_US);
/// Who takes nothing of what waits for it for so long is slow.
const STANDS_US: i64 = 10 * SECOND_US;
/// Who is so far behind the feed is slow, whatever it takes.
const FAR_BEHIND_US: i64 = 60 * SECOND_US;
/// Who was given nothing for so long, and has everything, is idle.
const QUIET_US: i64 = 60 * SECOND_US;
/// Who holds something and was not heard of for so long has gone; as a source's `claim_after`.
const SILENT_US: u64 = 60_000_000;
/// A lag that changed by less than this part of it did not change.
const STEADY_PART: u64 = 50;

/// What a reader is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has what there is, or nearly.
    Live,
    /// It has everything, and nothing has come for a while.
    Idle,
    /// It falls behind, or takes nothing of what waits for it.
    Slow,
    /// Records for it are being lost.
    Losing,
    /// It is not there any more.
    Gone,
}

/// Where a lag goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// It grows.
    Rising,
    /// It stays.
    Steady,
    /// It shrinks.
    Falling,
}

/// What a reader had at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    at_us: i64,
    records: u64,
    reached_us: Option<i64>,
    /// Records that it was not given.
    waiting: u64,
    /// Records that it has not done with.
    lag: u64,
    lost: u64,
}

impl Sample {
    /// What a reader has now.
    pub fn of(reader: &Reader, at_us: i64) -> Self {
        let waiting = reader.lag_records.unwrap_or_default();
        Self {
            at_us,
            records: reader.records.unwrap_or_default(),
            reached_us: reader.reached_us.or(reader.last_record_us),
            waiting,
            lag: waiting.saturating_add(reader.pending.unwrap_or_default()),
            lost: reader.lost,
        }
    }

    fn age_at(&self, at_us: i64) -> i64 {
        at_us.saturating_sub(self.at_us)
    }
}

/// What a reader had lately, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Sample>);

impl History {
    /// Adds a sample, unless the last one is as good as new.
    pub fn add(&mut self, sample: Sample) {
        let at_us = sample.at_us;
        if self.0.back().is_some_and(|last| last.age_at(at_us) < SPACING_US) {
            return;
        }
        self.0.push_back(sample);
        // one that is older than the time that counts stays, to count from
        while self.0.get(1).is_some_and(|second| second.age_at(at_us) >= KEPT_US) {
            self.0.pop_front();
        }
    }

    /// Records a second over the last ten; since the reader came, when there is no sample before.
    pub fn rate(&self, now: &Sample, since_us: Option<i64>) -> Option<f64> {
        let (records, from_us) = match self.before(now, RATE_US) {
            Some(base) if base.age_at(now.at_us) >= SECOND_US => {
                (now.records.saturating_sub(base.records), base.at_us)
            }
            _ => (now.records, since_us?),
        };
        per_second(records, now.at_us.saturating_sub(from_us))
    }

    /// Where the lag goes. A change that is less than what the reader takes in a second is none.
    pub fn trend(&self, now: &Sample) -> Trend {
        let (most, least) = TREND_US;
        let base = self.0.iter().find(|sample| sample.age_at(now.at_us) <= most);
        let Some(base) = base.filter(|base| base.age_at(now.at_us) >= least) else {
            return Trend::Steady;
        };
        let taken = now.records.saturating_sub(base.records);
        let seconds = base.age_at(now.at_us).unsigned_abs() / SECOND_US.unsigned_abs();
        let in_a_second = taken / seconds.max(1);
        let change = now.lag.abs_diff(base.lag);
        if change <= (base.lag / STEADY_PART).max(in_a_second) {
            Trend::Steady
        } else if now.lag > base.lag {
            Trend::Rising
        } else {
            Trend::Falling
        }
    }

    fn is_losing(&self, now: &Sample) -> bool {
        self.before(now, KEPT_US).is_some_and(|base| now.lost > base.lost)
    }

    /// Whether it was given nothing for so long, although something waited.
    fn stands(&self, now: &Sample) -> bool {
        let base = self.0.iter().rev().find(|sample| sample.age_at(now.at_us) >= STANDS_US);
        now.waiting > 0 && base.is_some_and(|base| base.waiting > 0 && is_where(base, now))
    }

    fn is_quiet(&self, reader: &Reader, now: &Sample) -> bool {
        match reader.last_record_us {
            Some(last_us) => now.at_us.saturating_sub(last_us) >= QUIET_US,
            None => {
                let base = self.0.iter().rev().find(|it| it.age_at(now.at_us) >= QUIET_US);
                base.is_some_and(|base| is_where(base, now))
            }
        }
    }

    /// The sample of so long ago, or the oldest that there is.
    fn before(&self, now: &Sample, age_us: i64) -> Option<&Sample> {
        let old = self.0.iter().rev().find(|sample| sample.age_at(now.at_us) >= age_us);
        old.or(self.0.front())
    }
}

fn is_where(base: &Sample, now: &Sample) -> bool {
    (base.records, base.reached_us) == (now.records, now.reached_us)
}

/// What the reader is doing; the first rule that holds counts.
pub fn state(reader: &Reader, history: &History, now: &Sample) -> State {
    let holds = reader.pending.is_some_and(|pending| pending > 0);
    let is_silent = reader.silent_us.is_some_and(|silent| silent >= SILENT_US);
    let is_far = behind_us(reader).is_some_and(|behind| behind >= FAR_BEHIND_US);
    if holds && is_silent {
        State::Gone
    } else if history.is_losing(now) {
        State::Losing
    } else if is_far || history.stands(now) || history.trend(now) == Trend::Rising {
        State::Slow
    } else if now.waiting == 0 && history.is_quiet(reader, now) {
        State::Idle
    } else {
        State::Live
    }
}

/// Seconds behind the feed; `None` when that is not known.
#[allow(clippy::cast_precision_loss)]
pub fn lag_seconds(reader: &Reader) -> Option<f64> {
    behind_us(reader).map(|behind_us| behind_us as f64 / 1e6)
}

fn behind_us(reader: &Reader) -> Option<i64> {
    if reader.lag_records == Some(0) {
        return Some(0);
    }
    Some(reader.newest_us?.saturating_sub(reader.reached_us?).max(0))
}

/// The share of what it was to get that it got, and acknowledged where it does that.
#[allow(clippy::cast_precision_loss)]
pub fn success_rate(reader: &Reader) -> Option<f64> {
    let done = reader.acknowledged.or(reader.records)?;
    let failed = reader.lost.saturating_add(reader.errors);
    let all = done.saturating_add(failed);
    (all > 0).then(|| done as f64 / all as f64)
}

#[allow(clippy::cast_precision_loss)]
fn per_second(records: u64, micros: i64) -> Option<f64> {
    (micros >= SECOND_US).then(|| records as f64 * 1e6 / micros as f64)
}

#[cfg(test)]
mod tests {
    use plugin_api::ReaderKind;

    use super::*;

    const NOW_US: i64 = 1_763_600_000_000_000;

    fn reader(records: u64, lag: u64) -> Reader {
        Reader {
            records: Some(records),
            lag_records: Some(lag),
            ..Reader::new(ReaderKind::Subscriber, "1")
        }
    }

    /// What a reader is at the end of these moments: second, records, lag, lost.
    fn after(moments: &[(i64, u64, u64, u64)]) -> (State, Trend, Option<f64>) {
        let mut history = History::default();
        let (last, before) = moments.split_last().unwrap();
        let told = |moment: &(i64, u64, u64, u64)| {
            let (second, records, lag, lost) = *moment;
            let at_us = NOW_US + second * SECOND_US;
            let last_record_us = (records > 0).then_some(at_us);
            let reached_us = i64::try_from(records).ok();
            (Reader { lost, last_record_us, reached_us, ..reader(records, lag) }, at_us)
        };
        for moment in before {
            let (reader, at_us) = told(moment);
            history.add(Sample::of(&reader, at_us));
        }
        let (reader, at_us) = told(last);
        let now = Sample::of(&reader, at_us);
        let rate = history.rate(&now, Some(NOW_US - SECOND_US));
        (state(&reader, &history, &now), history.trend(&now), rate)
    }

    #[test]
    fn a_rate_is_that_of_the_last_ten_seconds() {
        assert_eq!(after(&[(0, 500, 0, 0)]).2, Some(500.0), "since it came");
        assert_eq!(after(&[(0, 0, 0, 0), (2, 100, 0, 0)]).2, Some(50.0));
        let fast_then_slow = [(0, 0, 0, 0), (10, 10_000, 0, 0), (20, 10_100, 0, 0)];
        assert_eq!(after(&fast_then_slow).2, Some(10.0));
    }

    #[test]
    fn a_lag_that_grows_makes_slow_and_one_that_only_swings_does_not() {
        let growing = [(0, 100, 0, 0), (5, 150, 500, 0), (10, 200, 1_000, 0)];
        assert_eq!(after(&growing).1, Trend::Rising);
        assert_eq!(after(&growing).0, State::Slow);
        let catching_up = [(0, 100, 1_000, 0), (5, 150, 500, 0), (10, 200, 10, 0)];
        assert_eq!(after(&catching_up).1, Trend::Falling);
        assert_eq!(after(&catching_up).0, State::Live);
        // less than what it takes in a second
        let swinging = [(0, 0, 0, 0), (5, 5_000, 800, 0)];
        assert_eq!((after(&swinging).0, after(&swinging).1), (State::Live, Trend::Steady));
        let too_early = [(0, 0, 0, 0), (2, 0, 9_000, 0)];
        assert_eq!(after(&too_early).1, Trend::Steady);
    }

    #[test]
    fn who_takes_nothing_of_what_waits_is_slow_though_the_lag_stays() {
        let standing = [(0, 7, 40, 0), (10, 7, 40, 0)];
        assert_eq!(after(&standing).0, State::Slow);
        let moving = [(0, 7, 40, 0), (10, 8, 40, 0)];
        assert_eq!(after(&moving).0, State::Live);
        assert_eq!(after(&[(0, 7, 40, 0), (9, 7, 40, 0)]).0, State::Live, "not long enough");
    }

    #[test]
    fn losing_lasts_a_minute_after_the_last_loss() {
        let lost = [(0, 1, 0, 0), (5, 2, 0, 30)];
        assert_eq!(after(&lost).0, State::Losing);
        let mut later: Vec<_> = (0..65).map(|second| (second, 10, 0, 30)).collect();
        later[0].3 = 0;
        assert_eq!(after(&later[..60]).0, State::Losing);
        assert_eq!(after(&later).0, State::Live);
        assert_eq!(after(&[(0, 10, 0, 30)]).0, State::Live, "who is seen first lost it before");
    }

    #[test]
    fn who_has_everything_is_idle_when_nothing_comes() {
        let history = History::default();
        let at = |last_us, lag| {
            let reader = Reader { last_record_us: Some(last_us), ..reader(10, lag) };
            state(&reader, &history, &Sample::of(&reader, NOW_US))
        };
        assert_eq!(at(NOW_US - 59 * SECOND_US, 0), State::Live);
        assert_eq!(at(NOW_US - 60 * SECOND_US, 0), State::Idle);
        assert_eq!(at(NOW_US - 60 * SECOND_US, 1), State::Live, "something waits for it");
        // who was never given anything, after a minute of watching
        let never: Vec<_> = (0..=60).map(|second| (second, 0, 0, 0)).collect();
        assert_eq!(after(&never[..60]).0, State::Live);
        assert_eq!(after(&never).0, State::Idle);
    }

    #[test]
    fn who_holds_something_and_is_not_heard_of_has_gone() {
        let of = |pending, silent_us| {
            let reader = Reader {
                pending: Some(pending),
                silent_us: Some(silent_us),
                last_record_us: Some(NOW_US),
                ..reader(10, 0)
            };
            state(&reader, &History::default(), &Sample::of(&reader, NOW_US))
        };
        assert_eq!(of(3, SILENT_US), State::Gone);
        assert_eq!(of(3, SILENT_US - 1), State::Live);
        assert_eq!(of(0, SILENT_US), State::Live, "it waits for the next");
    }

    #[test]
    fn seconds_behind_are_those_between_the_newest_record_and_the_last_it_has() {
        let behind = |lag, newest_us, reached_us| {
            lag_seconds(&Reader { lag_records: lag, newest_us, reached_us, ..Reader::default() })
        };
        assert_eq!(behind(Some(5), Some(NOW_US), Some(NOW_US - 2_500_000)), Some(2.5));
        assert_eq!(behind(Some(0), Some(NOW_US), Some(0)), Some(0.0), "it has everything");
        assert_eq!(behind(Some(5), Some(NOW_US), Some(NOW_US + 1)), Some(0.0));
        assert_eq!(behind(Some(5), None, Some(NOW_US)), None);
        let far = Reader {
            newest_us: Some(NOW_US),
            reached_us: Some(NOW_US - FAR_BEHIND_US),
            ..reader(10, 5)
        };
        let now = Sample::of(&far, NOW_US);
        assert_eq!(state(&far, &History::default(), &now), State::Slow, "at first sight");
    }

    #[test]
    fn success_is_what_was_done_of_all_that_was_to_be_done() {
        let of = |records, acknowledged, lost, errors| {
            success_rate(&Reader { records, acknowledged, lost, errors, ..Reader::default() })
        };
        assert_eq!(of(Some(90), None, 10, 0), Some(0.9));
        assert_eq!(of(Some(90), Some(30), 0, 10), Some(0.75));
        assert_eq!(of(Some(0), None, 0, 0), None);
        assert_eq!(of(None, None, 3, 0), None);
    }

    #[test]
    fn the_past_is_bounded() {
        let mut history = History::default();
        for step in 0..10_000 {
            history.add(Sample::of(&reader(1, 0), NOW_US + step * 100_000));
        }
        assert!((60..=80).contains(&history.0.len()), "{}", history.0.len());
    }
}
