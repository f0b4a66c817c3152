//! The sink against real sockets, all on loopback and in temporary folders.

mod leaks;
mod life;
mod raw;
mod readers;
mod slow;
mod strangers;
mod subscribers;
mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kit::testing::{DEADLINE, wait_until};
use plugin_api::{
    Batch, Context, PluginError, Provenance, Round, Sink, SpotListEncoder, SpotRecord,
    serde_json::{Value, json},
    testing::{self, TestHost},
};
use tempfile::TempDir;

use crate::{
    options::{Options, Settings},
    sink::NngPub,
};
use raw::RawSubscriber;

const FIRST: Round = Round { first: true, last: false };
const LAST: Round = Round { first: false, last: true };

/// A sink in a folder of its own.
struct Bench {
    sink: NngPub,
    host: Arc<TestHost>,
    folder: TempDir,
}

impl Bench {
    /// Listens at a socket file and at a free port, unless the options say otherwise.
    fn new(options: Value) -> Self {
        Self::with(options, |_| {})
    }

    fn with(options: Value, adjust: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Arc::<TestHost>::default();
        let context = testing::context(&host, folder.path());
        let mut settings = settings(options, &context).unwrap();
        adjust(&mut settings);
        let sink = NngPub::start(settings, context).unwrap();
        Self { sink, host, folder }
    }

    fn ipc(&self) -> String {
        self.address("ipc://")
    }

    fn tcp(&self) -> String {
        self.address("tcp://")
    }

    fn address(&self, scheme: &str) -> String {
        let addresses = self.sink.addresses();
        addresses.into_iter().find(|address| address.starts_with(scheme)).unwrap()
    }

    /// A subscriber that the sink knows of.
    fn dial(&self, address: &str) -> RawSubscriber {
        let before = self.sink.bus().subscribers();
        let subscriber = RawSubscriber::dial(address);
        self.await_subscribers(before + 1);
        subscriber
    }

    fn await_subscribers(&self, count: usize) {
        wait_until(&format!("{count} subscribers"), || self.sink.bus().subscribers() == count);
    }

    fn write(&mut self, batch: Batch) {
        self.sink.write(&[batch]).unwrap();
    }

    fn logged(&self, text: &str) -> usize {
        self.host.told().logs.iter().filter(|(_, line)| line.contains(text)).count()
    }

    fn dropped(&self) -> u64 {
        self.host.told().dropped.iter().map(|(_, records)| records).sum()
    }
}

fn settings(mut options: Value, context: &Context) -> Result<Settings, PluginError> {
    if options["listen"].is_null() {
        options["listen"] = json!(["ipc://bus.ipc", "tcp://127.0.0.1:0"]);
    }
    Settings::new(&testing::options::<Options>(options)?, context)
}

/// Quotes whose codes are those numbers.
fn numbered(numbers: std::ops::Range<usize>, round: Round) -> Batch {
    let mut encoder = SpotListEncoder::new(numbers.len());
    for number in numbers {
        let code = format!("{number:06}");
        encoder
            .push(&SpotRecord { market: "SH", code: &code, time_us: 1, ..SpotRecord::default() })
            .unwrap();
    }
    Batch::from_spots(&mut encoder, round).with_provenance(Provenance::of_source("quotes"))
}

#[test]
fn the_sink_keeps_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    let options = json!({ "listen": ["ipc://bus.ipc", "tcp://127.0.0.1:0"] });
    testing::check_sink::<NngPub>(&options, testing::context(&Arc::default(), folder.path()));
}
