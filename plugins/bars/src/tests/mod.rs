//! The transform as readers see it: quotes in, the bars that they end up with out.

mod days;
mod history;
mod model;
mod origin;
mod random;
mod recorded;
mod restart;
mod rules;
mod shapes;
mod strays;

use std::{collections::BTreeMap, sync::Arc};

use plugin_api::{
    Batch, Output, Provenance, Round, SpotListEncoder, SpotRecord, Transform,
    schemas::time::{DatetimeText, parse_exchange_time},
    serde_json::{Value, json},
    testing::{self, TestHost},
};
use tempfile::TempDir;

use crate::transform::Bars;

/// What the tests say about a quote; the rest is the same for all.
#[derive(Debug, Clone, Copy)]
struct Spot<'a> {
    code: &'a str,
    time: &'a str,
    price: f64,
    /// Shares since the open; the amount is ten times that.
    volume: u64,
}

/// A bar as a reader keeps it: the last that it heard under a key.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    amount: f64,
    volume: u64,
    closed: bool,
    source: String,
}

/// `600000 1m 2021-12-01 09:31:00`
type Key = String;

/// A transform with a host and a reader.
struct Bench {
    bars: Bars,
    options: Value,
    host: Arc<TestHost>,
    folder: TempDir,
    kept: BTreeMap<Key, Kept>,
    /// Every bar that came, in order.
    heard: Vec<(Key, Kept)>,
}

impl Bench {
    fn new(options: Value) -> Self {
        let (folder, host) = (tempfile::tempdir().unwrap(), Arc::<TestHost>::default());
        host.set_now_us(us("2021-12-20 00:00:00"));
        let bars = open(&options, &host, &folder);
        Self { bars, options, host, folder, kept: BTreeMap::new(), heard: Vec::new() }
    }

    /// Of those periods, with nothing else set.
    fn of(periods: &[&str]) -> Self {
        Self::new(json!({ "periods": periods }))
    }

