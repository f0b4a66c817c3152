//! The rules, one by one.

use super::*;
use crate::{Span, Verdict};

const DATE: &str = "2021-12-01";

#[test]
fn a_whole_day_is_complete_and_each_missing_stretch_is_named() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.whole_day("600001", DATE);
    let report = desk.report(DATE);
    assert_eq!((report.verdict, shown(&report)), (Verdict::Complete, vec![]));
    assert_eq!((report.expected, report.seen, report.complete), (2, 2, 2));
    assert!(!report.open);
    assert_eq!((report.rounds.received, report.rounds.interval_s), (2 * 2_400 - 60, 3));
    assert_eq!(report.sources.len(), 3, "a stretch for the auction and for each session");

    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    for (from, to) in [("09:30", "10:00"), ("10:05", "11:29"), ("13:00", "15:00")] {
        desk.quotes("600001", DATE, from, to);
    }
    let report = desk.report(DATE);
    let expected = ["600001.SH spot 10:00-10:04", "600001.SH spot 11:29-11:29"];
    assert_eq!(
        (report.verdict, shown(&report)),
        (Verdict::Incomplete, expected.map(str::to_owned).into())
    );
    assert_eq!((report.complete, report.gaps[0].records, report.gaps[1].records), (1, 100, 20));
    assert_eq!(report.gaps[0].from, "2021-12-01T10:00+08:00");
    let json = serde_json::to_value(&report.gaps[0]).unwrap();
    let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["from", "kind", "records", "symbol", "to"]);
}

#[test]
fn what_all_lack_is_told_once() {
    let mut desk = Desk::new();
    for code in ["600000", "600001", "600002"] {
        for (from, to) in
            [("09:15", "09:20"), ("09:30", "10:00"), ("10:05", "11:30"), ("13:02", "15:00")]
        {
            desk.quotes(code, DATE, from, to);
        }
    }
    let report = desk.report(DATE);
    let expected = ["* spot 09:20-09:24", "* spot 10:00-10:04", "* spot 13:00-13:01"];
    assert_eq!(shown(&report), expected);
    assert_eq!((report.complete, report.expected), (0, 3));
    assert_eq!(report.gaps[1].records, 5 * 60);
}

#[test]
fn a_lost_round_is_a_gap_of_its_minute_and_no_security_lacks_it() {
    let mut desk = Desk::new();
    for code in ["600000", "600001"] {
        for (from, to) in
            [("09:15", "09:25"), ("09:30", "10:00:30"), ("10:00:33", "11:30"), ("13:00", "15:00")]
        {
            desk.quotes(code, DATE, from, to);
        }
    }
    let report = desk.report(DATE);
    assert_eq!(shown(&report), ["* spot 10:00-10:00"]);
    assert_eq!((report.complete, report.rounds.expected - report.rounds.received), (2, 1));
    // unless a longer silence is allowed
    let mut patient = Desk::with(&Rules { silence_s: Some(10), ..Rules::default() });
    for (from, to) in
        [("09:15", "09:25"), ("09:30", "10:00:30"), ("10:00:33", "11:30"), ("13:00", "15:00")]
    {
        patient.quotes("600000", DATE, from, to);
    }
    assert_eq!(patient.report(DATE).verdict, Verdict::Complete);
}

#[test]
fn a_security_that_may_be_silent_for_longer_has_no_gap_before() {
    let rules = Rules { expect_minutes: 5, ..Rules::default() };
    for (until, expected) in
        [("10:04", vec![]), ("10:05", vec!["600001.SH spot 10:00-10:04".to_owned()])]
    {
        let mut desk = Desk::with(&rules);
        desk.whole_day("600000", DATE);
        for (from, to) in [("09:30", "10:00"), (until, "11:30"), ("13:00", "15:00")] {
            desk.quotes("600001", DATE, from, to);
        }
        assert_eq!(shown(&desk.report(DATE)), expected);
    }
}

#[test]
fn who_is_expected_follows_from_the_universe_or_the_days_before() {
    let mut desk = Desk::new();
    desk.whole_day("600000", "2021-11-30");
    desk.whole_day("600001", "2021-11-30");
    desk.seal();
    desk.whole_day("600000", DATE);
    let both = ["600001.SH spot 09:30-11:29", "600001.SH spot 13:00-14:59"];
    assert_eq!(shown(&desk.report(DATE)), both);

    let mut desk = Desk::new();
    desk.writer.expect(["600000.SH", "600001.SH"]);
    desk.whole_day("600000", DATE);
    desk.whole_day("600002", DATE);
    let report = desk.report(DATE);
    assert_eq!(shown(&report), both);
    assert_eq!((report.expected, report.seen, report.complete), (2, 2, 1));
}

