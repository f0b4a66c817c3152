//! Counts of made-up days.

use plugin_api::{
    Round, encode_bars,
    schemas::{
        encode::{SpotListEncoder, SpotRecord},
        records::bar::BarRecord,
    },
};

use super::*;

fn day() -> Day {
    "2026-01-05".parse().unwrap()
}

/// Quotes at seconds after 09:30.
fn spots(quotes: &[(&'static str, i64)]) -> Batch {
    let mut encoder = SpotListEncoder::new(quotes.len());
    for (code, second) in quotes {
        let time_us = day().start_us() + (570 * 60 + second) * 1_000_000;
        let record = SpotRecord { market: "SH", code, time_us, ..SpotRecord::default() };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::WHOLE)
}

fn bar(period: &str, minute: i64) -> BarRecord<'_> {
    BarRecord {
        symbol: Symbol { market: "SZ", code: "000001" },
        period,
        time_us: day().start_us() + minute * MINUTE_US,
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        amount_cny: 1.0,
        volume_shares: 1,
        closed: true,
        quality_score: None,
        source: "",
    }
}

fn tally(quotes: &[(&'static str, i64)]) -> Tally {
    let mut tally = Tally::default();
    tally.add(day(), Placing::Own, &spots(quotes));
    tally
}

fn told(differences: &[Difference]) -> Vec<String> {
    let told = |it: &Difference| {
        let [from, to] = [&it.from, &it.to].map(|text| &text[11..16]);
        format!("{} {} {from}-{to} {}/{}", it.symbol, it.series.text(), it.stored, it.counted)
    };
    differences.iter().map(told).collect()
}

#[test]
fn what_differs_is_named_by_security_and_minutes() {
    let whole = [
        ("600000", 0),
        ("600000", 3),
        ("600000", 61),
        ("600000", 125),
        ("600000", 400),
        ("600001", 0),
    ];
    let ledger = tally(&whole);
    let series = Series::spots();
    assert_eq!(ledger.series(), [(series.clone(), 6)]);
    assert!(ledger.differences(day(), &series, std::slice::from_ref(&ledger)).is_empty());
    let cut = tally(&[whole[0], whole[3], ("600002", 0)]);
    let expected = [
        "600000.SH spot 09:30-09:31 1/3",
        "600000.SH spot 09:36-09:36 0/1",
        "600001.SH spot 09:30-09:30 0/1",
        "600002.SH spot 09:30-09:30 1/0",
    ];
    assert_eq!(told(&ledger.differences(day(), &series, &[cut])), expected);
    // what is there twice stands apart from what is missing beside it
    let twice = tally(&[whole[0], whole[1], whole[2], whole[2], whole[4], whole[5]]);
    let expected = ["600000.SH spot 09:31-09:31 2/1", "600000.SH spot 09:32-09:32 0/1"];
    assert_eq!(told(&ledger.differences(day(), &series, &[twice])), expected);
}

#[test]
fn a_store_without_a_series_lacks_all_of_it() {
    let ledger = tally(&[("600000", 0), ("600000", 61)]);
    let differences = ledger.differences(day(), &Series::spots(), &[Tally::default()]);
    assert_eq!(told(&differences), ["600000.SH spot 09:30-09:31 0/2"]);
}

#[test]
fn a_bar_counts_once_and_by_its_period() {
    let mut ledger = Tally::default();
    let open = BarRecord { closed: false, ..bar("1m", 573) };
    let bars = [bar("1m", 571), bar("1m", 571), bar("1m", 572), open, bar("5m", 575)];
    ledger.add(day(), Placing::Own, &Batch::from_bars(encode_bars(bars)).unwrap());
    assert_eq!(ledger.series(), [(Series::bars("1m"), 2), (Series::bars("5m"), 1)]);
    let mut store = Tally::default();
    store.add(day(), Placing::Own, &Batch::from_bars(encode_bars([bar("1m", 572)])).unwrap());
    let differences = ledger.differences(day(), &Series::bars("1m"), &[store]);
    assert_eq!(told(&differences), ["000001.SZ bar 1m 09:31-09:31 0/1"]);
}

#[test]
fn a_quiet_security_of_a_polled_source_is_found_where_its_answers_are() {
    let start_us = day().start_us() + 570 * MINUTE_US;
    let mut encoder = SpotListEncoder::new(3);
    // traded at 09:30:00, and given again each minute
    for minute in 0..3 {
        let recv_time_us = start_us + minute * MINUTE_US + 1_000_000;
        let record = SpotRecord {
            market: "SH",
            code: "600000",
            time_us: start_us,
            recv_time_us,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    let batch = Batch::from_spots(&mut encoder, Round::WHOLE);
    let ways = [Placing::Own, Placing::Answer].map(|placing| {
        let mut tally = Tally::default();
        tally.add(day(), placing, &batch);
        tally
    });
    let series = Series::spots();
    // of a polled source, and of a file of which the same would be read late
    let polled = tally(&[("600000", 0), ("600000", 61), ("600000", 121)]);
    assert!(polled.differences(day(), &series, &ways).is_empty());
    let recorded = tally(&[("600000", 0), ("600000", 0), ("600000", 0)]);
    assert!(recorded.differences(day(), &series, &ways).is_empty());
    let more = tally(&[("600000", 0), ("600000", 61), ("600000", 121), ("600000", 181)]);
    let expected = ["600000.SH spot 09:33-09:33 0/1"];
    assert_eq!(told(&more.differences(day(), &series, &ways)), expected);
}

#[test]
fn records_of_other_days_are_left_out_and_the_order_is_no_matter() {
    let day_us = 86_400;
    let mixed = [("600000", 61), ("600000", 0), ("600000", day_us), ("600000", -day_us)];
    assert_eq!(tally(&mixed), tally(&[("600000", 0), ("600000", 61)]));
    let mut set = Tally::default();
    set.set(&Series::spots(), "600000.SH", 571, 1);
    set.set(&Series::spots(), "600000.SH", 570, 1);
    assert_eq!(set, tally(&mixed));
    assert_eq!((minute_of(day(), i64::MIN), minute_of(day(), i64::MAX)), (None, None));
}
