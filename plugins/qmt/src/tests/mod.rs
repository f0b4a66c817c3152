//! The source without a host: payloads, frames, and bridges that are made up here.

mod bridge;
mod contract;
mod floods;
mod frames;
mod history;
mod packing;
mod payloads;
mod server;
mod tls;
mod websocket;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use kit::testing::{DEADLINE, wait_until};
use plugin_api::{
    Batch, Context, Polled, Source,
    serde_json::{Value, json},
    testing::{TestHost, context, options},
};
use tempfile::TempDir;

use crate::source::Qmt;

/// The vendor's own example of what subscribe_whole_quote calls back with: docstring in
/// xtquant/xtdata.py of xtquant 250807.1.2 (MIT).
const EXAMPLE: &str = r#"{"000001.SZ": {"time": 1733118954000, "lastPrice": 11.39, "open": 11.39, "high": 11.4, "low": 11.31, "lastClose": 11.38, "amount": 862127800.0, "volume": 758613, "pvolume": 75861284, "stockStatus": 3, "openInt": 13, "transactionNum": 37062, "lastSettlementPrice": 11.38, "settlementPrice": 0.0, "pe": 0.0, "askPrice": [11.4, 11.41, 11.42, 11.43, 11.44], "bidPrice": [11.39, 11.38, 11.370000000000001, 11.36, 11.35], "askVol": [10929, 12401, 6671, 4555, 6708], "bidVol": [2429, 7127, 7146, 9111, 12189], "volRatio": 0.0, "speed1Min": 0.0, "speed5Min": 0.0}}"#;
const TOKEN: &str = "a token of tests";
/// 2024-12-02 10:00 in Shanghai, a trading day.
const MORNING_US: i64 = 1_733_104_800_000_000;

/// A component's folder and what it tells its host.
struct Bench {
    host: Arc<TestHost>,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let host = Arc::new(TestHost::default());
        host.set_now_us(MORNING_US);
        Self { host, folder: tempfile::tempdir().unwrap() }
    }

    fn context(&self) -> Context {
        context(&self.host, self.folder.path())
    }

    #[track_caller]
    fn source(&self, given: &Value) -> Qmt {
        Qmt::open(options(given.clone()).unwrap(), self.context()).unwrap()
    }

    /// A source that listens at a free port.
    fn listener(&self) -> Qmt {
        self.source(&listening())
    }

    /// Waits for a line of the log.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait_until(text, || self.host.told().logs.iter().any(|(_, line)| line.contains(text)));
    }
}

fn listening() -> Value {
    json!({ "listen": "tcp://127.0.0.1:0", "token": TOKEN, "heartbeat": "1s" })
}

/// The next batch of a source.
#[track_caller]
fn next(source: &mut Qmt) -> Batch {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match source.next(Duration::from_millis(50)).unwrap() {
            Polled::Batch(batch) => return batch,
            Polled::Idle => assert!(Instant::now() < deadline, "no batch came"),
            Polled::End => panic!("it ended"),
        }
    }
}

/// Asserts that nothing waits in a source.
#[track_caller]
fn nothing(source: &mut Qmt) {
    let polled = source.next(Duration::from_millis(20)).unwrap();
    assert!(matches!(polled, Polled::Idle), "{polled:?}");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a script of tests/python; its output.
fn python(script: &str, arguments: &[&Path]) -> String {
    let interpreter = repository().join("target/venv/bin/python");
    assert!(interpreter.exists(), "no python at {}; run `make venv`", interpreter.display());
    let script = repository().join("tests/python").join(script);
    let output = Command::new(interpreter).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The recorded payloads.
fn recorded() -> Vec<String> {
    let file = fixtures::fixture("qmt/payloads.jsonl").unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let payload = |line: &str| {
        let entry: Value = plugin_api::serde_json::from_str(line).unwrap();
        entry["payload"].to_string()
    };
    text.lines().map(payload).collect()
}
