//! A real ledger against a store that answers as it is told.

use std::sync::Arc;

use ::days::{Mark, Quote, Rules};
use plugin_api::{
    Batch, PluginError, Polled, Round, SpotListEncoder, SpotRecord, Symbol, testing::TestHost,
};
use tempfile::TempDir;

use super::*;
use crate::days::asking::tests::{asked, history, store};

fn day() -> Day {
    "2021-12-01".parse().unwrap()
}

fn at(second: i64) -> i64 {
    day().start_us() + (570 * 60 + second) * 1_000_000
}

/// A ledger that counted quotes of codes at seconds after 09:30.
fn ledger(quotes: &[(&'static str, i64)]) -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("days.db");
    let mut writer = Ledger::open(&path, "test", &Rules::default()).unwrap();
    let evening_us = at(7 * 3_600);
    for (code, second) in quotes {
        let quote = Quote {
            symbol: Symbol { market: "SH", code },
            time_us: at(*second),
            recv_time_us: 0,
            pre_close: 8.5,
            open: 8.5,
            volume: 100,
            amount: 850.0,
            is_doubtful: false,
            source: "day",
            is_polled: false,
        };
        writer.count_quote(&quote, evening_us).unwrap();
    }
    writer.commit(Mark::default(), evening_us).unwrap();
    drop(writer);
    let ledger = Ledger::read(&path).unwrap();
    (folder, ledger)
}

fn batch(quotes: &[(&'static str, i64)]) -> Batch {
    let mut encoder = SpotListEncoder::new(quotes.len());
    for (code, second) in quotes {
        let record =
            SpotRecord { market: "SH", code, time_us: at(*second), ..SpotRecord::default() };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::WHOLE)
}

fn verified(
    ledger: &Ledger,
    answer: Vec<Result<Polled, PluginError>>,
) -> Result<Verified, VerifyError> {
    let history = history(&store(asked(), answer), &Arc::<TestHost>::default()).unwrap();
    verify(&history, ledger, day(), None, &mut |_, _, _| {})
}

const ALL: [(&str, i64); 4] = [("600000", 0), ("600000", 3), ("600000", 61), ("600001", 0)];

#[test]
fn a_store_with_all_that_came_is_sound() {
    let (_folder, ledger) = ledger(&ALL);
    let parts = [batch(&ALL[..1]), batch(&ALL[1..])].map(|it| Ok(Polled::Batch(it)));
    let verified = verified(&ledger, parts.into()).unwrap();
    assert!(verified.is_sound(), "{verified:?}");
    assert_eq!((verified.store.as_str(), verified.series.len()), ("lake", 1));
    assert_eq!((verified.series[0].counted, verified.series[0].stored), (4, 4));
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let (_folder, ledger) = ledger(&ALL);
    let stored = batch(&[ALL[0], ALL[2], ALL[3], ALL[3]]);
    let verified = verified(&ledger, vec![Ok(Polled::Batch(stored))]).unwrap();
    let told = |it: &Difference| format!("{} {} {}/{}", it.symbol, it.from, it.stored, it.counted);
    let differences: Vec<_> = verified.differences.iter().map(told).collect();
    let expected = ["600000.SH 2021-12-01T09:30+08:00 1/2", "600001.SH 2021-12-01T09:30+08:00 2/1"];
    assert_eq!(differences, expected);
    assert!(!verified.is_sound());
}

#[test]
fn a_store_that_fails_is_told_and_compared_as_far_as_it_came() {
    let (_folder, ledger) = ledger(&ALL);
    let away = || Err(PluginError::fatal("away"));
    let none = verified(&ledger, vec![away()]).unwrap();
    assert_eq!(none.series[0].error.as_deref(), Some("lake: away"));
    assert!(none.differences.is_empty() && !none.is_sound());
    let part = verified(&ledger, vec![Ok(Polled::Batch(batch(&ALL[..3]))), away()]).unwrap();
    assert_eq!(part.differences.len(), 1, "{part:?}");
    let bad = Err(PluginError::bad_data("row 7"));
    let bad = verified(&ledger, vec![bad, Ok(Polled::Batch(batch(&ALL)))]).unwrap();
    assert_eq!(bad.series[0].unreadable.as_deref(), Some("row 7"));
    assert!(bad.differences.is_empty() && !bad.is_sound());
}

#[test]
fn a_day_of_which_nothing_came_cannot_be_compared() {
    let (_folder, ledger) = ledger(&[]);
    let error = verified(&ledger, Vec::new()).unwrap_err();
    assert!(error.to_string().contains("2021-12-01") && !error.is_config(), "{error}");
}