    /// Gives a batch of quotes, received when the last of them was made.
    fn give(&mut self, spots: &[Spot<'_>]) {
        self.apply(&received(batch(spots)));
    }

    /// Gives quotes of one security as [`play`](Self::play), received now.
    fn replay(&mut self, day: &str, quotes: &[(&str, f64, u64)]) {
        for &(time, price, volume) in quotes {
            let time = format!("{day} {time}");
            self.apply(&batch(&[Spot { code: "600000", time: &time, price, volume }]));
        }
    }

    /// Gives quotes of one security, each in a batch of its own: time of day, price, volume.
    fn play(&mut self, day: &str, quotes: &[(&str, f64, u64)]) {
        for &(time, price, volume) in quotes {
            let time = format!("{day} {time}");
            self.give(&[Spot { code: "600000", time: &time, price, volume }]);
        }
    }

    fn apply(&mut self, batch: &Batch) {
        let mut output = Output::default();
        self.bars.apply(batch, &mut output).unwrap();
        self.hear(output);
    }

    fn tick(&mut self, now: &str) {
        self.host.set_now_us(us(now));
        let mut output = Output::default();
        self.bars.tick(&mut output).unwrap();
        self.hear(output);
    }

    /// Ends the instance; another one goes on with what it left on disk.
    fn restart(&mut self) {
        self.end();
        self.bars = open(&self.options, &self.host, &self.folder);
    }

    fn end(&mut self) {
        let mut output = Output::default();
        self.bars.close(&mut output).unwrap();
        self.hear(output);
    }

    /// Hands what was seen to another instance with those options.
    fn swap(&mut self, options: Value) {
        let state = self.bars.export_state().unwrap().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let mut next = open(&options, &self.host, &elsewhere);
        next.import_state(&state).unwrap();
        (self.bars, self.options, self.folder) = (next, options, elsewhere);
    }

    fn hear(&mut self, output: Output) {
        let mut text = DatetimeText::default();
        for batch in output.into_batches() {
            for bar in batch.bars() {
                let time = String::from_utf8(text.format(bar.time_us).to_vec()).unwrap();
                let key = format!("{} {} {time}", bar.symbol.code, bar.period);
                let kept = Kept {
                    open: bar.open,
                    high: bar.high,
                    low: bar.low,
                    close: bar.close,
                    amount: bar.amount_cny,
                    volume: bar.volume_shares,
                    closed: bar.closed,
                    source: bar.source.to_owned(),
                };
                self.heard.push((key.clone(), kept.clone()));
                self.kept.insert(key, kept);
            }
        }
    }

    /// Time, volume and state of the kept bars of 600000 with that period.
    fn volumes(&self, period: &str) -> Vec<(&str, u64, bool)> {
        let prefix = format!("600000 {period} ");
        let of_period = self
            .kept
            .iter()
            .filter_map(|(key, bar)| Some((key.strip_prefix(&prefix)?, bar.volume, bar.closed)));
        of_period.collect()
    }

    fn bar(&self, key: &str) -> &Kept {
        self.kept.get(key).unwrap_or_else(|| panic!("no {key} among {:?}", self.kept.keys()))
    }
}

/// A batch as it is received when the last of its quotes was made.
fn received(batch: Batch) -> Batch {
    let mut provenance = Provenance::of_source("live");
    provenance.received_at_us = batch.spots().iter().map(|spot| spot.time_us()).max().unwrap_or(0);
    batch.with_provenance(provenance)
}

fn open(options: &Value, host: &Arc<TestHost>, folder: &TempDir) -> Bars {
    let context = testing::context(host, folder.path());
    Bars::open(testing::options(options.clone()).unwrap(), context).unwrap()
}

fn us(text: &str) -> i64 {
    parse_exchange_time(text).unwrap()
}

fn batch(spots: &[Spot<'_>]) -> Batch {
    let mut encoder = SpotListEncoder::new(spots.len());
    for spot in spots {
        #[allow(clippy::cast_precision_loss)]
        let amount_cny = spot.volume as f64 * 10.0;
        let record = SpotRecord {
            market: "SH",
            code: spot.code,
            time_us: us(spot.time),
            open: spot.price,
            high: spot.price,
            low: spot.price,
            close: spot.price,
            amount_cny,
            volume_shares: spot.volume,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

#[test]
fn the_transform_keeps_its_contract() {
    for options in [
        json!({}),
        json!({ "periods": ["day"], "updates": false }),
        json!({ "sessions": [], "checkpoint": "0s" }),
    ] {
        for now_us in [0, us("2021-12-01 10:00:00")] {
            let folder = tempfile::tempdir().unwrap();
            let host = Arc::<TestHost>::default();
            host.set_now_us(now_us);
            testing::check_transform::<Bars>(&options, testing::context(&host, folder.path()));
        }
    }
}

#[test]
fn bars_that_come_in_go_on_as_they_are() {
    let mut bench = Bench::of(&["1m"]);
    let mut output = Output::default();
    let batch = testing::bar_batch().with_round(Round::WHOLE);
    bench.bars.apply(&batch, &mut output).unwrap();
    let passed = output.into_batches();
    assert_eq!(passed[0].payload().as_ptr(), batch.payload().as_ptr());
    assert_eq!(passed[0].round(), Round::WHOLE);
}

#[test]
fn round_marks_come_through_without_bars() {
    let mut bench = Bench::of(&["1m"]);
    for round in [Round { first: true, last: false }, Round { first: false, last: true }] {
        let early =
            batch(&[Spot { code: "600000", time: "2021-12-01 09:25:00", price: 1.0, volume: 1 }]);
        let mut output = Output::default();
        bench.bars.apply(&early.with_round(round), &mut output).unwrap();
        let passed: Vec<_> =
            output.into_batches().iter().map(|it| (it.records(), it.round())).collect();
        assert_eq!(passed, [(0, round)]);
    }
}
