//! Replays of whole files.

mod faults;
mod files;
mod formats;
mod lake;
mod live;
mod odd;
mod resume;
mod samples;
mod silence;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use plugin_api::{
    Batch, Polled, Source,
    serde_json::{Value, json},
    testing::{self, TestHost},
};

use crate::source::Replay;

/// The recorded files that are part of the project.
fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples")
}

/// `base` with the keys of `more`.
fn with(mut base: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

/// Options for a file in the columns of the SSE sample of 2021.
fn sse_2021() -> Value {
    json!({
        "path": "sse_20211201_0915_1030_20stocks_l1.csv.gz", "speed": 0, "market": "SH", "first_level": 0,
        "columns": {
            "code": "SecurityID", "time": "DateTime", "pre_close": "PreClosePx", "open": "OpenPx",
            "high": "HighPx", "low": "LowPx", "close": "LastPx", "volume": "TotalVolumeTrade",
            "amount": "TotalValueTrade", "bid": "BidPrice{n}", "bid_volume": "BidOrderQty{n}",
            "ask": "OfferPrice{n}", "ask_volume": "OfferOrderQty{n}",
        },
    })
}

/// Options for a file in the columns of the SSE sample of 2023, which has times without dates.
fn sse_2023() -> Value {
    json!({
        "path": "sse_20230201_600519_l1.csv.gz", "speed": 0, "market": "SH", "date": "2023-02-01",
        "columns": {
            "code": "SecurityID", "time": "UpdateTime", "pre_close": "PreCloPrice", "open": "OpenPrice",
            "high": "HighPrice", "low": "LowPrice", "close": "LastPrice", "volume": "TradVolume",
            "amount": "Turnover", "bid": "BidPrice{n}", "bid_volume": "BidVolume{n}",
            "ask": "AskPrice{n}", "ask_volume": "AskVolume{n}",
        },
    })
}

/// Options for a file in the columns of the SZSE sample, which has a column of dates.
fn szse_2022() -> Value {
    json!({
        "path": "szse_20220601_4stocks_l1.csv.gz", "speed": 0,
        "columns": {
            "code": "SecurityID", "date": "MDDate", "time": "MDTime", "pre_close": "PreClosePx",
            "open": "OpenPx", "high": "HighPx", "low": "LowPx", "close": "LastPx",
            "volume": "TotalVolumeTrade", "amount": "TotalValueTrade", "bid": "BuyPrice{n}",
            "bid_volume": "BuyOrderQty{n}", "ask": "SellPrice{n}", "ask_volume": "SellOrderQty{n}",
        },
    })
}

/// A replay with everything that it told.
struct Played {
    batches: Vec<Batch>,
    host: Arc<TestHost>,
}

/// Plays to the end under the contract check; relative paths count from `dir`.
fn play(options: &Value, dir: &Path) -> Played {
    let host = Arc::<TestHost>::default();
    let state = tempfile::tempdir().unwrap();
    let context = plugin_api::Context::new("day", dir, state.path(), host.clone());
    let batches = testing::check_source::<Replay>(options, context, usize::MAX);
    Played { batches, host }
}

impl Played {
    /// Code, exchange time and last price of every quote.
    fn rows(&self) -> Vec<(String, i64, f64)> {
        let spots = self.batches.iter().flat_map(|batch| batch.spots().iter().collect::<Vec<_>>());
        spots.map(|spot| (spot.symbol().to_string(), spot.time_us(), spot.close())).collect()
    }

    /// Time of day and code of every quote, as `09:30:00 600000`.
    fn brief(&self) -> Vec<String> {
        let spots = self.batches.iter().flat_map(|batch| batch.spots().iter().collect::<Vec<_>>());
        spots.map(|spot| format!("{} {}", &spot.datetime()[11..], spot.code())).collect()
    }

    /// The payloads, for comparing whole replays.
    fn payloads(&self) -> Vec<&[u8]> {
        self.batches.iter().map(|batch| &batch.payload()[..]).collect()
    }

    /// The log as one text.
    fn log(&self) -> String {
        self.host.told().logs.into_iter().map(|(_, line)| line + "\n").collect()
    }
}

/// Options for files in the project's own names.
fn own(path: &str) -> Value {
    json!({ "path": path, "speed": 0, "market": "SH", "date": "2021-12-01" })
}

/// A CSV file in the project's own names: lines of `time,code,close`.
fn write_own(dir: &Path, name: &str, lines: &[&str]) {
    let text = ["time,code,close"].iter().chain(lines).map(|line| format!("{line}\n"));
    fs::write(dir.join(name), text.collect::<String>()).unwrap();
}

/// What `open` says of options that cannot work.
fn refusal(options: &Value, dir: &Path) -> plugin_api::PluginError {
    let host = Arc::<TestHost>::default();
    let options = testing::options(options.clone()).unwrap();
    match Replay::open(options, testing::context(&host, dir)) {
        Ok(_) => panic!("the options were taken"),
        Err(error) => error,
    }
}
