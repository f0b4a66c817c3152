//! What becomes of rows: units, the auction, the time after the close, and recorded ones.

use std::{fs, thread};

use fixtures::whole_fixture;
use plugin_api::serde_json::json;

use super::{Answerer, Given, Numbers, asks, asks_of, bench, run, traded, us, with};

/// What a source gives of rows of one security, which come at every try; with other options.
fn given(asks: plugin_api::serde_json::Value, rows: &[(&str, Numbers)]) -> Given {
    let bench = bench();
    let symbol = asks["ask"]["symbols"][0].as_str().unwrap().to_owned();
    let mut source = bench.source(&asks);
    let address = source.address();
    let rows: Vec<_> =
        rows.iter().map(|(label, numbers)| ((*label).to_owned(), *numbers)).collect();
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        let rows: Vec<_> = rows.iter().map(|(label, it)| (label.as_str(), *it)).collect();
        for attempt in 1..=3 {
            bridge.rows(&symbol, "bar", &rows);
            bridge.end();
            // nothing more is asked once it was whole, and then the host says that it ends
            let heard = bridge.bridge.hear();
            if !heard.is_ok_and(|frame| frame.kind == crate::frame::Kind::Ask) {
                break;
            }
            bridge.id += 1;
            assert!(attempt < 3, "it is asked for three times");
        }
    });
    let given = run(&mut source);
    bridge.join().unwrap();
    given
}

#[test]
fn the_bar_of_the_auction_goes_where_the_option_says() {
    let rows = [
        ("2026-04-17 09:30:00", traded(1.0)),
        ("2026-04-17 09:31:00", traded(2.0)),
        ("2026-04-17 09:32:00", traded(3.0)),
    ];
    let [own, first] = ["600000 2026-04-17 09:30 100", "600000 2026-04-17 09:31 300"];
    let [alone, second] = ["600000 2026-04-17 09:31 200", "600000 2026-04-17 09:32 300"];
    for (option, expected) in [
        ("first_bar", &[first, second][..]),
        ("own_bar", &[own, alone, second]),
        ("drop", &[alone, second]),
    ] {
        let asks = with(asks(&["600000.SH"]), json!({ "auction": option }));
        assert_eq!(given(asks, &rows).bars(), expected, "{option}");
    }
    // nobody traded in the first minute
    let rows = [rows[0], rows[2]];
    let expected = ["600000 2026-04-17 09:31 100", "600000 2026-04-17 09:32 300"];
    assert_eq!(given(asks(&["600000.SH"]), &rows).bars(), expected);
    // of five minutes the first ends at 09:35
    let five = asks_of(&["600000.SH"], "2026-04-17 09:30:00", "2026-04-17 15:00:00", "5m");
    let rows = [("2026-04-17 09:30:00", traded(1.0)), ("2026-04-17 09:35:00", traded(2.0))];
    assert_eq!(given(five, &rows).bars(), ["600000 2026-04-17 09:35 300"]);
}

#[test]
fn the_turnover_tells_the_unit_of_bonds_and_proves_that_of_others() {
    // 20 lots of ten at 120 CNY; 20 pieces; 20 lots of a share
    for (symbol, amount, shares) in [
        ("123219.SZ", 24_000.0, Some(200)),
        ("123219.SZ", 2_400.0, Some(20)),
        ("123219.SZ", 0.0, None),
        ("600000.SH", 240_000.0, Some(2_000)),
        ("600000.SH", 0.0, Some(2_000)),
        ("600000.SH", 24.0, None),
        ("688981.SH", 240_000.0, Some(2_000)),
    ] {
        let row = [120.0, 120.0, 120.0, 120.0, 20.0, amount];
        let given = given(asks(&[symbol]), &[("2026-04-17 10:00:00", row)]);
        let found = given.bars.first().map(|bar| bar.volume_shares);
        assert_eq!(found, shares, "{symbol} {amount}: {:?}", given.fault);
        assert_eq!(given.fault.is_some(), shares.is_none(), "{symbol} {amount}");
    }
}

#[test]
fn minutes_without_a_trade_and_after_the_close_give_no_bar() {
    let close = [10.0, 10.0, 10.0, 10.0, 0.0, 0.0];
    let nothing = [f64::NAN; 6];
    let rows = [
        ("2026-04-17 14:58:00", close),
        ("2026-04-17 14:59:00", nothing),
        ("2026-04-17 15:00:00", traded(4.0)),
        ("2026-04-17 15:10:00", traded(9.0)),
    ];
    let found = given(asks_of(&["688981.SH"], "2026-04-17", "2026-04-17 23:00:00", "1m"), &rows);
    assert_eq!((found.bars(), found.fault), (vec!["688981 2026-04-17 15:00 400".to_owned()], None));
}

#[allow(clippy::cast_precision_loss)] // whole below 2^53
fn us_float(label: &str) -> f64 {
    us(label) as f64
}

/// Numbers of a printed line that begins with a label.
fn printed(line: &str) -> Vec<f64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn recorded_days_leave_in_shares() {
    let Some(path) = whole_fixture("qmt_history/ex_1d_002600SZ_20250102.print.txt") else { return };
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("2025")).collect();
    let numbers: Vec<Vec<f64>> = lines.iter().map(|line| printed(line)).collect();
    let row = |it: &[f64]| [it[1], it[2], it[3], it[4], it[5], it[6]];
    let rows = [("2025-01-02", row(&numbers[0])), ("2025-01-03", row(&numbers[1]))];
    let found = given(asks_of(&["002600.SZ"], "2025-01-02", "2025-01-03", "day"), &rows);
    let expected = ["002600 2025-01-02 00:00 114643600", "002600 2025-01-03 00:00 116971500"];
    assert_eq!(found.bars(), expected);
    assert_eq!((found.bars[0].amount_cny, found.bars[1].low), (910_359_200.0, 7.61));
    assert_eq!(found.fault, None);
}

#[test]
fn recorded_minutes_of_a_fund_leave_at_the_end_of_their_minute() {
    let Some(path) = whole_fixture("qmt_history/ex_1m_mini_20260814.print.txt") else { return };
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("2026")).map(printed).collect();
    assert_eq!(lines.len(), 4);
    let labels = ["2026-08-14 14:41", "2026-08-14 14:42", "2026-08-14 14:59", "2026-08-14 15:00"];
    let row = |(label, it): (&&'static str, &Vec<f64>)| {
        assert!((it[1] * 1_000.0 - us_float(label)).abs() < 1.0, "the label is the end");
        (*label, [it[2], it[3], it[4], it[5], it[6], f64::NAN])
    };
    let rows: Vec<(&str, Numbers)> = labels.iter().zip(&lines).map(row).collect();
    let asks = asks_of(&["600000.SH"], "2026-08-14 09:30:00", "2026-08-14 15:00:00", "1m");
    let bench = bench();
    bench.host.set_now_us(us("2026-08-15 12:00:00"));
    let mut source = bench.source(&asks);
    let address = source.address();
    let bridge = thread::spawn(move || {
        let (mut bridge, _) = Answerer::connect(address, 5);
        bridge.rows("600000.SH", "bar", &rows);
        bridge.end();
        bridge
    });
    let found = run(&mut source);
    let expected = [
        "600000 2026-08-14 14:41 241900",
        "600000 2026-08-14 14:42 50900",
        "600000 2026-08-14 15:00 1072200",
    ];
    assert_eq!((found.bars(), found.fault), (expected.map(str::to_owned).to_vec(), None));
    drop(bridge.join().unwrap());
}
