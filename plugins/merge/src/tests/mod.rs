//! Who serves, what passes, and when another source takes over; then anything at all.

mod clocks;
mod handover;
mod properties;
mod rules;
mod speed;
mod strays;

use std::{path::Path, sync::Arc};

use plugin_api::{
    Batch, Output, PluginError, Provenance, Report, Round, SpotListEncoder, SpotRecord, Transform,
    serde_json::{Value, json},
    testing::{self, TestHost},
};

use crate::merge::Merge;

/// 2021-12-01 00:00 in Shanghai, a trading day.
pub const MIDNIGHT_US: i64 = 1_638_288_000_000_000;
pub const SECOND_US: i64 = 1_000_000;

/// A time of that day.
pub fn at(hour: i64, minute: i64, second: i64) -> i64 {
    MIDNIGHT_US + (hour * 3_600 + minute * 60 + second) * SECOND_US
}

/// A quote of a source: `600000.SH` unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote {
    pub source: &'static str,
    pub code: &'static str,
    pub time_us: i64,
    pub volume: u64,
    pub price: f64,
}

impl Quote {
    pub fn price(self, price: f64) -> Self {
        Self { price, ..self }
    }

    pub fn code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }
}

pub fn quote(source: &'static str, time_us: i64, volume: u64) -> Quote {
    Quote { source, code: "600000", time_us, volume, price: 10.0 }
}

pub fn batch(quotes: &[Quote], received_us: i64) -> Batch {
    let mut encoder = SpotListEncoder::new(quotes.len());
    for (index, quote) in quotes.iter().enumerate() {
        let record = SpotRecord {
            market: "SH",
            code: quote.code,
            time_us: quote.time_us,
            recv_time_us: received_us,
            close: quote.price,
            volume_shares: quote.volume,
            source: quote.source,
            sequence: index as u64 + 1,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    let mut provenance = Provenance::of_source("component");
    provenance.received_at_us = received_us;
    Batch::from_spots(&mut encoder, Round::MIDDLE).with_provenance(provenance)
}

/// What came out, by source, time and volume.
pub type Out = (String, i64, u64);

pub fn read(batches: &[Batch]) -> Vec<Out> {
    let spots = batches.iter().flat_map(|batch| batch.spots().iter());
    spots.map(|it| (it.source().to_owned(), it.time_us(), it.volume_shares())).collect()
}

/// A transform that prefers `a` to `b` to `c`, with the host that it reports to.
pub struct Bench {
    pub host: Arc<TestHost>,
    pub transform: Merge,
}

impl Bench {
    pub fn try_open(options: Value, now_us: i64) -> Result<Self, PluginError> {
        let host = Arc::<TestHost>::default();
        host.set_now_us(now_us);
        let mut all = json!({ "prefer": ["a", "b", "c"] });
        for (name, value) in options.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let context = testing::context(&host, Path::new("."));
        let transform = Merge::open(testing::options(all)?, context)?;
        Ok(Self { host, transform })
    }

    pub fn open(options: Value) -> Self {
        Self::try_open(options, at(9, 0, 0)).unwrap()
    }

    pub fn apply(&mut self, batch: &Batch) -> Vec<Batch> {
        let mut output = Output::default();
        self.transform.apply(batch, &mut output).unwrap();
        output.into_batches()
    }

    /// Gives quotes at that moment of the host's clock, when they are received.
    pub fn give(&mut self, now_us: i64, quotes: &[Quote]) -> Vec<Out> {
        self.host.set_now_us(now_us);
        read(&self.apply(&batch(quotes, now_us)))
    }

    pub fn tick(&mut self, now_us: i64) -> Vec<Out> {
        self.host.set_now_us(now_us);
        let mut output = Output::default();
        self.transform.tick(&mut output).unwrap();
        read(&output.into_batches())
    }

    pub fn close(&mut self) -> Vec<Out> {
        let mut output = Output::default();
        self.transform.close(&mut output).unwrap();
        read(&output.into_batches())
    }

    pub fn counted(&self, name: &str) -> u64 {
        self.host.counted(&format!("merge_{name}_total"))
    }

    /// The last value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        let gauges = self.host.told().gauges;
        gauges.iter().rev().find(|(it, _)| it == name).map(|(_, value)| *value)
    }

    /// Each time that it said how well it works.
    pub fn degraded(&self) -> Vec<Option<String>> {
        let reports = self.host.told().reports.into_iter();
        let degraded = reports.filter_map(|report| match report {
            Report::Degraded { reason } => Some(reason),
            Report::Deviation { .. } => None,
        });
        degraded.collect()
    }

    pub fn log(&self) -> String {
        self.host.told().logs.iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}

pub fn out(quote: Quote) -> Out {
    (quote.source.to_owned(), quote.time_us, quote.volume)
}

#[test]
fn the_transform_keeps_its_contract() {
    for options in [json!({ "prefer": ["test"] }), json!({ "prefer": ["a", "b"], "sessions": [] })]
    {
        let host = Arc::<TestHost>::default();
        host.set_now_us(1_638_321_301_000_000);
        testing::check_transform::<Merge>(&options, testing::context(&host, Path::new(".")));
    }
}
