//! Volumes in shares, and which bars can change no more.

use plugin_api::{schemas::time::SECOND_US, serde_json::json};

use super::{
    Bench,
    answers::{DAYS, FIVE_MINUTES},
    asks, us,
    vendor::{Reply, Vendor, answer},
    with,
};
use crate::{bar::bar_of, question::Question, row::Row};

const TURNOVER: Question = Question { turnover: true, ..DAYS };

/// A row of that volume and turnover (10,000 CNY), at prices from 9 to 11.
fn row(volume: &str, turnover: Option<&str>) -> Row {
    let mut row = json!(["2026-09-18", "10.00", "10.00", "11.00", "9.00", volume, {}, "0.10"]);
    row.as_array_mut().unwrap().extend(turnover.map(|it| json!(it)));
    Row::read(&row, if turnover.is_some() { &TURNOVER } else { &DAYS }).unwrap()
}

fn shares(row: &Row, market: &str, code: &str, question: &Question) -> Result<u64, String> {
    bar_of(row, market, code, question, 0).map(|bar| bar.volume_shares)
}

#[test]
fn volumes_without_turnover_count_as_was_measured() {
    for (market, code, volume, expected) in [
        ("SH", "600000", "1000.000", 100_000),
        ("SZ", "300750", "390240.000", 39_024_000),
        // of 1993: lots with decimals
        ("SH", "600690", "264072.580", 26_407_258),
        // single shares
        ("SH", "688981", "39368171", 39_368_171),
        ("SH", "689009", "101150.00", 101_150),
        ("SH", "510300", "7488663.000", 748_866_300),
        ("SH", "000001", "516472775.00", 51_647_277_500),
    ] {
        assert_eq!(shares(&row(volume, None), market, code, &DAYS), Ok(expected), "{code}");
    }
    assert!(shares(&row("0.001", None), "SH", "600000", &DAYS).unwrap_err().contains("no whole"));
    assert!(shares(&row("10", None), "SH", "113050", &DAYS).unwrap_err().contains("not known"));
}

#[test]
fn the_turnover_of_a_row_proves_the_unit() {
    for (code, volume, turnover, expected) in [
        // lots, and shares
        ("600000", "1000.00", "100.00", Ok(100_000)),
        ("600000", "100000.00", "100.00", Ok(100_000)),
        // of STAR both were reported
        ("688010", "7350685.00", "7350.69", Ok(7_350_685)),
        ("688010", "73506.85", "7350.69", Ok(7_350_685)),
        // a bond at 10 in lots of ten
        ("113050", "1000.00", "10.00", Ok(10_000)),
        // too little turnover to be told in 10,000 CNY
        ("600000", "0.02", "0.00", Ok(2)),
        ("600000", "1000.00", "7.00", Err("fits no unit")),
    ] {
        let row = row(volume, Some(turnover));
        match (shares(&row, "SH", code, &TURNOVER), expected) {
            (Ok(shares), Ok(expected)) => assert_eq!(shares, expected, "{code} {volume}"),
            (Err(fault), Err(expected)) => assert!(fault.contains(expected), "{fault}"),
            (shares, _) => panic!("{code} {volume}: {shares:?}"),
        }
    }
    let bar = bar_of(&row("1000.00", Some("100.00")), "SH", "600000", &TURNOVER, 0).unwrap();
    assert_eq!(bar.amount_cny.to_bits(), 1_000_000_f64.to_bits());
    let bar = bar_of(&row("1000.00", None), "SH", "600000", &DAYS, 0).unwrap();
    assert_eq!(bar.amount_cny.to_bits(), 0_f64.to_bits());
}

