//! Tests of the source against a stand-in for the service on loopback, and of its parts.

mod answers;
mod damage;
mod faults;
mod life;
mod paging;
mod recorded;
mod units;
mod vendor;

use std::sync::Arc;

use plugin_api::{
    BarRecord, Batch, Context, ErrorKind, Polled, Source,
    schemas::{records::bar::OwnedBar, time::parse_exchange_time},
    serde_json::{Value, json},
    testing::{TestHost, context, options},
};
use tempfile::TempDir;

use crate::source::Kline;

/// Microseconds since 1970 UTC.
fn us(text: &str) -> i64 {
    parse_exchange_time(text).unwrap()
}

/// A host with a folder, at noon of a day off after a week of trading.
struct Bench {
    folder: TempDir,
    host: Arc<TestHost>,
}

/// What a source gave until it ended.
struct Given {
    bars: Vec<OwnedBar>,
    /// Records of each batch.
    batches: Vec<u32>,
    /// What it said when it was closed.
    fault: Option<String>,
}

impl Bench {
    fn new() -> Self {
        Self::at("2026-09-20 12:00:00")
    }

    fn at(now: &str) -> Self {
        let host = Arc::<TestHost>::default();
        host.set_now_us(us(now));
        Self { folder: tempfile::tempdir().unwrap(), host }
    }

    fn context(&self) -> Context {
        context(&self.host, self.folder.path())
    }

    fn open(&self, more: Value) -> Kline {
        Kline::open(options(more).unwrap(), self.context()).unwrap()
    }

    /// Opens a source and takes all it gives.
    fn run(&self, more: Value) -> Given {
        let mut source = self.open(more);
        let mut given = Given { bars: Vec::new(), batches: Vec::new(), fault: None };
        loop {
            match source.next(std::time::Duration::from_millis(200)).unwrap() {
                Polled::Batch(batch) => {
                    given.batches.push(batch.records());
                    given.bars.extend(bars(&batch));
                }
                Polled::Idle => {}
                Polled::End => break,
            }
        }
        given.fault = source.close().err().map(|error| {
            assert_eq!(error.kind, ErrorKind::Fatal);
            error.message
        });
        given
    }
}

impl Given {
    /// Times of the bars as people write them, without seconds.
    fn times(&self) -> Vec<String> {
        let shown = |bar: &OwnedBar| {
            let mut text = plugin_api::schemas::time::DatetimeText::default();
            String::from_utf8(text.format(bar.time_us)[..16].to_vec()).unwrap()
        };
        self.bars.iter().map(shown).collect()
    }
}

fn bars(batch: &Batch) -> Vec<OwnedBar> {
    let owned = |bar: BarRecord<'_>| OwnedBar::from(bar);
    batch.bars().map(owned).collect()
}

/// Options that ask a host for days, as quickly as it can answer.
fn asks(urls: &[String], symbols: &[&str], from: &str, to: &str) -> Value {
    json!({
        "urls": urls,
        "rate": 100,
        "retries": 1,
        "timeout": "2s",
        "ask": { "symbols": symbols, "from": from, "to": to, "kind": "bar", "period": "day" },
    })
}

/// The same for another period.
fn of_period(mut options: Value, period: &str) -> Value {
    options["ask"]["period"] = json!(period);
    options
}

/// The same with other options.
fn with(mut options: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    options
}
