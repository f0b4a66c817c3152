//! Recorded auctions: their virtual prices are no faults.

use std::fs;

use plugin_api::schemas::{
    market_phase::MarketPhase::{
        self, AfterHours, Auction, Break, Closed, ClosingAuction, Continuous, PreOpen,
    },
    qq,
    spot::Symbol,
    time::SECOND_US,
};

use super::{
    recorded::{DAYS, Row},
    *,
};

/// Excerpts of recorded days, with the day whose columns they have.
const EXCERPTS: [(&str, usize); 5] = [
    ("sse_l1_3stocks_20211201_open.csv", 0),
    ("sse_l1_600519_20230201_open.csv", 1),
    ("sse_l1_600519_20230201_close.csv", 1),
    ("szse_l1_000400_20220601.csv", 2),
    ("szse_l1_300918_20220601_thin.csv", 2),
];

fn excerpt(file: &str, day: usize) -> Option<Vec<Row>> {
    let path = fixtures::whole_fixture(&format!("auction/{file}"))?;
    Some(DAYS[day].rows_of(&fs::read_to_string(path).unwrap()))
}

/// What the exchange's own code of a phase allows. A security may send what a phase ended with up to
/// some seconds after it.
fn phases_of(status: &str) -> &'static [MarketPhase] {
    match status {
        "START" | "0" => &[PreOpen],
        // Shanghai says so from 09:14 on
        "OCALL" | "1" => &[Auction, PreOpen],
        "2" => &[PreOpen],
        // of Shanghai from the end of the auction on, at noon as well
        "TRADE" => &[PreOpen, Continuous, Break],
        "3" => &[Continuous, Break, ClosingAuction],
        "BREAK" | "4" => &[Break],
        "CCALL" | "5" => &[ClosingAuction, Closed],
        "CLOSE" | "ENDTR" | "6" => &[Closed, AfterHours],
        other => panic!("unknown status {other}"),
    }
}

#[test]
fn phases_are_those_that_the_exchanges_say() {
    for day in &DAYS {
        let mut late = 0;
        for row in day.rows() {
            let symbol = Symbol { market: &row.market, code: &row.code };
            let phase = MarketPhase::of(symbol, row.time_us).unwrap();
            let allowed = phases_of(&row.status);
            assert!(allowed.contains(&phase), "{} {}: {phase:?}", row.status, row.time_us);
            let before = MarketPhase::of(symbol, row.time_us - 3 * SECOND_US).unwrap();
            // a phase that has ended is told for the second of its end at most
            let is_late = match &*row.status {
                "1" | "OCALL" => phase == PreOpen && before == Auction,
                "3" => phase != Continuous,
                "5" | "CCALL" => phase == Closed,
                _ => false,
            };
            assert!(!is_late || before != phase, "{} {}: {phase:?}", row.status, row.time_us);
            late += usize::from(is_late);
        }
        eprintln!("{}: {late} quotes of the second in which a phase ended", day.file);
    }
}

#[test]
fn no_recorded_quote_of_an_auction_is_dropped_or_marked() {
    for (file, day) in EXCERPTS {
        let Some(rows) = excerpt(file, day) else { return };
        let (mut bench, mut virtual_books) = (Bench::open(all("mark")), 0);
        for row in &rows {
            let batch = batch(&[row.record()]);
            let judged = bench.apply(&batch).unwrap();
            assert_eq!(judged.payload().as_ptr(), batch.payload().as_ptr(), "{file}: {row:?}");
            let spot = judged.spots().iter().next().unwrap();
            // the first one of the closing auction may still show the book before it
            let is_late = row.status == "3" && spot.phase() == Some(ClosingAuction);
            if spot.phase().unwrap().is_auction() && !is_late && row.bid[0] > 0.0 {
                // one price, and what is left over behind it without one
                assert_eq!((&row.bid[1..], row.ask[0]), (&[0.0; 4][..], row.bid[0]), "{row:?}");
                virtual_books += 1;
            }
        }
        assert_eq!((bench.findings(), bench.dropped()), (vec![], vec![]), "{file}");
        assert!(virtual_books > 10, "{file}: {virtual_books} of {}", rows.len());
    }
}

#[test]
fn the_recorded_tencent_line_of_the_closing_auction_is_no_fault() {
    let file = "auction/qq_sz000858_20260902_145700_close.gbk.txt";
    let Some(path) = fixtures::whole_fixture(file) else { return };
    let (bytes, mut name) = (fs::read(path).unwrap(), String::new());
    let line = bytes.trim_ascii();
    let quote = qq::Quote::parse_bytes(line, qq::Encoding::Gbk, &mut name).unwrap();
    let record = quote.record("qq", 1, quote.time_us);
    assert_eq!((record.bid[0], record.ask[0], record.bid[1]), (70.82, 70.82, 0.0));
    let mut bench = Bench::open(all("mark"));
    let judged = bench.apply(&batch(&[record])).unwrap();
    assert_eq!(judged.spots().iter().next().unwrap().phase(), Some(ClosingAuction));
    assert_eq!(bench.findings(), []);
}

/// As a terminal of QMT gives it: the virtual price stands for the last one as well, all else is 0.
fn virtual_price(time_us: i64) -> SpotRecord<'static> {
    SpotRecord {
        market: "SH",
        code: "600000",
        time_us,
        recv_time_us: time_us,
        pre_close: 10.0,
        close: 10.3,
        bid: &[10.3, 0.0, 0.0, 0.0, 0.0],
        ask: &[10.3, 0.0, 0.0, 0.0, 0.0],
        ..SpotRecord::default()
    }
}

#[test]
fn a_virtual_price_without_sizes_or_with_sizes_behind_no_price_keeps_its_price() {
    let behind =
        SpotRecord { bid_volume: &[500, 1_200], ask_volume: &[500, 0], ..virtual_price(0) };
    let none_yet = SpotRecord { close: 0.0, bid: &[0.0; 5], ask: &[0.0; 5], ..virtual_price(0) };
    for time_us in [at(9, 15, 0), at(9, 24, 59), at(9, 25, 0)] {
        for record in [virtual_price(0), behind, none_yet] {
            let record = SpotRecord { time_us, recv_time_us: time_us, ..record };
            let mut bench = Bench::open(all("drop"));
            let judged = bench.apply(&batch(&[record])).expect("it is kept");
            let spot = judged.spots().iter().next().unwrap();
            assert_eq!(spot.close().to_string(), record.close.to_string());
            assert_eq!((spot.bid().len(), bench.findings()), (5, vec![]));
        }
    }
}

#[test]
fn before_shanghai_had_a_closing_auction_its_last_minutes_are_judged() {
    let crossed = |day_us: i64, market, code| {
        let time_us = day_us + (14 * 3_600 + 58 * 60) * SECOND_US;
        SpotRecord { market, code, time_us, recv_time_us: 0, bid: &[10.21, 10.18], ..good() }
    };
    // 2018-08-17 and 2018-08-20, 00:00 in Shanghai
    let (friday, monday) = (1_534_435_200_000_000, 1_534_694_400_000_000);
    // day, exchange, code, what is found
    let table: [(i64, &str, &str, &[&str]); 3] = [
        (friday, "SH", "600000", &["crossed"]),
        (monday, "SH", "600000", &[]),
        (friday, "SZ", "000001", &[]),
    ];
    for (day_us, market, code, expected) in table {
        let found = Bench::open(all("mark")).found(&crossed(day_us, market, code));
        assert_eq!(found, expected, "{market} {code}");
    }
}