#[test]
fn a_turnover_that_contradicts_the_volume_is_set_aside_and_told() {
    let vendor = Vendor::besides_index(|_, question| {
        let row = |label: &str, turnover: &str| {
            json!([
                label,
                "10.00",
                "10.00",
                "11.00",
                "9.00",
                "1000.00",
                {},
                "0.1",
                turnover,
                "0",
                "0"
            ])
        };
        let rows = [row("2026-09-17", "100.00"), row("2026-09-18", "7.00")];
        Reply::Body(answer(&question.code, "day", &rows))
    });
    let bench = Bench::new();
    let options =
        asks(std::slice::from_ref(&vendor.url), &["600000.SH"], "2026-09-17", "2026-09-18");
    let given = bench.run(with(options, json!({ "turnover": true })));
    assert_eq!(given.times(), ["2026-09-17 00:00"]);
    assert!(given.fault.unwrap().contains("1 rows cannot be used"));
    let told = bench.host.told();
    assert_eq!(told.dropped, [("malformed".to_owned(), 1)]);
    assert!(told.dead_letters[0].0.contains("fits no unit"), "{:?}", told.dead_letters);
    assert_eq!(vendor.asked()[0].path, "newfqkline/get");
}

#[test]
fn rows_without_trading_are_padding_and_counted() {
    let rows = [
        // suspended: the close before, or nothing at all
        json!(["2026-09-16", "10.00", "10.00", "10.00", "10.00", "0.00"]),
        json!(["2026-09-17", "0.00", "0.00", "0.00", "0.00", "0.00"]),
        json!(["2026-09-18", "10.00", "10.00", "10.00", "10.00", "3.00"]),
    ];
    let vendor = Vendor::besides_index(move |_, question| {
        let rows = if question.code == "sh600000" { &rows[..] } else { &rows[..2] };
        Reply::Body(answer(&question.code, "day", rows))
    });
    let bench = Bench::new();
    let options = asks(
        std::slice::from_ref(&vendor.url),
        &["600000.SH", "600001.SH"],
        "2026-09-16",
        "2026-09-18",
    );
    let given = bench.run(options);
    assert_eq!(given.times(), ["2026-09-18 00:00"]);
    assert_eq!(bench.host.counted("kline_padding_total"), 4);
    // nothing but padding is no answer
    let fault = given.fault.unwrap();
    assert!(fault.starts_with("1 securities could not be given"), "{fault}");
    assert!(fault.contains("600001.SH (only rows without trading"), "{fault}");
}

#[test]
fn a_bar_is_closed_once_it_can_change_no_more() {
    let closed = |question: &Question, (market, code), label: &str, now: &str| {
        let row = json!([label, "10.00", "10.00", "11.00", "9.00", "5"]);
        let row = Row::read(&row, question).unwrap();
        bar_of(&row, market, code, question, us(now)).unwrap().closed
    };
    let (main, star, chinext) = (("SH", "600000"), ("SH", "688981"), ("SZ", "300750"));
    let cases = [
        (&DAYS, main, "2026-09-17", "2026-09-18 09:00:00", true),
        (&DAYS, main, "2026-09-18", "2026-09-18 11:45:00", false),
        (&DAYS, main, "2026-09-18", "2026-09-18 15:00:29", false),
        (&DAYS, main, "2026-09-18", "2026-09-18 15:00:30", true),
        // they trade at the close until 15:30
        (&DAYS, star, "2026-09-18", "2026-09-18 15:29:00", false),
        (&DAYS, chinext, "2026-09-18", "2026-09-18 15:29:00", false),
        (&DAYS, star, "2026-09-18", "2026-09-18 15:30:30", true),
        (&FIVE_MINUTES, main, "202609181000", "2026-09-18 09:57:00", false),
        (&FIVE_MINUTES, main, "202609181000", "2026-09-18 10:00:00", false),
        (&FIVE_MINUTES, main, "202609181000", "2026-09-18 10:00:30", true),
    ];
    for (question, security, label, now, expected) in cases {
        assert_eq!(closed(question, security, label, now), expected, "{label} at {now}");
    }
    assert_eq!(us("2026-09-18 10:00:30") - us("2026-09-18 10:00:00"), 30 * SECOND_US);
}
