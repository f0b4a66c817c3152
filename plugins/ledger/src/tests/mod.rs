//! What the sink does as the host calls it.

mod delivery;
mod options;

use std::{path::Path, sync::Arc};

use days::{Day, DayReport, Ledger, SecurityDay};
use plugin_api::{
    Ack, Batch, Context, Round, Sink as _,
    schemas::{
        encode::{SpotListEncoder, SpotRecord},
        records::bar::{BarRecord, encode_bars},
        spot::Symbol,
        time::parse_exchange_time,
    },
    serde_json::{Value, json},
    testing::{self, TestHost},
};
use tempfile::TempDir;

use crate::sink::LedgerSink;

pub const DATE: &str = "2021-12-01";

pub fn us(time: &str) -> i64 {
    parse_exchange_time(time).unwrap()
}

/// A folder with a ledger, and the host that runs its sink.
pub struct Place {
    folder: TempDir,
    pub host: Arc<TestHost>,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), host: Arc::default() };
        place.host.set_now_us(us("2021-12-01 20:00"));
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn context(&self) -> Context {
        testing::context(&self.host, self.path())
    }

    /// Opens the sink; what comes is committed with every call unless the options say otherwise.
    pub fn open(&self, more: Value) -> LedgerSink {
        LedgerSink::open(testing::options(options(more)).unwrap(), self.context()).unwrap()
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::read(&self.path().join("ledger.sqlite")).unwrap()
    }

    /// Everything that the ledger says of the day.
    pub fn all(&self) -> (DayReport, Vec<SecurityDay>) {
        let (ledger, day) = (self.ledger(), day());
        (ledger.day(day, us("2021-12-02 09:00")).unwrap(), ledger.securities(day).unwrap())
    }
}

pub fn day() -> Day {
    DATE.parse().unwrap()
}

/// Options with those besides the path.
pub fn options(more: Value) -> Value {
    let mut options = json!({ "path": "ledger.sqlite", "flush_interval": "0s" });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    options
}

/// One quote of each security at that time.
pub fn quotes(codes: &[&str], time: &str, round: Round) -> Batch {
    let time_us = us(&format!("{DATE} {time}"));
    let mut encoder = SpotListEncoder::new(codes.len());
    for code in codes {
        let record = SpotRecord {
            market: "SH",
            code,
            time_us,
            recv_time_us: time_us + 400_000,
            pre_close: 10.0,
            open: 10.0,
            volume_shares: time_us.unsigned_abs() / 1_000_000,
            amount_cny: 5.0,
            source: "qq",
            sequence: 1,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, round)
}

/// A 1m bar.
pub fn bars(code: &str, time: &str, volume_shares: u64, closed: bool) -> Batch {
    let bar = BarRecord {
        symbol: Symbol { market: "SH", code },
        period: "1m",
        time_us: us(&format!("{DATE} {time}")),
        open: 8.5,
        high: 8.6,
        low: 8.4,
        close: 8.55,
        amount_cny: 10.0,
        volume_shares,
        closed,
        quality_score: None,
        source: "",
    };
    Batch::from_bars(encode_bars([bar])).unwrap()
}

#[test]
fn the_sink_keeps_its_contract() {
    let place = Place::new();
    testing::check_sink::<LedgerSink>(&options(json!({})), place.context());
}

#[test]
fn quotes_rounds_and_bars_are_counted() {
    let place = Place::new();
    let mut sink = place.open(json!({}));
    let (first, last) = (Round { first: true, last: false }, Round { first: false, last: true });
    for second in (0..60).step_by(3) {
        let time = format!("09:30:{second:02}");
        let batches = [quotes(&["600000"], &time, first), quotes(&["600001"], &time, last)];
        assert_eq!(sink.write(&batches).unwrap(), Ack::Delivered);
    }
    let batches = [bars("600000", "09:31", 7, true), bars("600001", "09:31", 7, false)];
    assert_eq!(sink.write(&batches).unwrap(), Ack::Delivered);
    let (report, securities) = place.all();
    assert_eq!((report.rounds.received, report.rounds.interval_s), (20, 3));
    assert_eq!(securities.iter().map(|it| it.records).collect::<Vec<_>>(), [20, 20]);
    let bars: Vec<_> = report.sources.iter().filter(|it| it.kind == "bar").collect();
    assert_eq!((bars.len(), bars[0].securities), (1, 1), "a bar that is not closed may change");
}

#[test]
fn what_does_not_count_is_counted_with_its_reason() {
    let place = Place::new();
    let mut sink = place.open(json!({}));
    sink.write(&[quotes(&["600000", "6000000"], "10:00:00", Round::MIDDLE)]).unwrap();
    place.host.set_now_us(us("2021-12-01 09:00"));
    sink.write(&[quotes(&["600000"], "10:00:00", Round::MIDDLE)]).unwrap();
    assert_eq!(place.host.counted("ledger_odd_symbol_total"), 1);
    assert_eq!(place.host.counted("ledger_future_total"), 1);
}
