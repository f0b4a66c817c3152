//! Checks that every plugin of a role must pass, without a host.
//!
//! ```text
//! #[test]
//! fn the_sink_keeps_its_contract() {
//!     plugin_api::testing::check_sink::<Console>(json!({}));
//! }
//! ```
//!
//! A check panics with the rule that was broken.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use schemas::{
    encode::{SpotListEncoder, SpotRecord},
    records::bar::{BarRecord, encode_bars},
    spot::Symbol,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    Action, Batch, Context, ErrorKind, HostServices, Level, Outcome, Output, PluginError, Polled,
    Reader, Report, Round, Sink, Source, Transform, options_schema,
};

/// A host that remembers what a plugin told it.
#[derive(Debug, Default)]
pub struct TestHost {
    now_us: AtomicI64,
    stopping: AtomicBool,
    told: Mutex<Told>,
}

/// What a plugin told a [`TestHost`], in order.
#[derive(Debug, Default, Clone)]
pub struct Told {
    /// Log lines.
    pub logs: Vec<(Level, String)>,
    /// Dropped records: reason and number.
    pub dropped: Vec<(String, u64)>,
    /// Counters with their increments.
    pub counts: Vec<(String, u64)>,
    /// Gauges with their values.
    pub gauges: Vec<(String, f64)>,
    /// How long the source may be silent, each time it said so.
    pub expectations: Vec<Option<Duration>>,
    /// Dead letters: reason and payload.
    pub dead_letters: Vec<(String, Vec<u8>)>,
    /// What it reported of itself.
    pub reports: Vec<Report>,
}

impl TestHost {
    /// Sets the clock, microseconds since 1970 UTC.
    pub fn set_now_us(&self, now_us: i64) {
        self.now_us.store(now_us, Ordering::Relaxed);
    }

    /// Tells the plugin that it should end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// What the plugin told so far.
    pub fn told(&self) -> Told {
        self.lock().clone()
    }

    /// Sum of a counter.
    pub fn counted(&self, metric: &str) -> u64 {
        self.lock().counts.iter().filter(|(name, _)| name == metric).map(|(_, by)| by).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl HostServices for TestHost {
    fn log(&self, level: Level, message: &str) {
        self.lock().logs.push((level, message.to_owned()));
    }

    fn dropped(&self, reason: &str, records: u64) {
        self.lock().dropped.push((reason.to_owned(), records));
    }

    fn count(&self, metric: &str, by: u64) {
        self.lock().counts.push((metric.to_owned(), by));
    }

    fn gauge(&self, metric: &str, value: f64) {
        self.lock().gauges.push((metric.to_owned(), value));
    }

    fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn expect_records(&self, within: Option<Duration>) {
        self.lock().expectations.push(within);
    }

    fn dead_letter(&self, reason: &str, payload: &[u8]) {
        self.lock().dead_letters.push((reason.to_owned(), payload.to_vec()));
    }

    fn report(&self, report: &Report) {
        self.lock().reports.push(report.clone());
    }
}

/// A context whose relative paths and state lie in `dir`.
pub fn context(host: &Arc<TestHost>, dir: &Path) -> Context {
    Context::new("test", dir, dir.join("state"), Arc::clone(host) as Arc<dyn HostServices>)
}

/// Options from JSON, as the host hands them over.
///
/// # Errors
/// `Config`, as the glue of a plugin says it.
pub fn options<T: DeserializeOwned>(options: Value) -> Result<T, PluginError> {
    serde_json::from_value(options).map_err(|error| PluginError::config(error.to_string()))
}

/// One batch of quotes `600000.SH`, `600001.SH`, … with growing prices, at that place of a round.
pub fn spot_batch(records: usize, round: Round) -> Batch {
    let mut encoder = SpotListEncoder::new(records);
    for index in 0..records {
        let code = format!("{}", 600_000 + index);
        #[allow(clippy::cast_precision_loss)]
        let price = 10.0 + index as f64 / 100.0;
        let record = SpotRecord {
            market: "SH",
            code: &code,
            name: "测试",
            time_us: 1_638_321_301_000_000 + i64::try_from(index).unwrap_or(0),
            pre_close: price,
            open: price,
            high: price,
            low: price,
            close: price,
            amount_cny: price * 1_000.0,
            volume_shares: 1_000,
            bid: &[price, price - 0.01],
            bid_volume: &[100, 200],
            ask: &[price + 0.01],
            ask_volume: &[300],
            source: "test",
            sequence: index as u64 + 1,
            ..SpotRecord::default()
        };
        assert!(encoder.push(&record).is_ok(), "the test batch is too large");
    }
    Batch::from_spots(&mut encoder, round)
}

/// One batch with one bar.
pub fn bar_batch() -> Batch {
    let bar = BarRecord {
        symbol: Symbol { market: "SH", code: "600000" },
        period: "1m",
        time_us: 1_638_322_260_000_000,
        open: 10.0,
        high: 10.2,
        low: 9.9,
        close: 10.1,
        amount_cny: 12_345.0,
        volume_shares: 1_200,
        closed: true,
        quality_score: None,
        source: "test",
    };
    match Batch::from_bars(encode_bars([bar])) {
        Ok(batch) => batch,
        Err(error) => panic!("the test bars are refused: {error}"),
    }
}

/// Checks the options of a plugin: described, closed, and `minimal` among them.
pub fn check_options<T: DeserializeOwned + JsonSchema>(minimal: &Value) {
    let schema = options_schema::<T>();
    assert_eq!(schema["type"], "object", "options are a table");
    assert_eq!(schema["additionalProperties"], json!(false), "unknown options are errors");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        assert!(property["description"].is_string(), "option `{name}` has no doc comment");
    }
    assert!(options::<T>(minimal.clone()).is_ok(), "{minimal} should do");
    let mut unknown = minimal.clone();
    unknown["no_such_option"] = json!(1);
    assert!(options::<T>(unknown).is_err(), "an unknown option was taken");
}

/// How long a source may take in [`check_source`].
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// What each call of `next` is given to wait.
    wait: Duration,
    /// What a call may take beyond that.
    grace: Duration,
    /// Longest time without a batch.
    idle: Duration,
}

