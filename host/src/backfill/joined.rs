//! Gives transforms the minutes of today from before their start.
//!
//! A transform with the option `history` names a source of history. When it has begun, that source
//! is asked for the minutes of today up to now, of each security whose quotes come to the transform,
//! and what it answers goes into the transform's queue, as records of that source. Which securities
//! these are is known from the observer, so the host needs `[host] http`. One that comes into sight
//! later is asked for then. A source that fails leaves the bars as they are without history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use ::days::Day;
use dataserver_backfill::{Keeping, Piece, Series, Sources, Tally};
use dataserver_config::{Component, Pipeline};
use dataserver_engine::{
    ack::Receipt,
    observer::Key,
    queue::Delivery,
    telemetry,
    topology::{Feed, Topology},
};
use plugin_api::{
    Batch, PluginError, Provenance, RoleKind,
    schemas::{session::TradingCalendar, time::ExchangeTime},
};
use serde_json::{Map, Value};

use super::{past::Past, stop::Stop};
use crate::reload::Reloader;

/// The option by which a transform names a source of history.
const HISTORY: &str = "history";
const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
/// First minute of a day that is asked for, from midnight.
const FIRST_US: i64 = (9 * 60 + 15) * MINUTE_US;
/// From here on there is a minute that could be missing.
const OPEN_US: i64 = (9 * 60 + 31) * MINUTE_US;
/// How often it is looked who is new.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Securities come into sight together: they are asked for when no other has come for so long, or
/// the first one has waited for so much longer.
const SETTLED_AFTER_US: i64 = 3 * SECOND_US;
const LONGEST_WAIT_US: i64 = 15 * SECOND_US;
/// Securities of one question.
const MAX_SYMBOLS: usize = 200;
/// Pauses after a source failed, the last one again and again.
const RETRY_AFTER_US: [i64; 3] = [10 * SECOND_US, 60 * SECOND_US, 600 * SECOND_US];
/// How often a queue without room is looked at.
const ROOM_EVERY: Duration = Duration::from_millis(20);

/// The thread that does this.
#[derive(Debug)]
pub struct Joining {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

impl Joining {
    /// Ends it, and waits for that.
    pub fn end(self) {
        self.stop.cancel();
        let _ = self.thread.join();
    }
}

/// Gives the transforms of the pipeline that this reloader keeps what they are to join, for as long
/// as it runs.
///
/// # Errors
/// When the system gives no thread.
pub fn start(reloader: &Arc<Reloader>) -> std::io::Result<Joining> {
    let stop = Stop::new(reloader.topology().shutdown());
    let mut watching = Watching {
        reloader: Arc::clone(reloader),
        stop: Arc::clone(&stop),
        calendar: TradingCalendar::shipped(),
        by_transform: BTreeMap::new(),
    };
    let thread = thread::Builder::new().name("history".to_owned()).spawn(move || {
        while watching.stop.pause(LOOK_EVERY).is_ok() {
            watching.look();
        }
    })?;
    Ok(Joining { stop, thread })
}

struct Watching {
    reloader: Arc<Reloader>,
    stop: Arc<Stop>,
    calendar: TradingCalendar,
    by_transform: BTreeMap<String, Known>,
}

/// What one instance of a transform was given.
#[derive(Debug, Default)]
struct Known {
    /// Its options: with others it is another instance.
    options: Map<String, Value>,
    /// How often it had failed: after that it is another instance.
    restarts: u64,
    /// Securities that were asked for, or that were there before the day began.
    asked: BTreeSet<String>,
    /// Others, since the last of them came, and since the first did.
    waiting: BTreeSet<String>,
    since_us: (i64, i64),
    /// When the source may be asked again, and how often it has failed.
    retry_us: i64,
    failures: usize,
    /// Number of the last batch.
    sequence: u64,
    epoch: u64,
    was_told: bool,
}

impl Known {
    /// The securities that are to be asked for now.
    fn due(&mut self, in_sight: &BTreeSet<String>, now_us: i64) -> Vec<String> {
        let new: BTreeSet<_> = in_sight.difference(&self.asked).cloned().collect();
        if new.is_empty() || now_us < self.retry_us {
            self.waiting.clear();
            return Vec::new();
        }
        if new != self.waiting {
            let first_us = if self.waiting.is_empty() { now_us } else { self.since_us.1 };
            (self.since_us, self.waiting) = ((now_us, first_us), new);
        }
        let (last_us, first_us) = self.since_us;
        let is_settled =
            now_us - last_us >= SETTLED_AFTER_US || now_us - first_us >= LONGEST_WAIT_US;
        if is_settled { self.waiting.iter().cloned().collect() } else { Vec::new() }
    }