#[test]
fn a_security_that_does_not_trade_is_not_expected() {
    let mut desk = Desk::new();
    desk.writer.expect(["600000.SH", "600001.SH", "600002.SH"]);
    desk.whole_day("600000", DATE);
    let still =
        |code, time: &str| Quote { open: 0.0, ..quote(code, us(&format!("{DATE} {time}")), 0) };
    desk.quote(&still("600001", "09:40"));
    // of this one it is not known: nobody has opened by then
    desk.quote(&still("600002", "09:20"));
    let report = desk.report(DATE);
    assert_eq!(report.expected, 2);
    assert_eq!(shown(&report), ["600002.SH spot 09:30-11:29", "600002.SH spot 13:00-14:59"]);
    // nor is it on the day after, if nothing comes of it
    desk.writer.expect(["600000.SH", "600001.SH"]);
    desk.whole_day("600000", "2021-12-02");
    assert_eq!(desk.report("2021-12-02").verdict, Verdict::Complete);
}

#[test]
fn a_quiet_security_of_a_polled_source_is_there_with_its_old_time() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    let traded_us = us(&format!("{DATE} 09:30:05"));
    let (noon, one) = (us(&format!("{DATE} 11:30")), us(&format!("{DATE} 13:00")));
    let polls = (traded_us..noon).step_by(30_000_000);
    for recv_time_us in polls.chain((one..us(&format!("{DATE} 15:00"))).step_by(30_000_000)) {
        desk.quote(&Quote { recv_time_us, is_polled: true, ..quote("600001", traded_us, 500) });
    }
    // one that is suspended is answered with a quote of months ago
    let old = quote("600002", us("2021-06-01 15:00:02"), 900);
    desk.quote(&Quote { recv_time_us: us(&format!("{DATE} 10:00")), is_polled: true, ..old });
    let report = desk.report(DATE);
    assert_eq!((report.verdict, report.expected, report.seen), (Verdict::Complete, 2, 3));
    let june = desk.report("2021-06-01");
    assert_eq!((june.verdict, june.seen), (Verdict::NoHost, 0));
}

#[test]
fn a_suspended_security_that_is_quoted_until_the_auction_is_over_alone_is_not_expected() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.whole_day("600001", DATE);
    for minute in 15..27 {
        let time_us = us(&format!("{DATE} 09:{minute}"));
        desk.quote(&Quote { open: 0.0, amount: 0.0, ..quote("600002", time_us, 0) });
    }
    let report = desk.report(DATE);
    assert_eq!((report.verdict, report.expected, report.seen), (Verdict::Complete, 2, 3));
    // where nothing came of the others either, it may have opened later
    let mut desk = Desk::new();
    for code in ["600000", "600001", "600002"] {
        for minute in 15..27 {
            let time_us = us(&format!("{DATE} 09:{minute}"));
            desk.quote(&Quote { open: 0.0, amount: 0.0, ..quote(code, time_us, 0) });
        }
    }
    desk.whole_day("600003", DATE);
    assert_eq!(desk.report(DATE).expected, 4);
}

#[test]
fn strays_open_no_day() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    for (time, expected) in [
        ("2099-12-01 10:00", Counted::Future),
        ("2026-11-30 20:06", Counted::Future),
        ("2021-12-04 10:00", Counted::NoTradingDay),
        ("2021-10-01 10:00", Counted::NoTradingDay),
        // a day, but two quotes are not enough for it
        ("2020-06-01 10:00", Counted::Yes),
        ("2020-06-01 10:01", Counted::Yes),
    ] {
        let counted = desk.writer.count_quote(&quote("600000", us(time), 1), desk.now_us);
        assert_eq!(counted.unwrap(), expected, "{time}");
    }
    for code in ["6000000", "60000", "IF2112", ""] {
        let odd = quote(code, us("2021-12-01 10:00"), 1);
        assert_eq!(desk.writer.count_quote(&odd, desk.now_us).unwrap(), Counted::Odd);
    }
    desk.commit();
    let ledger = Ledger::read(&desk.path()).unwrap();
    assert_eq!(ledger.span().unwrap(), Some((day(DATE), day(DATE))));
    let stray = ledger.day(day("2020-06-01"), desk.now_us).unwrap();
    assert_eq!((stray.verdict, stray.seen), (Verdict::NoHost, 0));
}