const BOUNDS: Bounds = Bounds {
    wait: Duration::from_millis(50),
    grace: Duration::from_secs(2),
    idle: Duration::from_secs(20),
};

/// Runs a source to its end, or to `most` batches, and checks every answer. Returns the batches.
///
/// Rounds open and close in turn, records are numbered from 1 without a gap and carry the
/// component's name, and an ended source stays ended; only one that has ended by itself may say when
/// it is closed that something is missing. A call of `next` is given 50 ms and may take 2 s more; a
/// source that gives no batch for 20 s fails, so that the check always ends: ask for as many batches
/// as there are.
pub fn check_source<S: Source>(minimal: &Value, context: Context, most: usize) -> Vec<Batch> {
    check_options::<S::Options>(minimal);
    let options = options(minimal.clone()).unwrap_or_else(|error| panic!("{error}"));
    let mut source = S::open(options, context).unwrap_or_else(|error| panic!("open: {error}"));
    let (batches, has_ended) = run_source(&mut source, most, &BOUNDS);
    check_readers(source.readers(), |id| source.act(id, &Action::Disconnect, true));
    assert!(source.confirm(batches.len() as u64).is_ok(), "confirm failed");
    let closed = source.close();
    let may_fail = has_ended && closed.as_ref().is_err_and(|it| it.kind == ErrorKind::Fatal);
    assert!(closed.is_ok() || may_fail, "close: {closed:?}");
    batches
}

/// The batches, and whether the source ended by itself.
fn run_source(source: &mut impl Source, most: usize, bounds: &Bounds) -> (Vec<Batch>, bool) {
    let (mut batches, mut in_round, mut last_sequence) = (Vec::new(), false, 0);
    let mut last_batch = Instant::now();
    let mut has_ended = false;
    while batches.len() < most {
        let asked = Instant::now();
        let polled = source.next(bounds.wait);
        let took = asked.elapsed();
        assert!(
            took <= bounds.wait + bounds.grace,
            "`next` took {took:?}, and was to wait {:?} at most",
            bounds.wait
        );
        match polled.unwrap_or_else(|error| panic!("next: {error}")) {
            Polled::Batch(batch) => {
                let round = batch.round();
                assert!(!round.first || !in_round, "a round opened within a round");
                in_round = (in_round || round.first) && !round.last;
                for spot in batch.spots().iter() {
                    assert_eq!(spot.sequence(), last_sequence + 1, "records are numbered in a row");
                    assert!(!spot.source().is_empty(), "records name their source");
                    last_sequence = spot.sequence();
                }
                batches.push(batch);
                last_batch = Instant::now();
            }
            Polled::Idle => assert!(
                last_batch.elapsed() <= bounds.idle,
                "the source was idle for {:?} after {} of {most} batches",
                bounds.idle,
                batches.len()
            ),
            Polled::End => {
                assert!(!in_round, "the source ended within a round");
                assert!(matches!(source.next(Duration::ZERO), Ok(Polled::End)), "the end is final");
                has_ended = true;
                break;
            }
        }
    }
    (batches, has_ended)
}

