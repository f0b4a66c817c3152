//! The source against real publishers, all on loopback and in temporary folders.

mod damage;
mod floods;
mod leaks;
mod life;
mod lists;
mod peers;
mod raw;
mod successors;
mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::{
    Batch, Level, PluginError, Polled, Round, Source, SpotListEncoder, SpotRecord,
    serde_json::{Value, json},
    testing::{self, TestHost},
};
use tempfile::TempDir;

use crate::source::NngSub;
use raw::RawPublisher;

const FIRST: Round = Round { first: true, last: false };
const LAST: Round = Round { first: false, last: true };
const TOPIC: &[u8] = b":spot:";
const START: &[u8] = b":spot:[start spot]";
const END: &[u8] = b":spot:[end spot]";
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const NOW_US: i64 = 1_763_950_000_000_000;

/// A source in a folder of its own.
struct Bench {
    source: NngSub,
    host: Arc<TestHost>,
    folder: TempDir,
}

impl Bench {
    fn new(address: &str) -> Self {
        Self::with(json!({ "dial": address }))
    }

    fn with(options: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Arc::<TestHost>::default();
        host.set_now_us(NOW_US);
        let source = open(&options, &host, &folder).unwrap();
        Self { source, host, folder }
    }

    /// The next batch, which must come.
    fn batch(&mut self) -> Batch {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.source.next(Duration::from_millis(20)).unwrap() {
                Polled::Batch(batch) => return batch,
                Polled::Idle => assert!(Instant::now() < deadline, "no batch comes"),
                Polled::End => panic!("it ended"),
            }
        }
    }

    /// Batches until that many quotes came.
    fn records(&mut self, records: u32) -> Vec<Batch> {
        let (mut batches, mut count) = (Vec::new(), 0);
        while count < records {
            let batch = self.batch();
            count += batch.records();
            batches.push(batch);
        }
        assert_eq!(count, records);
        batches
    }

    /// Asks for batches, which do not come, until something else is so.
    fn idle_until(&mut self, what: &str, mut condition: impl FnMut(&TestHost) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(&self.host) {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            let polled = self.source.next(Duration::from_millis(5));
            assert!(!matches!(polled, Ok(Polled::Batch(_))), "waited for {what}, got {polled:?}");
        }
    }

    fn logged(&self, text: &str) -> usize {
        self.host.told().logs.iter().filter(|(_, line)| line.contains(text)).count()
    }

    fn dropped(&self) -> Vec<(String, u64)> {
        self.host.told().dropped
    }

    fn warnings(&self) -> Vec<String> {
        let logs = self.host.told().logs.into_iter();
        logs.filter(|(level, _)| *level <= Level::Warn).map(|(_, line)| line).collect()
    }
}

fn open(options: &Value, host: &Arc<TestHost>, folder: &TempDir) -> Result<NngSub, PluginError> {
    let context = testing::context(host, folder.path());
    NngSub::open(testing::options(options.clone())?, context)
}

/// A list whose codes are those numbers, as a publisher without our fields sends it: with topic.
fn list(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let mut encoder = SpotListEncoder::new(numbers.len());
    for number in numbers {
        let code = format!("{number:06}");
        let wire = plugin_api::WireSpot {
            market: "SZ", // SH 000xxx would be indices

            code: &code,
            datetime: b"2025-11-24 10:00:03",
            close: 10.5,
            amount: 123.5,
            volume: 77.0,
            ..plugin_api::WireSpot::default()
        };
        encoder.push_wire(&wire).unwrap();
    }
    [TOPIC, &encoder.finish()].concat()
}

/// The same with our fields: numbered from the first code on.
fn own_list(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut encoder = SpotListEncoder::new(0);
    for number in numbers {
        let code = format!("{number:06}");
        let record = SpotRecord {
            market: "SH",
            code: &code,
            time_us: NOW_US,
            recv_time_us: NOW_US + 5,
            amount_cny: 3_429_770.0,
            volume_shares: 123_456,
            source: "quotes",
            sequence: number,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    [TOPIC, &encoder.finish()].concat()
}

/// Numbers that the codes of the quotes are.
fn numbers(batches: &[Batch]) -> Vec<usize> {
    let spots = batches.iter().flat_map(|batch| batch.spots().iter().map(|spot| spot.code()));
    spots.map(|code| code.parse().unwrap()).collect()
}

fn rounds(batches: &[Batch]) -> Vec<(u32, Round)> {
    batches.iter().map(|batch| (batch.records(), batch.round())).collect()
}
