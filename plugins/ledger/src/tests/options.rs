//! Options, and ledgers that cannot be used.

use plugin_api::{ErrorKind, Level, Sink as _};

use super::*;

#[test]
fn every_fault_of_the_options_is_named() {
    let place = Place::new();
    std::fs::write(place.path().join("list.csv"), "x\n600000\n").unwrap();
    let wrong = json!({
        "universe": ["600000.SH", "pudong"],
        "universe_file": "list.csv",
        "sessions": ["9:30-11", "10:00:30-10:01", "10:00-12:00"],
        "expect": "90s",
        "silence": "1s",
        "holidays_file": "absent",
        "keep_days": 0,
        "flush_interval": "2m",
    });
    let options = testing::options(options(wrong)).unwrap();
    let error = LedgerSink::check(&options, &place.context()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    for part in [
        "`universe`: no security: \"pudong\"",
        "\"9:30-11\"",
        "whole minutes; leave seconds out",
        "`sessions` overlap",
        "`expect` is 90s",
        "`silence` is 1s",
        "`holidays_file` absent",
        "`keep_days` is 0",
        "`flush_interval` is 2m",
    ] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    assert!(!error.message.contains("universe_file"), "a header without digits is one: {error}");
}

#[test]
fn the_universe_says_what_is_expected() {
    let place = Place::new();
    std::fs::write(place.path().join("list.csv"), "symbol,name\nsh600001,x\n").unwrap();
    let mut sink = place.open(json!({ "universe": ["600000"], "universe_file": "list.csv" }));
    let minutes = ["09:30:00", "09:31:00", "09:32:00"];
    for time in minutes {
        sink.write(&[quotes(&["600000"], time, Round::MIDDLE)]).unwrap();
    }
    let (report, _) = place.all();
    assert_eq!((report.expected, report.seen), (2, 1));
}

#[test]
fn a_ledger_that_another_one_writes_is_waited_for() {
    let place = Place::new();
    let first = place.open(json!({}));
    let options = testing::options(options(json!({}))).unwrap();
    let error = LedgerSink::open(options, place.context()).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("sink `test` (process"), "{error}");
    drop(first);
    place.open(json!({}));
}

#[test]
fn a_damaged_ledger_is_told_and_counting_goes_on() {
    let place = Place::new();
    std::fs::write(place.path().join("ledger.sqlite"), vec![0; 10_000]).unwrap();
    let checked = testing::options(options(json!({}))).unwrap();
    assert!(LedgerSink::check(&checked, &place.context()).is_ok());
    let mut sink = place.open(json!({}));
    sink.write(&[quotes(&["600000"], "10:00:00", Round::MIDDLE)]).unwrap();
    let (level, line) = place.host.told().logs[0].clone();
    assert_eq!(level, Level::Error);
    assert!(line.contains("was damaged") && line.contains("ledger.sqlite.damaged"), "{line}");
    assert_eq!(place.host.counted("damaged_files_total"), 1);
}

#[test]
fn the_end_of_the_calendar_is_told_once() {
    let place = Place::new();
    let mut sink = place.open(json!({}));
    place.host.set_now_us(us("2121-12-01 10:00"));
    for _ in 0..3 {
        sink.tick().unwrap();
    }
    let told = place.host.told().logs;
    assert_eq!(
        told.iter().filter(|(_, line)| line.contains("calendar ends")).count(),
        1,
        "{told:?}"
    );
}