/// Gives a transform batches of every kind and checks that round marks come through, and what it tells
/// of readers.
pub fn check_transform<T: Transform>(minimal: &Value, context: Context) {
    check_options::<T::Options>(minimal);
    let options = options(minimal.clone()).unwrap_or_else(|error| panic!("{error}"));
    let mut transform = T::open(options, context).unwrap_or_else(|error| panic!("open: {error}"));
    for input in inputs() {
        let before = input.payload().to_vec();
        let mut output = Output::default();
        let result = transform.apply(&input, &mut output);
        assert!(result.is_ok(), "apply: {result:?}");
        assert_eq!(&before[..], &input.payload()[..], "the input was changed");
        let batches = output.into_batches();
        let round = input.round();
        assert!(
            !round.first || batches.iter().any(|batch| batch.round().first),
            "an opening mark got lost"
        );
        assert!(
            !round.last || batches.iter().any(|batch| batch.round().last),
            "a closing mark got lost"
        );
    }
    check_readers(transform.readers(), |id| transform.act(id, &Action::Disconnect, true));
    let mut output = Output::default();
    assert!(transform.tick(&mut output).is_ok(), "tick failed");
    assert!(transform.close(&mut output).is_ok(), "close failed");
}

/// Gives a sink batches of every kind, none at all, asks it for its readers, and flushes it twice.
pub fn check_sink<S: Sink>(minimal: &Value, context: Context) {
    check_options::<S::Options>(minimal);
    let options = options(minimal.clone()).unwrap_or_else(|error| panic!("{error}"));
    let mut sink = S::open(options, context).unwrap_or_else(|error| panic!("open: {error}"));
    assert!(sink.write(&[]).is_ok(), "nothing to write is no error");
    let inputs = inputs();
    for input in &inputs {
        let result = sink.write(std::slice::from_ref(input));
        assert!(result.is_ok(), "write: {result:?}");
    }
    let result = sink.write(&inputs);
    assert!(result.is_ok(), "write of several: {result:?}");
    check_readers(sink.readers(), |id| sink.act(id, &Action::Disconnect, true));
    assert!(sink.tick().is_ok(), "tick failed");
    for _ in 0..2 {
        assert!(sink.flush().is_ok(), "flush failed");
    }
    assert!(sink.close().is_ok(), "close failed");
}

/// Readers have ids of their own, may not be told of for the moment, and nobody else is taken for one.
fn check_readers(
    told: Result<Option<Vec<Reader>>, PluginError>,
    look: impl FnOnce(&str) -> Result<Outcome, PluginError>,
) {
    let readers = match told {
        Ok(readers) => readers.unwrap_or_default(),
        Err(error) if error.kind == ErrorKind::Retry => Vec::new(),
        Err(error) => panic!("readers: {error}"),
    };
    let mut ids: Vec<_> = readers.iter().map(|reader| reader.id.as_str()).collect();
    assert!(!ids.contains(&""), "every reader has an id");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), readers.len(), "no two readers have one id");
    assert!(look("no such reader").is_err(), "something was done with a reader that is not there");
}

fn inputs() -> Vec<Batch> {
    vec![
        spot_batch(3, Round { first: true, last: false }),
        spot_batch(2, Round::MIDDLE),
        spot_batch(0, Round { first: false, last: true }),
        spot_batch(1, Round::WHOLE),
        bar_batch(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that takes so long for each call, and never has anything.
    struct Quiet(Duration);

    impl Source for Quiet {
        type Options = Value;

        fn open(_: Value, _: Context) -> Result<Self, PluginError> {
            Ok(Self(Duration::ZERO))
        }

        fn next(&mut self, _: Duration) -> Result<Polled, PluginError> {
            std::thread::sleep(self.0);
            Ok(Polled::Idle)
        }
    }

    const SHORT: Bounds = Bounds {
        wait: Duration::from_millis(1),
        grace: Duration::from_millis(200),
        idle: Duration::from_millis(300),
    };

    #[test]
    #[should_panic(expected = "idle for 300ms after 0 of 1 batches")]
    fn a_source_that_never_gives_anything_fails_in_the_end() {
        run_source(&mut Quiet(Duration::from_millis(1)), 1, &SHORT);
    }

    #[test]
    #[should_panic(expected = "was to wait 1ms at most")]
    fn a_source_that_oversleeps_fails() {
        run_source(&mut Quiet(Duration::from_secs(1)), 1, &SHORT);
    }
}
