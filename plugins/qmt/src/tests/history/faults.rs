//! What a bridge cannot answer, and bridges that are of no use.

use std::thread;

use plugin_api::{Source, schemas::session::TradingCalendar, serde_json::json};

use super::{Answerer, asks, asks_of, bench, run, traded, with};
use crate::{
    options::Options,
    source::Qmt,
    tests::{TOKEN, bridge},
};

#[test]
fn a_security_that_the_terminal_lacks_is_named_and_holds_up_no_other() {
    let bench = bench();
    let mut source = bench.source(&asks(&["600000.SH", "600001.SH"]));
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        bridge.say(&json!({ "symbol": "600000.SH", "error": "the terminal has no rows" }), &[]);
        bridge.rows("600001.SH", "bar", &[("2026-04-17 15:00:00", traded(7.0))]);
        bridge.end();
        for _ in 0..2 {
            // silence about it, and no trades
            bridge.asked();
            bridge.end();
        }
        bridge
    });
    let given = run(&mut source);
    assert_eq!(given.bars(), ["600001 2026-04-17 15:00 700"]);
    let fault = given.fault.unwrap();
    let expected = "1 securities could not be given, or not whole: 600000.SH (the bridge said \
                    nothing of it)";
    assert_eq!(fault, expected);
    let told = bench.host.told();
    assert_eq!(told.dead_letters.len(), 1, "{:?}", told.dead_letters);
    drop(bridge.join().unwrap());
}

#[test]
fn a_terminal_that_is_away_is_told_at_once() {
    let bench = bench();
    let mut source = bench.source(&asks(&["600000.SH", "600001.SH"]));
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        // the text of xtquant itself
        let text =
            "QMT is not there: 无法连接xtquant服务，请检查QMT-投研版或QMT-极简版是否开启; start it";
        bridge.say(&json!({ "error": text }), &[]);
        bridge
    });
    let fault = run(&mut source).fault.unwrap();
    assert!(fault.starts_with("2 securities could not be given"), "{fault}");
    assert!(fault.contains("600001.SH (QMT is not there: 无法连接xtquant服务"), "{fault}");
    drop(bridge.join().unwrap());
}

#[test]
fn a_bridge_that_only_sends_quotes_is_told_to_be_updated() {
    let bench = bench();
    let mut source = bench.source(&asks(&["600000.SH"]));
    let (mut stream, mut reader) = bridge::visit(source.address());
    let hello = bridge::hear(&mut stream, &mut reader).unwrap();
    assert_eq!(&hello.body[5..9], [1, 0, 2, 0], "versions");
    std::io::Write::write_all(&mut stream, &bridge::answer(&hello, TOKEN, 5).encode()).unwrap();
    let refused = bridge::hear(&mut stream, &mut reader).unwrap();
    assert!(String::from_utf8_lossy(&refused.body).contains("history_port"), "{refused:?}");
    let fault = run(&mut source).fault.unwrap();
    assert!(fault.contains("update qmt_bridge.py"), "{fault}");
}

#[test]
fn a_source_of_quotes_offers_no_version_that_answers() {
    let bench = bench();
    let source = bench.listener();
    let (mut stream, mut reader) = bridge::visit(source.address());
    let hello = bridge::hear(&mut stream, &mut reader).unwrap();
    assert_eq!(&hello.body[5..9], [1, 0, 1, 0]);
}

#[test]
fn no_bridge_and_a_silent_one_are_given_up() {
    let bench = bench();
    let short = |asks| with(asks, json!({ "answer_within": "1s" }));
    let mut source = bench.source(&short(asks(&["600000.SH"])));
    let fault = run(&mut source).fault.unwrap();
    assert!(fault.contains("no bridge came to tcp://127.0.0.1:0 within 1 s"), "{fault}");
    assert!(fault.contains("history_port"), "{fault}");

    let mut source = bench.source(&short(asks(&["600000.SH"])));
    let address = source.address();
    let bridge = thread::spawn(move || Answerer::connect(address, 5));
    let fault = run(&mut source).fault.unwrap();
    assert!(fault.contains("the bridge said nothing for 1 s"), "{fault}");
    drop(bridge.join().unwrap());
}

