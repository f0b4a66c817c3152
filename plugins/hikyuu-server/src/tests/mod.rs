//! The sink against real clients, all on loopback and in temporary folders. Answers are read by
//! other people's MessagePack.

mod damage;
mod life;
mod limits;
mod queries;
mod raw;
mod strays;
mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kit::testing::{DEADLINE, is_alone, wait_until};
use nng::options::{Options as _, RecvTimeout, SendTimeout};
use plugin_api::{
    BarRecord, Batch, Round, Sink, SpotListEncoder, SpotRecord, Symbol, encode_bars,
    schemas::time::parse_exchange_time,
    serde_json::{Value as Json, json},
    testing::{self, TestHost},
};
use rmpv::Value;
use tempfile::TempDir;

use crate::{
    options::{Options, Settings},
    sink::HikyuuServer,
};

/// When the tests take place, on the exchange's clock.
const NOW: &str = "2026-11-20 15:10:00";

/// A sink in a folder of its own.
struct Bench {
    sink: HikyuuServer,
    host: Arc<TestHost>,
    folder: Arc<TempDir>,
}

impl Bench {
    fn new(options: Json) -> Self {
        Self::within(Arc::new(tempfile::tempdir().unwrap()), options)
    }

    /// In a folder that was used before.
    fn within(folder: Arc<TempDir>, mut options: Json) -> Self {
        if options["listen"].is_null() {
            options["listen"] = json!("tcp://127.0.0.1:0");
        }
        let host = Arc::<TestHost>::default();
        host.set_now_us(us(NOW));
        let context = testing::context(&host, folder.path());
        let options = testing::options::<Options>(options).unwrap();
        let settings = Settings::new(&options, &context).unwrap();
        let sink = HikyuuServer::start(&settings, context).unwrap();
        Self { sink, host, folder }
    }

    fn address(&self) -> String {
        self.sink.addresses().remove(0)
    }

    fn client(&self) -> Client {
        Client::dial(&self.address())
    }

    fn spots(&mut self, spots: &[SpotRecord<'_>]) {
        let mut encoder = SpotListEncoder::new(spots.len());
        spots.iter().for_each(|spot| encoder.push(spot).unwrap());
        self.sink.write(&[Batch::from_spots(&mut encoder, Round::WHOLE)]).unwrap();
    }

    fn bars(&mut self, bars: &[BarRecord<'_>]) {
        let batch = Batch::from_bars(encode_bars(bars.iter().copied())).unwrap();
        self.sink.write(&[batch]).unwrap();
    }

    fn logged(&self, text: &str) -> usize {
        self.host.told().logs.iter().filter(|(_, line)| line.contains(text)).count()
    }
}

/// What Hikyuu's client does: NNG's own request socket.
struct Client(nng::Socket);

impl Client {
    fn dial(address: &str) -> Self {
        let socket = nng::Socket::new(nng::Protocol::Req0).unwrap();
        socket.set_opt::<RecvTimeout>(Some(DEADLINE)).unwrap();
        socket.set_opt::<SendTimeout>(Some(DEADLINE)).unwrap();
        socket.dial(address).unwrap();
        Self(socket)
    }

    /// The body of the answer.
    fn ask_raw(&self, body: &[u8]) -> Vec<u8> {
        self.0.send(body).map_err(|(_, error)| error).unwrap();
        self.0.recv().unwrap().to_vec()
    }

    fn ask(&self, request: &Value) -> Value {
        let mut body = Vec::new();
        rmpv::encode::write_value(&mut body, request).unwrap();
        read(&self.ask_raw(&body))
    }

    /// The `data` of a successful answer.
    fn data(&self, request: &Value) -> Vec<Value> {
        let answer = self.ask(request);
        assert_eq!(answer["ret"], Value::from(0), "{answer}");
        answer["data"].as_array().unwrap().clone()
    }

    /// Code and text of a refusal.
    fn refused(&self, body: &[u8]) -> (u64, String) {
        let answer = read(&self.ask_raw(body));
        (answer["ret"].as_u64().unwrap(), answer["msg"].as_str().unwrap().to_owned())
    }

    fn is_alive(&self) -> bool {
        self.ask(&map(&[("cmd", "ping".into())]))["data"] == Value::from("pong")
    }
}

/// One value and nothing behind it.
fn read(mut bytes: &[u8]) -> Value {
    let value = rmpv::decode::read_value(&mut bytes).unwrap();
    assert!(bytes.is_empty(), "{} bytes follow the answer", bytes.len());
    value
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
}

fn market(ktype: &str, asked: &[(&str, &str)]) -> Value {
    let texts = |texts: Vec<&str>| Value::Array(texts.into_iter().map(Value::from).collect());
    map(&[
        ("cmd", "market".into()),
        ("ktype", ktype.into()),
        ("codes", texts(asked.iter().map(|(code, _)| *code).collect())),
        ("dates", texts(asked.iter().map(|(_, date)| *date).collect())),
    ])
}

fn tick(market: &str, code: &str, since: &str) -> Value {
    map(&[
        ("cmd", "tick".into()),
        ("market", market.into()),
        ("code", code.into()),
        ("datetime", since.into()),
    ])
}

fn us(text: &str) -> i64 {
    parse_exchange_time(text).unwrap()
}

/// A quote of that time of the day of the tests, at that price.
fn spot<'a>(code: &'a str, time: &str, price: f64) -> SpotRecord<'a> {
    SpotRecord {
        market: "SH",
        code,
        time_us: us(&format!("2026-11-20 {time}")),
        pre_close: 8.5,
        open: 8.5,
        high: price,
        low: 8.4,
        close: price,
        amount_cny: 1_234_500.0,
        volume_shares: 145_200,
        bid: &[8.49, 8.48],
        bid_volume: &[1_000, 2_000],
        ask: &[8.51],
        ask_volume: &[500],
        ..SpotRecord::default()
    }
}

fn bar<'a>(code: &'a str, period: &'a str, time: &str, close: f64) -> BarRecord<'a> {
    BarRecord {
        symbol: Symbol { market: "SH", code },
        period,
        time_us: us(time),
        open: 8.5,
        high: 9.0,
        low: 8.0,
        close,
        amount_cny: 1_234_500.0,
        volume_shares: 145_200,
        closed: false,
        quality_score: None,
        source: "qq",
    }
}

fn texts(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_sink_keeps_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    let options = json!({ "listen": "tcp://127.0.0.1:0" });
    testing::check_sink::<HikyuuServer>(&options, testing::context(&Arc::default(), folder.path()));
}