#[test]
fn the_calendar_has_every_day_up_to_today() {
    let mut desk = Desk::new();
    desk.now_us = us("2021-12-02 12:00");
    desk.whole_day("600000", "2021-12-01");
    desk.quotes("600000", "2021-12-02", "09:15", "09:25");
    desk.quotes("600000", "2021-12-02", "09:30", "11:30");
    desk.commit();
    let calendar = |desk: &Desk, now: &str| {
        let ledger = Ledger::read(&desk.path()).unwrap();
        let days = ledger.calendar(day("2021-12-01"), day("2021-12-31"), us(now)).unwrap();
        days.iter()
            .map(|it| (it.date.to_string()[8..].to_owned(), it.verdict.as_str(), it.open))
            .collect::<Vec<_>>()
    };
    let shown = |days: &[(&str, &'static str, bool)]| {
        days.iter().map(|it| (it.0.to_owned(), it.1, it.2)).collect::<Vec<_>>()
    };
    let expected = [
        ("01", "complete", false),
        ("02", "incomplete", false),
        ("03", "no host", false),
        ("04", "holiday", false),
        ("05", "holiday", false),
        ("06", "no host", true),
    ];
    assert_eq!(calendar(&desk, "2021-12-06 10:00"), shown(&expected));
    // what is not due yet is not missing
    let morning = [("01", "complete", false), ("02", "complete", true)];
    assert_eq!(calendar(&desk, "2021-12-02 11:31"), shown(&morning));
    assert_eq!(calendar(&desk, "2021-12-02 13:01"), shown(&morning));
    let afternoon = [("01", "complete", false), ("02", "incomplete", true)];
    assert_eq!(calendar(&desk, "2021-12-02 13:04"), shown(&afternoon));
    // sealed days are told as they were judged
    desk.now_us = us("2021-12-06 10:00");
    desk.seal();
    assert_eq!(calendar(&desk, "2021-12-06 11:00"), shown(&expected));
    let ledger = Ledger::read(&desk.path()).unwrap();
    let days = ledger.calendar(day("2021-12-01"), day("2021-12-03"), desk.now_us).unwrap();
    assert!((days[0].completeness(), days[2].completeness()) == (1.0, 0.0));
    // the morning of that day is missing, too, so that it can be asked for
    let report = ledger.day(day("2021-12-03"), desk.now_us).unwrap();
    assert_eq!(
        super::shown(&report),
        ["* spot 09:15-09:24", "* spot 09:30-11:29", "* spot 13:00-14:59"]
    );
}

#[test]
fn a_day_that_was_judged_is_judged_again_when_more_comes() {
    let mut desk = Desk::new();
    desk.whole_day("600000", DATE);
    desk.quotes("600001", DATE, "09:30", "11:30");
    desk.seal();
    assert_eq!(shown(&desk.report(DATE)), ["600001.SH spot 13:00-14:59"]);
    desk.quotes("600001", DATE, "13:00", "15:00");
    assert_eq!(desk.report(DATE).verdict, Verdict::Complete);
    desk.seal();
    assert_eq!(desk.report(DATE).verdict, Verdict::Complete);
}

#[test]
fn other_sessions_are_judged_by() {
    let rules =
        Rules { sessions: vec![Span { from: 600, to: 610 }], auction: vec![], ..Rules::default() };
    let mut desk = Desk::with(&rules);
    desk.quotes("600000", DATE, "10:00", "10:09");
    assert_eq!(shown(&desk.report(DATE)), ["* spot 10:09-10:09"]);
}

#[test]
fn each_security_is_told_of() {
    let mut desk = Desk::new();
    desk.quotes("600000", DATE, "09:30", "10:00");
    desk.quotes("600000", DATE, "10:20", "11:30");
    desk.quotes("600000", DATE, "13:00", "15:00");
    let doubtful = Quote {
        is_doubtful: true,
        amount: 12.5,
        source: "qmt",
        ..quote("600000", us("2021-12-01 15:00:01"), 700)
    };
    desk.quote(&doubtful);
    desk.commit();
    let securities = Ledger::read(&desk.path()).unwrap().securities(day(DATE)).unwrap();
    assert_eq!(securities.len(), 1);
    let it = &securities[0];
    assert_eq!((it.symbol.as_str(), it.records, it.volume), ("600000.SH", 20 * 220 + 1, 700));
    assert_eq!(it.first.as_deref(), Some("2021-12-01T09:30:00+08:00"));
    assert_eq!(it.last.as_deref(), Some("2021-12-01T15:00:01+08:00"));
    assert_eq!((it.longest_silence_s, it.doubtful), (20 * 60 + 3, 1));
    assert_eq!(it.sources, ["qmt", "qq"]);
    assert_eq!(desk.report(DATE).doubtful, [("600000.SH".to_owned(), 1)]);
}
