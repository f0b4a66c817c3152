//! What is asked of every source.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use plugin_api::{
    ErrorKind, Polled, Source,
    serde_json::{Value, json},
    testing::{check_options, check_source, options},
};

use super::{Bench, MORNING_US, TOKEN, bridge::Bridge, listening, wait_until};
use crate::{options::Options, source::Qmt};

#[test]
fn the_source_keeps_its_contract() {
    let bench = Bench::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let sender = thread::spawn(move || {
        wait_until("the source", || std::net::TcpStream::connect(address).is_ok());
        let mut bridge = Bridge::connect(address);
        for sequence in 1..=5 {
            bridge.send(sequence);
        }
        bridge.rest()
    });
    let given = json!({ "listen": format!("tcp://{address}"), "token": TOKEN });
    let batches = check_source::<Qmt>(&given, bench.context(), 5);
    assert_eq!(batches.len(), 5);
    assert!(!sender.join().unwrap().is_empty(), "it heard the end");
}

#[test]
fn options_that_cannot_work_are_refused_all_at_once() {
    check_options::<Options>(&json!({}));
    let bench = Bench::new();
    let check = |given: Value| Qmt::check(&options(given).unwrap(), &bench.context());
    let more = |more: Value| {
        let mut given = listening();
        for (name, value) in more.as_object().unwrap() {
            given[name] = value.clone();
        }
        given
    };
    #[rustfmt::skip]
    let cases: [(Value, &[&str]); 8] = [
        (json!({}), &["`token` is missing", "openssl rand"]),
        (json!({ "token": "short", "listen": "9300" }), &["`token` has 5 characters", "`listen` is \"9300\""]),
        (more(json!({ "heartbeat": "2m", "stale_after": "10ms" })), &["`heartbeat` is 2m", "`stale_after` is 10ms"]),
        (more(json!({ "phases": ["9-10", "15:00-13:00"] })), &["\"9-10\" is no phase", "does not end after it starts"]),
        (more(json!({ "holidays_file": "absent.txt" })), &["`holidays_file`", "absent.txt"]),
        (more(json!({ "connect": "ws://127.0.0.1:1" })), &["`listen` and `connect`"]),
        (json!({ "connect": "http://x", "symbols": [] }), &["`connect` is \"http://x\"", "`symbols` is []"]),
        (json!({ "connect": "ws://127.0.0.1:1" }), &["qmt-bridge at 127.0.0.1:1", "start it"]),
    ];
    for (given, texts) in cases {
        let error = check(given.clone()).unwrap_err();
        for text in texts {
            assert!(error.message.contains(text), "{given}: {text:?} is missing in: {error}");
        }
        assert!(!error.message.contains(TOKEN), "{error}");
    }
    assert!(check(listening()).is_ok());
}

#[test]
fn an_address_that_is_taken_is_named_with_the_remedy() {
    let bench = Bench::new();
    let source = bench.listener();
    let address = source.address();
    let given = json!({ "listen": format!("tcp://{address}"), "token": TOKEN });
    let mut second = Qmt::open(options(given).unwrap(), bench.context()).unwrap();
    let error = second.next(Duration::ZERO).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains(&format!("{address} is in use")), "{error}");
    assert!(error.message.contains("ss -ltnp"), "{error}");
    drop(source);
    assert!(matches!(second.next(Duration::ZERO), Ok(Polled::Idle)), "it is free now");
}

#[test]
fn records_are_expected_while_the_exchange_is_open_and_not_in_between() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let minute = 60_000_000;
    let within = Some(Duration::from_secs(30));
    let mut expected = Vec::new();
    let mut at = |minutes: i64, told: Option<Option<Duration>>| {
        bench.host.set_now_us(MORNING_US + minutes * minute);
        source.next(Duration::ZERO).unwrap();
        expected.extend(told);
        assert_eq!(bench.host.told().expectations, expected, "{minutes} minutes after ten");
    };
    at(0, Some(within));
    at(30, None);
    at(89, None);
    at(90, Some(None)); // 11:30
    at(120, None);
    at(180, Some(within)); // 13:00
    at(299, None);
    at(300, Some(None)); // 15:00
    at(24 * 60, Some(within)); // the next day
    at(5 * 24 * 60, Some(None)); // a Saturday
    at(30, Some(within)); // a clock that was put back
}
