//! Quotes of the past.

use std::thread;

use plugin_api::serde_json::{Value, json};

use super::{Answerer, asks, bench, run, traded, us, zipped};

/// Options that ask for quotes of two days.
fn quotes() -> Value {
    let mut options = asks(&["600000.SH"]);
    options["ask"] = json!({
        "symbols": ["600000.SH"], "from": "2026-04-16 09:30:00", "to": "2026-04-17 10:00:00",
        "kind": "spot",
    });
    options
}

fn tick(time: &str, lots: u64) -> Value {
    json!({
        "time": us(time) / 1_000, "lastPrice": 10.0, "open": 10.0, "high": 10.0, "low": 10.0,
        "lastClose": 9.9, "volume": lots, "amount": lots * 1_000, "askPrice": [10.1],
        "bidPrice": [10.0], "askVol": [3], "bidVol": [4],
    })
}

impl Answerer {
    fn ticks(&mut self, ticks: &[Value]) {
        let json = json!({ "600000.SH": ticks }).to_string();
        let mut inner = [0; 16].to_vec();
        inner.extend(u32::try_from(json.len()).unwrap().to_le_bytes());
        inner.extend(json.as_bytes());
        let head = json!({
            "symbol": "600000.SH", "what": "spot", "rows": ticks.len(), "last": true,
            "unpacked": inner.len(),
        });
        self.say(&head, &zipped(&inner));
    }
}

#[test]
fn quotes_come_day_by_day_and_the_bar_of_the_day_proves_them() {
    let bench = bench();
    let mut source = bench.source(&quotes());
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, asked) = Answerer::connect(address, 5);
        assert_eq!((&asked["from"], &asked["to"]), (&json!("20260416"), &json!("20260416")));
        assert_eq!((&asked["kind"], &asked["period"]), (&json!("spot"), &Value::Null));
        bridge.rows("600000.SH", "day", &[("2026-04-16", traded(500.0))]);
        bridge.ticks(&[tick("2026-04-16 14:00:00", 100)]); // the rest is on its way
        bridge.end();
        assert_eq!(bridge.asked()["from"], "20260416");
        bridge.rows("600000.SH", "day", &[("2026-04-16", traded(500.0))]);
        let late = tick("2026-04-16 15:00:03", 500);
        bridge.ticks(&[tick("2026-04-16 09:15:00", 0), late, tick("2026-04-16 14:00:00", 100)]);
        bridge.end();
        assert_eq!(bridge.asked()["from"], "20260417");
        bridge.ticks(&[tick("2026-04-17 09:59:57", 100), tick("2026-04-17 10:00:03", 200)]);
        bridge.end();
        bridge
    });
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    let expected = [
        ("600000.SH".to_owned(), us("2026-04-16 14:00:00"), 10_000),
        ("600000.SH".to_owned(), us("2026-04-16 15:00:03"), 50_000),
        ("600000.SH".to_owned(), us("2026-04-17 09:59:57"), 10_000),
    ];
    assert_eq!(given.quotes, expected);
    drop(bridge.join().unwrap());
}

#[test]
fn quotes_without_a_trade_are_padding() {
    let bench = bench();
    let mut source = bench.source(&quotes());
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        for _ in 0..3 {
            bridge.ticks(&[tick("2026-04-16 14:00:00", 0)]);
            bridge.end();
            bridge.asked();
        }
        bridge.ticks(&[tick("2026-04-17 09:59:57", 100)]);
        bridge.end();
        bridge
    });
    let given = run(&mut source);
    let fault = given.fault.unwrap();
    assert!(fault.contains("600000.SH (no trades"), "{fault}");
    assert_eq!(given.quotes.len(), 1);
    assert_eq!(bench.host.counted("qmt_padding_total"), 3);
    drop(bridge.join().unwrap());
}
