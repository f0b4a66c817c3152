//! Questions and answers, from one end to the other.

use plugin_api::serde_json::json;
use std::thread;

use super::{Answerer, Given, asks, asks_of, bench, run, traded, us, with};

const DAY: &str = "2026-04-17";

#[test]
fn minutes_leave_as_bars_with_the_opening_auction_in_the_first() {
    let bench = bench();
    let mut source = bench.source(&asks(&["003018.SZ"]));
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, asked) = Answerer::connect(address, 5);
        let wanted = json!({
            "id": 1, "symbols": ["003018.SZ"], "from": "20260417", "to": "20260417",
            "kind": "bar", "period": "1m",
        });
        assert_eq!(asked, wanted);
        bridge.say(&json!({ "progress": "downloads" }), &[]);
        // the auction as it was recorded that day; it came an hour before the others
        bridge.rows("003018.SZ", "day", &[(DAY, [35.51, 36.0, 35.0, 35.6, 1_000.0, 3.55e6])]);
        bridge.rows(
            "003018.SZ",
            "bar",
            &[
                ("2026-04-17 09:30:00", [35.51, 35.51, 35.51, 35.51, 790.0, 2_805_290.0]),
                ("2026-04-17 09:31:00", [35.5, 36.0, 35.000_000_000_001, 35.8, 200.0, 710_000.0]),
                ("2026-04-17 09:32:00", [35.8, 35.8, 35.8, 35.8, 0.0, 0.0]),
                ("2026-04-17 15:00:00", [35.6, 35.6, 35.6, 35.6, 10.0, 35_600.0]),
            ],
        );
        bridge.end();
        bridge
    });
    let Given { bars, fault, .. } = run(&mut source);
    assert_eq!(fault, None);
    assert_eq!(bars.len(), 2, "{bars:?}");
    let first = &bars[0];
    assert_eq!(first.time_us, us("2026-04-17 09:31:00"));
    assert_eq!((first.open, first.high, first.low, first.close), (35.51, 36.0, 35.0, 35.8));
    assert_eq!((first.volume_shares, first.amount_cny), (99_000, 3_515_290.0));
    assert_eq!((first.period.as_str(), first.market.as_str()), ("1m", "SZ"));
    assert!(first.closed && first.source == bench.context().instance());
    assert_eq!((bars[1].time_us, bars[1].volume_shares), (us("2026-04-17 15:00:00"), 1_000));
    drop(bridge.join().unwrap());
}

#[test]
fn padding_is_asked_for_again_and_never_given() {
    let bench = bench();
    let mut source = bench.source(&asks(&["600000.SH", "600001.SH"]));
    let address = source.address();
    let whole = [("2026-04-17 09:31:00", traded(5.0)), ("2026-04-17 15:00:00", traded(7.0))];
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        // the close before, and zeros
        let close = [9.9, 9.9, 9.9, 9.9, 0.0, 0.0];
        let padding = [("2026-04-17 09:31:00", close), ("2026-04-17 15:00:00", [0.0; 6])];
        bridge.rows("600000.SH", "day", &[(DAY, traded(12.0))]);
        bridge.rows("600000.SH", "bar", &padding);
        bridge.rows("600001.SH", "bar", &whole);
        bridge.end();
        let asked = bridge.asked();
        assert_eq!(asked["symbols"], json!(["600000.SH"]), "the other is whole");
        bridge.rows("600000.SH", "day", &[(DAY, traded(12.0))]);
        bridge.rows("600000.SH", "bar", &whole);
        bridge.end();
        bridge
    });
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    let expected = [
        "600001 2026-04-17 09:31 500",
        "600001 2026-04-17 15:00 700",
        "600000 2026-04-17 09:31 500",
        "600000 2026-04-17 15:00 700",
    ];
    assert_eq!(given.bars(), expected);
    assert_eq!(bench.host.counted("qmt_padding_total"), 2);
    assert_eq!(bench.host.counted("qmt_asked_again_total"), 1);
    drop(bridge.join().unwrap());
}