#[test]
fn an_address_that_is_taken_is_waited_for_and_then_named() {
    let bench = bench();
    let first = bench.listener();
    let address = format!("tcp://{}", first.address());
    let options = with(asks(&["600000.SH"]), json!({ "listen": address, "answer_within": "1s" }));
    let fault = run(&mut bench.source(&options)).fault.unwrap();
    assert!(fault.contains("is in use"), "{fault}");
}

#[test]
fn parts_that_make_no_sense_are_set_aside_and_the_rest_is_asked_for_again() {
    let bench = bench();
    let mut source = bench.source(&asks(&["600000.SH"]));
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        let head = |more| with(json!({ "symbol": "600000.SH", "what": "bar", "last": true }), more);
        bridge.say(&head(json!({ "rows": 2 })), &super::packed(&[]));
        bridge.say(&head(json!({ "rows": 1 })), b"no zlib");
        bridge.say(&head(json!({ "rows": u64::MAX })), b"");
        bridge.say(&head(json!({ "what": "week" })), b"");
        let cut = crate::frame::Frame {
            kind: crate::frame::Kind::Page,
            sequence: bridge.id,
            body: vec![9, 0, 0, 0, b'{'],
        };
        bridge.bridge.say(&cut);
        bridge.end();
        bridge.asked();
        // of a security that was never traded at that price, and one that is none
        let damaged = [10.0, 9.0, 11.0, 10.0, 5.0, 5_000.0];
        bridge.rows("600000.SH", "bar", &[("2026-04-17 10:00:00", damaged)]);
        bridge.end();
        bridge.asked();
        bridge.rows("600000.SH", "bar", &[("2026-04-17 10:00:00", traded(5.0))]);
        bridge.end();
        bridge
    });
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    assert_eq!(given.bars(), ["600000 2026-04-17 10:00 500"]);
    assert_eq!(bench.host.told().dead_letters.len(), 5);
    drop(bridge.join().unwrap());
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_remedy() {
    let bench = bench();
    let span = ("2026-04-17 09:30:00", "2026-04-17 15:00:00");
    let minutes = |symbols: &[&str]| asks_of(symbols, span.0, span.1, "1m");
    let mut no_time = minutes(&["600000.SH"]);
    no_time["ask"]["from"] = json!("soon");
    let mut bridge_server = minutes(&["600000.SH"]);
    bridge_server["connect"] = json!("ws://127.0.0.1:1");
    let cases = [
        (asks_of(&["600000.SH"], span.0, span.1, "week"), "no bars of \"week\"; use 1m, 5m or day"),
        (minutes(&[]), "ask.symbols"),
        (no_time, "ask.from"),
        (bridge_server, "`ask` needs `listen`"),
        (with(minutes(&["600000.SH"]), json!({ "answer_within": "2h" })), "`answer_within` is 2h"),
    ];
    for (given, said) in cases {
        let options: Options = plugin_api::testing::options(given).unwrap();
        let fault = Qmt::check(&options, &bench.context()).unwrap_err().to_string();
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn a_span_without_a_trading_day_is_told_without_asking() {
    let day = plugin_api::schemas::time::ExchangeTime::from_utc_us(super::us("2026-04-18")).day;
    assert!(!TradingCalendar::shipped().is_trading_day(day));
    let bench = bench();
    let asks = asks_of(&["600000.SH"], "2026-04-18", "2026-04-19", "day");
    let fault = run(&mut bench.source(&asks)).fault.unwrap();
    let expected = "600000.SH (no day from 2026-04-18 to 2026-04-19 is a trading day)";
    assert!(fault.contains(expected), "{fault}");
}
