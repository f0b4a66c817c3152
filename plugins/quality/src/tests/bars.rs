//! Bars and the rules that they can break.

use plugin_api::{BarRecord, Symbol, encode_bars};

use super::*;

fn bar() -> BarRecord<'static> {
    BarRecord {
        symbol: Symbol { market: "SH", code: "600000" },
        period: "1m",
        time_us: at(10, 1, 0),
        open: 10.0,
        high: 10.2,
        low: 9.9,
        close: 10.1,
        amount_cny: 12_120.0,
        volume_shares: 1_200,
        closed: true,
        quality_score: None,
        source: "qq",
    }
}

type Case = (&'static str, fn(&mut BarRecord<'static>), &'static [&'static str]);

#[test]
fn bars_are_looked_at_by_the_rules_that_fit_them() {
    let cases: [Case; 13] = [
        // what it is, how it differs from a good bar, broken rules
        ("good", |_| (), &[]),
        ("no code", |it| it.symbol.code = "", &["fields"]),
        ("no period", |it| it.period = "", &["fields"]),
        ("no time", |it| it.time_us = 0, &["fields"]),
        ("no price", |it| (it.open, it.high, it.low, it.close) = (0.0, 0.0, 0.0, 0.0), &["fields"]),
        ("no number", |it| it.close = f64::NAN, &["price"]),
        ("negative amount", |it| it.amount_cny = -1.0, &["volume"]),
        ("high below low", |it| (it.high, it.low) = (9.9, 10.2), &["high_low"]),
        ("close outside", |it| it.close = 10.3, &["range"]),
        ("open is zero", |it| it.open = 0.0, &["zero"]),
        ("amount off by 100", |it| it.amount_cny *= 100.0, &["amount"]),
        ("nothing traded", |it| (it.volume_shares, it.amount_cny) = (0, 0.0), &[]),
        ("an index", |it| (it.symbol.code, it.amount_cny) = ("000001", 1e10), &[]),
    ];
    for (what, change, expected) in cases {
        let mut record = bar();
        change(&mut record);
        let mut bench = Bench::open(all("mark"));
        bench.apply(&Batch::from_bars(encode_bars([record])).unwrap());
        let found: Vec<_> = bench.findings().into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn a_bars_score_counts_the_seven_rules_of_bars() {
    let bars = [bar(), BarRecord { close: 10.3, ..bar() }, BarRecord { high: 1.0, ..bar() }];
    let batch = Batch::from_bars(encode_bars(bars)).unwrap().numbered(1, 2, 3);
    let mut bench = Bench::open(json!({}));
    let judged = bench.apply(&batch).unwrap();
    let expected = [bar(), BarRecord { quality_score: Some(6.0 / 7.0), ..bars[1] }];
    assert_eq!(judged.bars().collect::<Vec<_>>(), expected);
    assert_eq!(judged.provenance().sequence, 2);
    assert_eq!(bench.dropped(), [("high_low".to_owned(), 1)]);
}

#[test]
fn clean_bars_are_not_copied() {
    let batch = testing::bar_batch();
    let judged = Bench::open(json!({})).apply(&batch).unwrap();
    assert_eq!(judged.payload().as_ptr(), batch.payload().as_ptr());
}