    fn note_failure(&mut self, now_us: i64) {
        let pause_us = RETRY_AFTER_US[self.failures.min(RETRY_AFTER_US.len() - 1)];
        self.failures += 1;
        self.retry_us = now_us + pause_us;
    }
}

impl Watching {
    fn look(&mut self) {
        let topology = Arc::clone(self.reloader.topology());
        let pipeline = topology.pipeline();
        let transforms: Vec<_> = pipeline.components.iter().filter_map(named).collect();
        self.by_transform.retain(|id, _| transforms.iter().any(|(it, _)| it.id == *id));
        for (transform, source) in transforms {
            self.look_at(&topology, &pipeline, transform, source);
        }
    }

    fn look_at(
        &mut self,
        topology: &Topology,
        pipeline: &Arc<Pipeline>,
        transform: &Component,
        source: &str,
    ) {
        let components = topology.components();
        let Some(status) = components.iter().find(|status| status.id == transform.id) else {
            return;
        };
        if status.state() != telemetry::State::Running {
            return;
        }
        let now_us = topology.now_us();
        let restarts = status.metrics.restarts.get();
        let known = self.by_transform.entry(transform.id.clone()).or_default();
        if known.options != transform.options || known.restarts != restarts {
            let (options, epoch) = (transform.options.clone(), now_us.unsigned_abs());
            *known = Known { options, restarts, epoch, ..Known::default() };
        }
        let Some(in_sight) = in_sight(topology, pipeline, &transform.id) else {
            if !std::mem::replace(&mut known.was_told, true) {
                let component = transform.id.as_str();
                tracing::warn!(
                    component,
                    "no history is joined: which securities come is known with `[host] http` alone"
                );
            }
            return;
        };
        let due = known.due(&in_sight, now_us);
        if due.is_empty() {
            return;
        }
        let Some(span) = minutes_before(now_us, &self.calendar) else {
            known.asked.extend(due);
            return;
        };
        let Some(feed) = topology.feed(&transform.id) else { return };
        let catalog = self.reloader.catalog();
        let nobody = |_: Option<String>| {};
        let mut past = Past::new(Arc::clone(pipeline), catalog, Arc::clone(&self.stop), &nobody);
        let mut giving = Giving { feed: &feed, stop: &self.stop, source, now_us };
        for group in due.chunks(MAX_SYMBOLS) {
            match giving.give(&mut past, known, group, span) {
                Ok(records) => {
                    known.asked.extend(group.iter().cloned());
                    known.failures = 0;
                    let (component, securities) = (transform.id.as_str(), group.len());
                    tracing::info!(component, source, securities, records, "history is joined");
                }
                Err(error) if self.stop.halt().is_none() => {
                    known.note_failure(now_us);
                    let text = format!(
                        "history of `{source}` is not joined, bars begin with the first quote: \
                         {error}; it is asked again"
                    );
                    tracing::warn!(component = transform.id, "{text}");
                    status.note_error(&PluginError { message: text, ..error });
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

/// Gives a transform what its source of history says.
struct Giving<'a> {
    feed: &'a Feed,
    stop: &'a Stop,
    source: &'a str,
    now_us: i64,
}

impl Giving<'_> {
    /// Asks for securities and gives the answer to the transform; how many records that were.
    ///
    /// A question that is refused is asked again for each security of it alone, so that one of which
    /// there is nothing costs no other.
    fn give(
        &mut self,
        past: &mut dyn Sources,
        known: &mut Known,
        symbols: &[String],
        span: (i64, i64),
    ) -> Result<u64, PluginError> {
        let failed = match self.give_at_once(past, known, symbols, span) {
            Err(error) if symbols.len() > 1 => error,
            given => return given,
        };
        let (mut records, mut has_any) = (0, false);
        for symbol in symbols {
            match self.give_at_once(past, known, std::slice::from_ref(symbol), span) {
                Ok(more) => (records, has_any) = (records + more, true),
                // the first ones tell whether the source is away
                Err(error) if !has_any && error.kind == plugin_api::ErrorKind::Retry => {
                    return Err(failed);
                }
                Err(error) => tracing::debug!(symbol, "no history: {error}"),
            }
        }
        if has_any { Ok(records) } else { Err(failed) }
    }

    fn give_at_once(
        &mut self,
        past: &mut dyn Sources,
        known: &mut Known,
        symbols: &[String],
        span: (i64, i64),
    ) -> Result<u64, PluginError> {
        let (series, records) = (Series::bars("1m"), u64::MAX);
        let piece = Piece { symbols: symbols.to_vec(), spans: vec![span], records };
        let (mut keeping, mut tally) = (Keeping::new(&piece, &series), Tally::default());
        let mut answer = past.ask(self.source, &piece.ask(symbols.to_vec(), &series))?;
        while let Some(batch) = answer.next()? {
            if let Some(kept) = keeping.keep(&batch, &mut tally)? {
                self.send(known, kept)?;
            }
        }
        Ok(tally.written)
    }

    fn send(&mut self, known: &mut Known, batch: Batch) -> Result<(), PluginError> {
        while self.feed.is_pressed() {
            let stopped = |_| PluginError::retry("this is ending");
            self.stop.pause(ROOM_EVERY).map_err(stopped)?;
        }
        known.sequence += 1;
        let mut provenance = Provenance::of_source(self.source);
        (provenance.epoch, provenance.sequence) = (known.epoch, known.sequence);
        provenance.received_at_us = self.now_us;
        let batch = batch.with_provenance(provenance);
        self.feed.send_history(Delivery { batch, receipt: Receipt::none() });
        Ok(())
    }
}

/// A transform that names a source of history, with its id.
fn named(component: &Component) -> Option<(&Component, &str)> {
    let source = component.options.get(HISTORY)?.as_str()?;
    (component.kind == RoleKind::Transform).then_some((component, source))
}

/// The securities whose newest quote came from a source from which that component reads; `None`
/// when nobody observes.
fn in_sight(topology: &Topology, pipeline: &Pipeline, id: &str) -> Option<BTreeSet<String>> {
    let observer = topology.observer()?;
    let sources = upstream(pipeline, id);
    let keys: Vec<Key> = observer.names().into_iter().map(|(key, _)| key).collect();
    let quotes = observer.quotes(&keys).into_iter().flatten();
    let from_there = quotes.filter(|quote| sources.contains(&*quote.source));
    Some(from_there.map(|quote| quote.key.to_string()).collect())
}

/// Ids of all sources from which records come to a component.
fn upstream<'a>(pipeline: &'a Pipeline, id: &str) -> BTreeSet<&'a str> {
    let find = |id: &str| pipeline.components.iter().find(|it| it.id == id);
    let mut open: Vec<_> = find(id).into_iter().collect();
    let (mut seen, mut sources) = (BTreeSet::new(), BTreeSet::new());
    while let Some(next) = open.pop() {
        if next.kind == RoleKind::Source {
            sources.insert(next.id.as_str());
        }
        let inputs = next.inputs.iter().filter_map(|input| find(input));
        open.extend(inputs.filter(|it| seen.insert(it.id.as_str())));
    }
    sources
}

/// First and last moment of the minutes of today that have ended; `None` when there is none.
fn minutes_before(now_us: i64, calendar: &TradingCalendar) -> Option<(i64, i64)> {
    let ExchangeTime { day, of_day_us } = ExchangeTime::from_utc_us(now_us);
    if !calendar.is_trading_day(day) || of_day_us < OPEN_US {
        return None;
    }
    Some((Day(day).start_us() + FIRST_US, now_us - now_us.rem_euclid(MINUTE_US)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn securities_are_asked_for_once_when_no_other_comes_into_sight() {
        let mut known = Known::default();
        let (one, two) = (names(&["a"]), names(&["a", "b"]));
        let mut look = |seen: &BTreeSet<String>, seconds: i64| {
            let due = known.due(seen, seconds * SECOND_US);
            known.asked.extend(due.iter().cloned());
            due
        };
        assert!(look(&one, 0).is_empty() && look(&two, 2).is_empty() && look(&two, 4).is_empty());
        assert_eq!(look(&two, 5), ["a", "b"]);
        assert!(look(&two, 10).is_empty());
        assert!(look(&names(&["c"]), 20).is_empty());
        assert_eq!(look(&names(&["c"]), 23), ["c"]);
    }

    #[test]
    fn securities_that_come_without_end_are_asked_for_all_the_same() {
        let mut known = Known::default();
        let mut seen = BTreeSet::new();
        let asked = (0..60).find(|second| {
            seen.insert(format!("{second:02}"));
            !known.due(&seen, second * SECOND_US).is_empty()
        });
        assert_eq!(asked, Some(15));
    }

    #[test]
    fn a_source_that_failed_is_asked_again_after_a_growing_pause() {
        let (mut known, seen) = (Known::default(), names(&["a"]));
        let mut asked = Vec::new();
        for second in 0..2_000 {
            if !known.due(&seen, second * SECOND_US).is_empty() {
                known.note_failure(second * SECOND_US);
                asked.push(second);
            }
        }
        assert_eq!(asked, [3, 16, 79, 682, 1_285, 1_888]);
    }

    #[test]
    fn minutes_are_those_of_a_trading_day_that_have_ended() {
        let calendar = TradingCalendar::shipped();
        // 2026-01-05, a Monday
        let monday_us = 1_767_542_400_000_000;
        let at = |minutes: i64, seconds: i64| {
            minutes_before(monday_us + minutes * MINUTE_US + seconds * SECOND_US, &calendar)
        };
        assert_eq!(at(9 * 60 + 30, 59), None);
        let first_us = monday_us + FIRST_US;
        assert_eq!(at(9 * 60 + 31, 5), Some((first_us, monday_us + OPEN_US)));
        assert_eq!(at(10 * 60, 30), Some((first_us, monday_us + 600 * MINUTE_US)));
        assert_eq!(at(-1_440 + 600, 0), None, "a Sunday");
    }
}
