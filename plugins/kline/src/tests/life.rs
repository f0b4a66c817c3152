//! Options, the contract of a source, and its end.

use std::time::{Duration, Instant};

use kit::testing::wait_until;
use plugin_api::{
    Polled, Source,
    serde_json::{Value, json},
    testing::{check_source, options},
};

use super::{
    Bench, asks, of_period,
    vendor::{Reply, Vendor},
    with,
};
use crate::{options::Options, source::Kline};

const TODAY: &str = "2026-09-20";

#[test]
fn the_source_keeps_its_contract() {
    let vendor = Vendor::keeping(TODAY);
    let minimal = asks(
        std::slice::from_ref(&vendor.url),
        &["600000.SH", "000333.SZ"],
        "2026-09-14",
        "2026-09-18",
    );
    let batches = check_source::<Kline>(&minimal, Bench::new().context(), 100);
    assert_eq!(batches.iter().map(plugin_api::Batch::records).sum::<u32>(), 10);
}

#[test]
fn without_a_question_it_ends_at_once_and_asks_nobody() {
    let vendor = Vendor::keeping(TODAY);
    let given = Bench::new().run(json!({ "urls": [vendor.url] }));
    assert_eq!((given.bars.len(), given.fault), (0, None));
    assert_eq!((vendor.asked().len(), vendor.proofs()), (0, 0));
    // and yet its hosts can be checked
    let template = options(json!({ "urls": [vendor.url] })).unwrap();
    Kline::check(&template, &Bench::new().context()).unwrap();
    assert_eq!(vendor.proofs(), 1);
}

#[test]
fn what_cannot_be_given_is_named_before_anything_is_asked() {
    let base = |period: &str| {
        let urls = ["http://127.0.0.1:1".to_owned()];
        of_period(asks(&urls, &["600000.SH"], "2026-09-18", "2026-09-18"), period)
    };
    let ask = |key: &str, value: Value| {
        let mut options = base("day");
        options["ask"][key] = value;
        options
    };
    let mut spot = ask("kind", json!("spot"));
    spot["ask"].as_object_mut().unwrap().remove("period");
    let cases = [
        (spot, "ask for kind = \"bar\" with period = 1m, 5m, 15m, 30m, 60m or day"),
        (base("3m"), "no bars of \"3m\"; use 1m, 5m"),
        (base("week"), "no bars of \"week\""),
        (ask("symbols", json!([])), "name those you want"),
        (ask("from", json!("soon")), "ask.from"),
        (with(base("5m"), json!({ "adjust": "qfq" })), "set adjust = \"none\""),
        (with(base("day"), json!({ "urls": [] })), "`urls` is empty"),
        (with(base("day"), json!({ "urls": ["ifzq.gtimg.cn"] })), "`urls` has \"ifzq.gtimg.cn\""),
        (with(base("day"), json!({ "urls": ["http://h/?x=1"] })), "`urls` has \"http://h/\""),
        (with(base("day"), json!({ "proxy": "me:secret@h" })), "`proxy` is no address"),
        (with(base("day"), json!({ "parallel": 0 })), "`parallel` is 0; write 1 to 16"),
        (with(base("day"), json!({ "rate": 101 })), "`rate` is 101; write 1 to 100"),
        (with(base("day"), json!({ "retries": 11 })), "`retries` is 11; write 0 to 10"),
        (with(base("day"), json!({ "timeout": "1ms" })), "`timeout` is 1ms; write 100ms to 1m"),
    ];
    for (given, said) in cases {
        let options: Options = options(given).unwrap();
        let error = Kline::open(options, Bench::new().context()).err().unwrap();
        assert_eq!(error.kind, plugin_api::ErrorKind::Config, "{said}");
        assert!(error.message.contains(said), "{said}: {}", error.message);
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
    assert!(options::<Options>(json!({ "adjust": "none" })).unwrap().check().is_ok());
}

#[test]
fn closing_does_not_wait_for_a_request_that_hangs() {
    let vendor = Vendor::saying(|_, _| Reply::Silence);
    let bench = Bench::new();
    let options =
        asks(std::slice::from_ref(&vendor.url), &["600000.SH"], "2026-09-18", "2026-09-18");
    let mut source = bench.open(with(options, json!({ "timeout": "30s" })));
    wait_until("the first question", || vendor.proofs() == 1);
    assert!(matches!(source.next(Duration::ZERO).unwrap(), Polled::Idle));
    let started = Instant::now();
    source.close().unwrap();
    drop(source);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_host_that_stops_is_heard_between_two_requests_and_nothing_counts_as_missing() {
    let vendor = Vendor::keeping(TODAY);
    let symbols: Vec<_> = (0..1_000).map(|number| format!("{}.SH", 600_000 + number)).collect();
    let symbols: Vec<_> = symbols.iter().map(String::as_str).collect();
    let bench = Bench::new();
    let mut source =
        bench.open(asks(std::slice::from_ref(&vendor.url), &symbols, "2026-09-18", "2026-09-18"));
    wait_until("some questions", || vendor.asked().len() >= 3);
    bench.host.stop();
    while !matches!(source.next(Duration::from_millis(50)).unwrap(), Polled::End) {}
    assert!(vendor.asked().len() < 100, "{} questions", vendor.asked().len());
    source.close().unwrap();
    assert!(bench.host.told().dead_letters.is_empty());
}

#[test]
fn a_security_that_is_named_twice_is_given_once() {
    let vendor = Vendor::keeping(TODAY);
    let symbols = ["600000.SH", "sh600000", "600000.XSHG"];
    let options = asks(std::slice::from_ref(&vendor.url), &symbols, "2026-09-18", "2026-09-18");
    let given = Bench::new().run(options);
    assert_eq!((given.bars.len(), given.fault), (1, None));
}

#[test]
fn no_more_is_asked_than_the_rate_allows() {
    let vendor = Vendor::keeping(TODAY);
    let symbols: Vec<_> = (0..10).map(|number| format!("{}.SH", 600_000 + number)).collect();
    let symbols: Vec<_> = symbols.iter().map(String::as_str).collect();
    let options = asks(std::slice::from_ref(&vendor.url), &symbols, "2026-09-18", "2026-09-18");
    let started = Instant::now();
    let given = Bench::new().run(with(options, json!({ "rate": 20, "parallel": 8 })));
    assert_eq!((given.bars.len(), given.fault), (10, None));
    // the proof and ten questions: ten gaps of 50 ms
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
}
