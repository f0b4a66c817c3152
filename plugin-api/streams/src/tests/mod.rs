//! Against a real Redis, without a host.

mod asked;
mod codec;
mod command;
mod contract;
mod hostile;
mod readers;
mod server;
mod sink;
mod source;
mod trimmed;

use std::sync::Arc;

use kit::testing::wait_until;
use plugin_api::{
    Batch, Context, Polled, Round, Sink, Source, SpotListEncoder, SpotRecord,
    serde_json::{Value, json},
    testing::{TestHost, context, options},
};
use tempfile::TempDir;

use crate::{sink::RedisSink, source::RedisSource};
use server::Server;

/// A component's folder and what it tells its host.
struct Bench {
    host: Arc<TestHost>,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let host = Arc::new(TestHost::default());
        host.set_now_us(1_700_000_000_000_000);
        Self { host, folder: tempfile::tempdir().unwrap() }
    }

    fn context(&self) -> Context {
        context(&self.host, self.folder.path())
    }

    #[track_caller]
    fn sink(&self, server: &Server, more: &Value) -> RedisSink {
        RedisSink::open(options(with(server, more)).unwrap(), self.context()).unwrap()
    }

    #[track_caller]
    fn source(&self, server: &Server, more: &Value) -> RedisSource {
        RedisSource::open(options(with(server, more)).unwrap(), self.context()).unwrap()
    }
}

/// Options with the server's address.
fn with(server: &Server, more: &Value) -> Value {
    let mut options = json!({ "url": server.url(), "timeout": "20s" });
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    options
}

/// Quotes numbered from there on, of securities that repeat.
fn batch(first: u64, count: u64, delivery: u64) -> Batch {
    let mut encoder = SpotListEncoder::new(0);
    for sequence in first..first + count {
        let code = format!("{}", 600_000 + sequence % 50);
        let record = SpotRecord {
            market: "SH",
            code: &code,
            time_us: 1_638_321_301_000_000 + i64::try_from(sequence).unwrap(),
            close: 10.0,
            source: "quotes",
            sequence,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::WHOLE).numbered(1, delivery, 0).with_delivery(delivery)
}

/// Numbers of the records of batches.
fn sequences<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Vec<u64> {
    let of_batch = |batch: &'a Batch| batch.spots().iter().map(|spot| spot.sequence()).collect();
    batches.into_iter().flat_map(|batch| -> Vec<u64> { of_batch(batch) }).collect()
}

/// The next batches, until so many records came.
#[track_caller]
fn read(source: &mut RedisSource, records: usize) -> Vec<Batch> {
    let (mut batches, mut count) = (Vec::new(), 0);
    wait_until("records", || {
        if let Polled::Batch(batch) = source.next(std::time::Duration::from_millis(20)).unwrap() {
            count += batch.records() as usize;
            batches.push(batch);
        }
        count >= records
    });
    assert_eq!(count, records);
    batches
}

/// Asserts that nothing comes.
#[track_caller]
fn assert_idle(source: &mut RedisSource) {
    for _ in 0..5 {
        let polled = source.next(std::time::Duration::from_millis(20)).unwrap();
        assert!(matches!(polled, Polled::Idle), "{polled:?}");
    }
}