#[test]
fn a_day_whose_minutes_lack_volume_is_asked_for_again_and_then_told() {
    let bench = bench();
    let mut source = bench.source(&asks(&["600000.SH"]));
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        for attempt in 1..=3 {
            bridge.rows("600000.SH", "day", &[(DAY, traded(1_000.0))]);
            // downloaded to 11:27, and padded from there on
            let close = [10.0, 10.0, 10.0, 10.0, 0.0, 0.0];
            let rows = [("2026-04-17 11:27:00", traded(600.0)), ("2026-04-17 11:28:00", close)];
            bridge.rows("600000.SH", "bar", &rows);
            bridge.end();
            if attempt < 3 {
                bridge.asked();
            }
        }
        bridge
    });
    let given = run(&mut source);
    let fault = given.fault.as_deref().unwrap_or_default();
    assert!(fault.contains("600000.SH (not all of 2026-04-17: 600 lots of 1000"), "{fault}");
    assert_eq!(given.bars(), ["600000 2026-04-17 11:27 60000"], "what there is, once");
    assert_eq!(bench.host.counted("qmt_padding_total"), 3);
    drop(bridge.join().unwrap());
}

#[test]
fn a_bridge_that_is_lost_is_asked_for_the_rest_when_it_comes_back() {
    let bench = bench();
    let mut source = bench.source(&asks(&["600000.SH", "600001.SH"]));
    let address = source.address();
    let rows = [("2026-04-17 15:00:00", traded(7.0))];
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        bridge.rows("600000.SH", "bar", &rows);
        // half of the other
        let head = json!({ "symbol": "600001.SH", "what": "bar", "rows": 1 });
        bridge.say(&head, &super::packed(&[("2026-04-17 14:00:00", traded(1.0))]));
        bridge.bridge.cut();
        let (mut bridge, asked) = Answerer::connect(address, 6);
        // what came before the cut may be read after it
        if asked["symbols"] != json!(["600001.SH"]) {
            bridge.rows("600000.SH", "bar", &rows);
        }
        bridge.rows("600001.SH", "bar", &rows);
        bridge.end();
        bridge
    });
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    assert_eq!(given.bars(), ["600000 2026-04-17 15:00 700", "600001 2026-04-17 15:00 700"]);
    drop(bridge.join().unwrap());
}

#[test]
fn only_what_was_asked_is_given() {
    let bench = bench();
    let span = ("2026-04-16 15:00:00", "2026-04-17 09:31:00");
    let mut source = bench.source(&asks_of(&["600000.SH"], span.0, span.1, "1m"));
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, asked) = Answerer::connect(address, 5);
        assert_eq!((&asked["from"], &asked["to"]), (&json!("20260416"), &json!("20260417")));
        bridge.rows("600009.SH", "bar", &[("2026-04-17 09:31:00", traded(9.0))]);
        bridge.rows(
            "600000.SH",
            "bar",
            &[
                ("2026-04-17 09:32:00", traded(5.0)),
                ("2026-04-17 09:31:00", traded(4.0)),
                ("2026-04-16 14:59:00", traded(1.0)),
                ("2026-04-16 15:00:00", traded(2.0)),
                ("2026-04-15 15:00:00", traded(8.0)),
                ("2026-04-17 09:31:00", traded(3.0)),
            ],
        );
        bridge.end();
        bridge
    });
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    assert_eq!(given.bars(), ["600000 2026-04-16 15:00 200", "600000 2026-04-17 09:31 300"]);
    let dropped = bench.host.told().dropped;
    assert!(dropped.contains(&("other_security".to_owned(), 1)), "{dropped:?}");
    assert!(dropped.contains(&("outside".to_owned(), 1)), "{dropped:?}");
    drop(bridge.join().unwrap());
}

#[test]
fn days_leave_at_their_first_moment_and_that_under_way_is_open() {
    let bench = bench();
    bench.host.set_now_us(us("2026-04-17 10:30:00"));
    let asks = asks_of(&["002600.SZ"], "2026-04-16", "2026-04-17", "day");
    let mut source = bench.source(&with(asks, json!({ "auction": "drop" })));
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, asked) = Answerer::connect(address, 5);
        assert_eq!(asked["period"], "day");
        let rows = [("2026-04-16", traded(300.0)), ("2026-04-17", traded(20.0))];
        bridge.rows("002600.SZ", "bar", &rows);
        bridge.end();
        bridge
    });
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    assert_eq!(given.bars(), ["002600 2026-04-16 00:00 30000", "002600 2026-04-17 00:00 2000"]);
    let closed: Vec<_> = given.bars.iter().map(|bar| bar.closed).collect();
    assert_eq!(closed, [true, false]);
    drop(bridge.join().unwrap());
}
