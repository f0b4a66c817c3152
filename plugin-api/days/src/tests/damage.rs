//! Files that are no good.

use std::fs;

use rusqlite::Connection;

use super::*;
use crate::LedgerError;

const DATE: &str = "2021-12-01";

/// A ledger with a day, closed; its bytes.
fn written() -> (TempDir, PathBuf, Vec<u8>) {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.seal();
    let (path, Desk { folder, writer, .. }) = (desk.path(), desk);
    drop(writer);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 20_000);
    (folder, path, bytes)
}

#[test]
fn a_damaged_file_is_set_aside_and_told() {
    let (_folder, path, bytes) = written();
    let half = bytes.len() / 2;
    let zeroed = |from: usize, to: usize| {
        let mut bytes = bytes.clone();
        bytes[from..to].fill(0);
        bytes
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("emptied", vec![]),
        ("cut to a few bytes", bytes[..50].to_vec()),
        ("cut in the middle", bytes[..half].to_vec()),
        ("zeroed", vec![0; bytes.len()]),
        ("zeroed at the start", zeroed(0, 4_096)),
        ("zeroed from the schema on", zeroed(100, half)),
        ("text", b"this is no database, but long enough to be looked at, as a header has 100 bytes or more than that".to_vec()),
    ];
    for (number, (what, damaged)) in cases.into_iter().enumerate() {
        fs::write(&path, &damaged).unwrap();
        assert!(Ledger::read(&path).is_err() || number > 1, "{what}");
        let writer = Ledger::open(&path, "test", &Rules::default()).unwrap();
        let aside = writer.set_aside().unwrap_or_else(|| panic!("{what} was not noticed")).clone();
        assert!(
            aside.path.to_string_lossy().ends_with("damaged") && !aside.why.is_empty(),
            "{aside:?}"
        );
        assert_eq!(fs::read(&aside.path).unwrap(), damaged, "{what}");
        assert_eq!(writer.ledger().span().unwrap(), None, "{what}");
        drop(writer);
        assert!(Ledger::open(&path, "test", &Rules::default()).unwrap().set_aside().is_none());
    }
}

#[test]
fn a_damaged_row_is_a_fault_to_readers_and_is_counted_anew() {
    let (_folder, path, _) = written();
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE spots SET cells = zeroblob(length(cells)) WHERE minute = 600", []).unwrap();
    drop(db);
    let error = Ledger::read(&path).unwrap().day(day(DATE), us("2022-01-01")).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("10:00"), "{error}");
    let mut writer = Ledger::open(&path, "test", &Rules::default()).unwrap();
    let now_us = us("2022-01-01");
    writer.count_quote(&quote("600000", us("2021-12-01 10:00:30"), 100), now_us).unwrap();
    assert!(writer.take_damage()[0].contains("600"));
    writer.commit(Mark::default(), now_us).unwrap();
    assert!(Ledger::read(&path).unwrap().day(day(DATE), now_us).is_ok());
}

#[test]
fn a_file_of_a_later_release_or_another_program_is_left_alone() {
    let (_folder, path, bytes) = written();
    let pragma = |text: &str| Connection::open(&path).unwrap().execute_batch(text).unwrap();
    pragma("PRAGMA user_version = 9");
    for error in [
        Ledger::read(&path).unwrap_err(),
        Ledger::open(&path, "test", &Rules::default()).unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::Newer { found: 9, .. }), "{error}");
        assert!(error.to_string().contains("install the newer release"), "{error}");
    }
    fs::write(&path, bytes).unwrap();
    pragma("PRAGMA application_id = 7");
    for error in [
        Ledger::read(&path).unwrap_err(),
        Ledger::annotate(&path).unwrap_err(),
        Ledger::open(&path, "test", &Rules::default()).unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::Foreign(_)), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Ledger::read(&folder.path().join("no")), Err(LedgerError::Absent(_))));
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    assert!(matches!(Ledger::read(&inner), Err(LedgerError::Unusable { .. })));
    let error = Ledger::open(&inner, "test", &Rules::default());
    assert!(matches!(error, Err(LedgerError::Unusable { .. })));
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.commit();
    let limit = |desk: &Desk, pages: u32| {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        desk.writer.ledger().db.query_row(&pragma, [], |_| Ok(())).unwrap();
    };
    limit(&desk, 1);
    for code in 600_001..600_400 {
        desk.quotes(&code.to_string(), DATE, "09:30", "10:00");
    }
    for _ in 0..2 {
        let error = desk.writer.commit(Mark { delivery: 9, next: 0 }, desk.now_us).unwrap_err();
        assert!(error.may_pass() && error.to_string().contains("free space"), "{error}");
        assert_eq!((desk.writer.mark(), desk.writer.is_committed()), (Mark::default(), false));
    }
    assert_eq!(Ledger::read(&desk.path()).unwrap().securities(day(DATE)).unwrap().len(), 1);
    limit(&desk, 1_000_000);
    desk.commit();
    let securities = Ledger::read(&desk.path()).unwrap().securities(day(DATE)).unwrap();
    assert_eq!((securities.len(), securities[7].records), (400, 600));
}
