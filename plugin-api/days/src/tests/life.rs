//! Committed or not, read meanwhile, noted in, deleted.

use super::*;
use crate::{Backfill, Deviation, LedgerError, Verdict};

const DATE: &str = "2021-12-01";

#[test]
fn what_was_not_committed_never_was_and_the_mark_says_where_to_go_on() {
    let mut desk = Desk::new();
    desk.quotes("600000", DATE, "09:30", "10:00");
    let mark = Mark { delivery: 7, next: 600 };
    desk.writer.commit(mark, desk.now_us).unwrap();
    desk.quotes("600000", DATE, "10:00", "10:30");
    let path = desk.path();
    // as after a kill: nothing is said to the writer
    let Desk { folder, writer, .. } = desk;
    drop(writer);
    let writer = Ledger::open(&path, "test", &Rules::default()).unwrap();
    assert_eq!((writer.mark(), writer.is_committed()), (mark, true));
    let known = writer.ledger().securities(day(DATE)).unwrap();
    assert_eq!(known[0].records, 600);
    drop(folder);
}

#[test]
fn one_counts_and_others_read_and_note() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.commit();
    let path = desk.path();
    let error = Ledger::open(&path, "sink `other`", &Rules::default()).unwrap_err();
    assert!(
        matches!(error, LedgerError::InUse { .. }) && error.to_string().contains("test (process"),
        "{error}"
    );
    let mut beside = Ledger::annotate(&path).unwrap();
    let [from, to, later] = ["09:50", "10:00", "10:10"].map(|it| us(&format!("{DATE} {it}")));
    beside.note_outage(from, to, "paused").unwrap();
    beside.note_outage(from, later, "paused").unwrap();
    beside.note_outage(us("2021-12-01 20:00"), us("2021-12-01 21:00"), "at night").unwrap();
    let backfill = Backfill { received: 5, source: "kline".to_owned(), ..Backfill::default() };
    beside.note_backfill(day("2021-11-30"), day(DATE), &backfill).unwrap();
    for count in [2, 3] {
        let deviation = Deviation {
            at_us: to,
            symbol: "600000.SH".to_owned(),
            text: "qq 10.00, qmt 10.01".to_owned(),
            count,
        };
        beside.note_deviation(&deviation).unwrap();
    }
    desk.quotes("600001", DATE, "09:30", "09:31");
    let report = desk.report(DATE);
    assert_eq!(report.outages.len(), 1);
    let outage = &report.outages[0];
    assert_eq!(
        (outage.from.as_str(), outage.why.as_str()),
        ("2021-12-01T09:50:00+08:00", "paused")
    );
    assert_eq!(outage.to, "2021-12-01T10:10:00+08:00");
    assert_eq!((report.backfills, report.deviations[0].count), (vec![backfill], 5));
}

#[test]
fn the_time_without_a_host_is_an_outage() {
    let mut desk = Desk::new();
    desk.now_us = us("2021-12-01 10:00");
    desk.quotes("600000", DATE, "09:30", "10:00");
    desk.commit();
    let path = desk.path();
    let Desk { folder, writer, .. } = desk;
    drop(writer);
    let mut writer = Ledger::open(&path, "test", &Rules::default()).unwrap();
    writer.resume(us("2021-12-01 10:30")).unwrap();
    let report = writer.ledger().day(day(DATE), us("2021-12-01 10:31")).unwrap();
    assert_eq!(report.outages.len(), 1);
    assert_eq!(report.outages[0].to, "2021-12-01T10:30:00+08:00");
    drop((writer, folder));
}

#[test]
fn old_days_are_deleted_and_the_file_shrinks() {
    let mut desk = Desk::new();
    for code in 600_000..603_000 {
        desk.quotes(&code.to_string(), "2021-11-30", "09:30", "09:33");
    }
    desk.whole_day("600000", DATE);
    desk.seal();
    let size = || std::fs::metadata(desk.folder.path().join("ledger.sqlite")).unwrap().len();
    let checkpoint = |desk: &Desk| {
        let db = rusqlite::Connection::open(desk.path()).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    };
    checkpoint(&desk);
    let before = size();
    let kept = u32::try_from(Day::of(desk.now_us).0 - day(DATE).0).unwrap();
    desk.writer.tidy(desk.now_us, Some(kept)).unwrap();
    checkpoint(&desk);
    let after = std::fs::metadata(desk.path()).unwrap().len();
    // numbers of securities are never given away again
    assert!(after + 100_000 < before, "{before} became {after}");
    let ledger = Ledger::read(&desk.path()).unwrap();
    assert_eq!(ledger.span().unwrap(), Some((day(DATE), day(DATE))));
    assert_eq!(ledger.day(day(DATE), desk.now_us).unwrap().verdict, Verdict::Complete);
}

#[test]
fn days_that_are_too_old_go_though_they_are_not_sealed_yet() {
    let mut desk = Desk::new();
    desk.whole_day("600000", "2021-11-30");
    desk.whole_day("600000", DATE);
    desk.commit();
    let kept = u32::try_from(Day::of(desk.now_us).0 - day(DATE).0).unwrap();
    // just committed, so nothing of it is at rest
    assert!(!desk.writer.tidy(desk.now_us, Some(kept)).unwrap());
    let ledger = Ledger::read(&desk.path()).unwrap();
    assert_eq!(ledger.span().unwrap(), Some((day(DATE), day(DATE))));
    let sealed: i64 =
        ledger.db.query_row("SELECT max(sealed) FROM days", [], |it| it.get(0)).unwrap();
    assert_eq!(sealed, 0);
}

#[test]
fn other_rules_judge_days_anew() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.quotes("600001", DATE, "09:30", "11:28");
    desk.quotes("600001", DATE, "13:00", "15:00");
    desk.seal();
    assert_eq!(desk.report(DATE).verdict, Verdict::Incomplete);
    let path = desk.path();
    let Desk { folder, writer, now_us } = desk;
    drop(writer);
    let rules = Rules { expect_minutes: 5, ..Rules::default() };
    let writer = Ledger::open(&path, "test", &rules).unwrap();
    let days = writer.ledger().calendar(day(DATE), day(DATE), now_us).unwrap();
    assert_eq!(days[0].verdict, Verdict::Complete);
    let closed = Rules { holidays: "2021-12-01".to_owned(), ..rules };
    drop(writer);
    let writer = Ledger::open(&path, "test", &closed).unwrap();
    assert_eq!(writer.ledger().day(day(DATE), now_us).unwrap().verdict, Verdict::Holiday);
    drop(folder);
}
