//! History: a bridge that is made up, and the real one beside a stand-in of xtquant.

mod faults;
mod life;
mod quotes;
mod real;
mod rows;

use std::{io::Write, net::SocketAddr};

use flate2::{Compression, write::ZlibEncoder};
use plugin_api::{
    BarRecord, Batch, ErrorKind, Polled, Source,
    schemas::{
        records::bar::OwnedBar,
        time::{DatetimeText, parse_exchange_time},
    },
    serde_json::{self, Value, json},
};

use super::{Bench, DEADLINE, TOKEN, bridge::Bridge};
use crate::{
    frame::{Frame, Kind},
    source::Qmt,
};

/// Open, high, low, close, volume (lots), amount (CNY).
type Numbers = [f64; 6];

/// Microseconds since 1970 UTC.
fn us(text: &str) -> i64 {
    parse_exchange_time(text).unwrap()
}

/// Exchange time as people write it, without seconds.
fn shown(time_us: i64) -> String {
    String::from_utf8(DatetimeText::default().format(time_us)[..16].to_vec()).unwrap()
}

/// A row that was traded at 10 CNY.
fn traded(lots: f64) -> Numbers {
    [10.0, 10.0, 10.0, 10.0, lots, lots * 1_000.0]
}

/// Options that ask for minutes of Friday, 17 April 2026.
fn asks(symbols: &[&str]) -> Value {
    asks_of(symbols, "2026-04-17 09:30:00", "2026-04-17 15:00:00", "1m")
}

fn asks_of(symbols: &[&str], from: &str, to: &str, period: &str) -> Value {
    let ask = json!({
        "symbols": symbols, "from": from, "to": to, "kind": "bar", "period": period,
    });
    json!({
        "listen": "tcp://127.0.0.1:0",
        "token": TOKEN,
        "heartbeat": "1s",
        "answer_within": "5s",
        "ask": ask,
    })
}

/// The same with other options.
fn with(mut options: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    options
}

/// A bench on the Saturday after.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.host.set_now_us(us("2026-04-18 12:00:00"));
    bench
}

/// What a source gave until it ended.
#[derive(Debug, Default)]
struct Given {
    bars: Vec<OwnedBar>,
    /// Symbol, time and shares of quotes.
    quotes: Vec<(String, i64, u64)>,
    /// What it said when it was closed.
    fault: Option<String>,
}

/// Takes all that a source gives.
fn run(source: &mut Qmt) -> Given {
    let mut given = Given::default();
    let begun = std::time::Instant::now();
    loop {
        assert!(begun.elapsed() < DEADLINE, "it does not end");
        match source.next(std::time::Duration::from_millis(100)) {
            Ok(Polled::Batch(batch)) => given.take(&batch),
            Ok(Polled::Idle) => {}
            Ok(Polled::End) => break,
            Err(error) => assert_eq!(error.kind, ErrorKind::BadData, "{error}"),
        }
    }
    given.fault = source.close().err().map(|error| {
        assert_eq!(error.kind, ErrorKind::Fatal);
        error.message
    });
    given
}

impl Given {
    fn take(&mut self, batch: &Batch) {
        self.bars.extend(batch.bars().map(|bar: BarRecord<'_>| OwnedBar::from(bar)));
        let quotes = batch.spots().iter();
        self.quotes.extend(quotes.map(|it| {
            (format!("{}.{}", it.code(), it.market()), it.time_us(), it.volume_shares())
        }));
    }

    /// Code, time and shares of each bar.
    fn bars(&self) -> Vec<String> {
        let shown =
            |bar: &OwnedBar| format!("{} {} {}", bar.code, shown(bar.time_us), bar.volume_shares);
        self.bars.iter().map(shown).collect()
    }
}

/// A bridge that a question was put to.
struct Answerer {
    bridge: Bridge,
    /// Number of the question.
    id: u64,
}

impl Answerer {
    /// Connects and waits for a question.
    fn connect(address: SocketAddr, identity: u64) -> (Self, Value) {
        let mut answerer = Self { bridge: Bridge::of_history(address, identity), id: 0 };
        let asked = answerer.asked();
        (answerer, asked)
    }

    /// The next question.
    fn asked(&mut self) -> Value {
        let frame = self.bridge.hear().unwrap();
        assert_eq!(frame.kind, Kind::Ask, "{frame:?}");
        let asked: Value = serde_json::from_slice(&frame.body).unwrap();
        assert_eq!(asked["id"], frame.sequence);
        self.id = frame.sequence;
        asked
    }

    fn say(&mut self, head: &Value, data: &[u8]) {
        let text = head.to_string();
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        let body = [&length, text.as_bytes(), data].concat();
        self.bridge.say(&Frame { kind: Kind::Page, sequence: self.id, body });
    }

    /// Rows of a security, of `bar`, or of `day` beside them.
    fn rows(&mut self, symbol: &str, what: &str, rows: &[(&str, Numbers)]) {
        let is_last = what == "bar";
        let head = json!({ "symbol": symbol, "what": what, "rows": rows.len(), "last": is_last });
        self.say(&head, &packed(rows));
    }

    /// That nothing more comes.
    fn end(&mut self) {
        self.say(&json!({ "end": true }), &[]);
    }
}

/// Rows as the bridge packs them.
fn packed(rows: &[(&str, Numbers)]) -> Vec<u8> {
    #[allow(clippy::cast_precision_loss)] // milliseconds
    let times = rows.iter().map(|(label, _)| (us(label) / 1_000) as f64);
    let mut columns: Vec<f64> = times.collect();
    for column in 0..6 {
        columns.extend(rows.iter().map(|(_, numbers)| numbers[column]));
    }
    // preClose and suspendFlag hold rubbish in some live bars
    columns.extend(rows.iter().map(|_| 6.953_302_143_372_96e-310));
    columns.extend(rows.iter().map(|_| 370_262_668.0));
    let bytes: Vec<[u8; 8]> = columns.iter().map(|it| it.to_le_bytes()).collect();
    let shuffled: Vec<u8> =
        (0..8).flat_map(|place| bytes.iter().map(move |bytes| bytes[place])).collect();
    zipped(&shuffled)
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
