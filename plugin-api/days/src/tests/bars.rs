//! Bars that are missing, and sums of minutes.

use super::*;
use crate::{Verdict, day::MINUTE_US};

const DATE: &str = "2021-12-01";

fn at(minute: u16) -> i64 {
    us(DATE) + i64::from(minute) * MINUTE_US
}

/// Ends of all 1m bars.
fn minutes() -> impl Iterator<Item = u16> {
    (571..=690).chain(781..=900)
}

#[test]
fn a_missing_bar_is_named_by_its_own_time() {
    let mut desk = Desk::new();
    for code in ["600000", "600001"] {
        for minute in minutes().filter(|it| code == "600000" || ![600, 601, 690, 781].contains(it))
        {
            desk.bar(&bar(code, "1m", at(minute), 100));
        }
    }
    let report = desk.report(DATE);
    let expected =
        ["600001.SH 1m 10:00-10:01", "600001.SH 1m 11:30-11:30", "600001.SH 1m 13:01-13:01"];
    assert_eq!(
        (report.verdict, shown(&report)),
        (Verdict::Incomplete, expected.map(str::to_owned).into())
    );
    assert_eq!(
        (report.complete, report.gaps[0].records, report.gaps[0].kind.as_str()),
        (1, 2, "bar")
    );
    // sealed, the day says the same
    desk.seal();
    assert_eq!(shown(&desk.report(DATE)), expected);
    for minute in [600, 601, 690, 781] {
        desk.bar(&bar("600001", "1m", at(minute), 100));
    }
    assert_eq!(desk.report(DATE).verdict, Verdict::Complete);
}

#[test]
fn bars_that_all_lack_are_told_once_and_bars_may_bear_their_start() {
    let mut desk = Desk::new();
    for code in ["600000", "600001"] {
        for minute in minutes().filter(|it| ![600, 601].contains(it)) {
            desk.bar(&bar(code, "1m", at(minute - 1), 100));
        }
        for minute in minutes().filter(|it| it % 5 == 0) {
            desk.bar(&bar(code, "5m", at(minute), 100));
        }
    }
    let report = desk.report(DATE);
    assert_eq!(shown(&report), ["* 1m 09:59-10:00"]);
    assert_eq!((report.gaps[0].records, report.complete), (4, 0));
}

#[test]
fn a_minute_without_a_trade_needs_no_bar() {
    let mut desk = Desk::new();
    let is_quiet = |minute: u16| (600..620).contains(&minute) || minute == 898;
    let mut volume = 0;
    for minute in (570..690).chain(780..900) {
        volume += if is_quiet(minute) { 0 } else { 100 };
        desk.quote(&quote("600000", at(minute), volume));
        // the bar of 14:00 is lost
        if !is_quiet(minute) && minute != 839 {
            desk.bar(&bar("600000", "1m", at(minute + 1), 100));
        }
    }
    // another one makes the market, so that what is missing is not the market's
    for minute in (570..690).chain(780..900) {
        desk.quote(&quote("600001", at(minute), u64::from(minute)));
        desk.bar(&bar(
            "600001",
            "1m",
            at(minute + 1),
            u64::from(minute) - if minute == 570 { 0 } else { u64::from(minute) - 1 },
        ));
    }
    let lost = |report: &DayReport| {
        shown(report).into_iter().filter(|gap| gap.contains("1m")).collect::<Vec<_>>()
    };
    assert_eq!(lost(&desk.report(DATE)), ["600000.SH 1m 14:00-14:00"]);
    desk.seal();
    assert_eq!(lost(&desk.report(DATE)), ["600000.SH 1m 14:00-14:00"]);
}

#[test]
fn bars_that_have_the_volume_of_their_day_lack_nothing() {
    for (day_volume, is_whole) in [(200, true), (300, false)] {
        let mut desk = Desk::new();
        for minute in minutes() {
            desk.bar(&bar("600000", "1m", at(minute), 100));
        }
        for minute in [571, 900] {
            desk.bar(&bar("600001", "1m", at(minute), 100));
        }
        desk.bar(&bar("600000", "day", at(0), 24_000));
        desk.bar(&bar("600001", "day", at(0), day_volume));
        let report = desk.report(DATE);
        assert_eq!(report.gaps.is_empty(), is_whole, "{:?}", shown(&report));
        desk.seal();
        assert_eq!(desk.report(DATE).gaps, report.gaps);
    }
}

#[test]
fn minutes_that_do_not_sum_to_their_day_are_named() {
    let mut desk = Desk::new();
    for code in ["600000", "600001"] {
        for minute in minutes() {
            desk.bar(&bar(code, "1m", at(minute), 100));
        }
        desk.bar(&ClosedBar { amount: 2_400.0, ..bar(code, "day", at(0), 24_000) });
    }
    // one that is changed later takes the place of the one before
    desk.commit();
    desk.bar(&bar("600001", "1m", at(600), 90));
    let report = desk.report(DATE);
    assert_eq!((report.verdict, report.sums.len()), (Verdict::Complete, 1));
    let sum = &report.sums[0];
    assert_eq!(
        (sum.symbol.as_str(), sum.minutes_volume, sum.day_volume),
        ("600001.SH", 23_990, 24_000)
    );
    desk.seal();
    assert_eq!(desk.report(DATE).sums, report.sums);
    desk.bar(&bar("600001", "1m", at(600), 100));
    assert!(desk.report(DATE).sums.is_empty(), "what it had is not known any more");
}

#[test]
fn longer_bars_are_expected_as_they_were_seen() {
    let mut desk = Desk::new();
    for code in ["600000", "600001", "600002"] {
        for minute in [630, 690, 840, 900] {
            if (code, minute) != ("600001", 840) {
                desk.bar(&bar(code, "60m", at(minute), 100));
            }
        }
        desk.bar(&bar(code, "week", at(0), 100));
    }
    assert_eq!(shown(&desk.report(DATE)), ["600001.SH 60m 14:00-14:00"]);
}

#[test]
fn a_period_of_a_few_securities_is_expected_of_them_alone() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.whole_day("600001", DATE);
    for minute in minutes() {
        desk.bar(&bar("600000", "1m", at(minute), 100));
    }
    assert_eq!(desk.report(DATE).verdict, Verdict::Complete);
}
