//! The calendar and the scheduler against tables written by hand.

use std::{process::Command, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::time::{SECOND_US, parse_exchange_time};

/// Weekdays of 2025 on which the exchanges were closed, as they announced it.
const CLOSED_WEEKDAYS_2025: [&str; 18] = [
    "2025-01-01", // New Year
    "2025-01-28",
    "2025-01-29",
    "2025-01-30",
    "2025-01-31",
    "2025-02-03",
    "2025-02-04", // Spring
    "2025-04-04", // Qingming
    "2025-05-01",
    "2025-05-02",
    "2025-05-05", // Labour Day
    "2025-06-02", // Dragon Boat
    "2025-10-01",
    "2025-10-02",
    "2025-10-03",
    "2025-10-06",
    "2025-10-07",
    "2025-10-08", // National
];
/// Weekend days of 2025 on which offices worked; the exchanges did not.
const SHIFTED_WORKDAYS_2025: [&str; 5] =
    ["2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"];
/// Rounds of a trading day at an interval of 30 minutes, the last of each phase to close it.
const ROUNDS_OF_A_DAY: [&str; 12] = [
    "09:00:00", "09:30:00", "10:00:00", "10:30:00", "11:00:00", "11:30:00", "12:00:05", //
    "13:00:00", "13:30:00", "14:00:00", "14:30:00", "15:00:05",
];
const HALF_AN_HOUR: Duration = Duration::from_secs(1_800);

fn at(text: &str) -> i64 {
    parse_exchange_time(text).unwrap_or_else(|| panic!("{text}"))
}

fn day(text: &str) -> i64 {
    ExchangeTime::from_utc_us(at(text)).day
}

fn sessions(phases: &[&str], calendar: TradingCalendar) -> Sessions {
    let phases: Vec<Phase> = phases.iter().map(|it| it.parse().unwrap()).collect();
    Sessions::new(&phases, true, calendar)
}

fn usual() -> Sessions {
    sessions(&["9:00-12:00", "13:00-15:00"], TradingCalendar::shipped())
}

#[test]
fn a_year_of_rounds_is_what_the_calendar_of_2025_says() {
    let mut expected = Vec::new();
    for day in day("2025-01-01")..=day("2025-12-31") {
        let (year, month, of_month) = ExchangeTime { day, of_day_us: 0 }.date();
        let date = format!("{year}-{month:02}-{of_month:02}");
        let is_weekend = day.rem_euclid(7) == 2 || day.rem_euclid(7) == 3;
        if !is_weekend && !CLOSED_WEEKDAYS_2025.contains(&date.as_str()) {
            expected.extend(ROUNDS_OF_A_DAY.map(|time| at(&format!("{date} {time}"))));
        }
    }
    assert_eq!(expected.len(), 243 * ROUNDS_OF_A_DAY.len());

    let (sessions, end_us) = (usual(), at("2026-01-01"));
    let (mut now_us, mut last_us, mut rounds) = (at("2025-01-01"), None, Vec::new());
    while let Some(next) = sessions.next_round(now_us, last_us, HALF_AN_HOUR)
        && next.at_us < end_us
    {
        rounds.push(next.at_us);
        assert_eq!(next.closing, !sessions.is_open(next.at_us));
        // rounds last three seconds
        (last_us, now_us) = (Some(next.at_us), next.at_us + 3 * SECOND_US);
    }
    assert_eq!(rounds, expected);
}

#[test]
fn the_zone_of_the_machine_changes_nothing() {
    for zone in ["America/New_York", "Europe/London", "Asia/Shanghai", "Pacific/Kiritimati"] {
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "session::tests::a_year_of_rounds_is_what_the_calendar_of_2025_says"])
            .env("TZ", zone)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && output.contains("1 passed"), "TZ={zone}\n{output}");
    }
}

#[test]
fn offices_that_work_on_a_weekend_open_no_exchange() {
    let calendar = TradingCalendar::shipped();
    for date in SHIFTED_WORKDAYS_2025 {
        assert!(!calendar.is_trading_day(day(date)), "{date}");
    }
    for date in CLOSED_WEEKDAYS_2025 {
        assert!(!calendar.is_trading_day(day(date)), "{date}");
    }
    assert_eq!(calendar.known_until(), Some(day("2026-12-31")));
    let covered = day("1990-12-19")..=day("2026-12-31");
    assert_eq!(covered.filter(|day| calendar.is_trading_day(*day)).count(), 8_797);
}

#[test]
fn moments_are_open_or_closed_as_in_this_table() {
    let sessions = usual();
    // moment, next open moment, close of the phase it lies in
    for (moment, next_open, close) in [
        ("2025-03-10 08:59:59", "2025-03-10 09:00:00", None),
        ("2025-03-10 09:00:00", "2025-03-10 09:00:00", Some("2025-03-10 12:00:00")),
        ("2025-03-10 11:59:59.999999", "2025-03-10 11:59:59.999999", Some("2025-03-10 12:00")),
        ("2025-03-10 12:00:00", "2025-03-10 13:00:00", None),
        ("2025-03-10 14:59:59", "2025-03-10 14:59:59", Some("2025-03-10 15:00:00")),
        ("2025-03-10 15:00:00", "2025-03-11 09:00:00", None),
        ("2025-03-14 15:00:00", "2025-03-17 09:00:00", None), // Friday
        ("2025-01-27 15:00:00", "2025-02-05 09:00:00", None), // before the Spring Festival
        ("2025-02-08 10:00:00", "2025-02-10 09:00:00", None), // a Saturday with work
        ("2025-09-30 15:00:00", "2025-10-09 09:00:00", None),
    ] {
        assert_eq!(sessions.next_open(at(moment)), Some(at(next_open)), "{moment}");
        assert_eq!(sessions.close_of(at(moment)), close.map(at), "{moment}");
        assert_eq!(sessions.is_open(at(moment)), close.is_some(), "{moment}");
    }
}

#[test]
fn the_next_round_is_as_in_this_table() {
    let sessions = usual();
    let interval = Duration::from_secs(10);
    // now, last start, next start, whether it closes a phase
    for (now, last, next, closing) in [
        ("2025-03-10 08:00:00", None, "2025-03-10 09:00:00", false),
        ("2025-03-10 09:20:07", None, "2025-03-10 09:20:07", false),
        ("2025-03-10 09:25:02", Some("2025-03-10 09:25:00"), "2025-03-10 09:25:10", false),
        // it took longer than the interval
        ("2025-03-10 09:25:13", Some("2025-03-10 09:25:00"), "2025-03-10 09:25:13", false),
        ("2025-03-10 11:59:52", Some("2025-03-10 11:59:50"), "2025-03-10 12:00:05", true),
        ("2025-03-10 12:00:09", Some("2025-03-10 11:59:50"), "2025-03-10 12:00:09", true),
        ("2025-03-10 12:00:07", Some("2025-03-10 12:00:05"), "2025-03-10 13:00:00", false),
        ("2025-03-10 12:30:00", None, "2025-03-10 13:00:00", false),
        // the machine slept over the start of the next phase
        ("2025-03-10 13:07:00", Some("2025-03-10 11:59:50"), "2025-03-10 13:07:00", false),
        ("2025-03-14 15:00:06", Some("2025-03-14 15:00:05"), "2025-03-17 09:00:00", false),
        // the clock was put back by an hour
        ("2025-03-10 09:25:00", Some("2025-03-10 10:25:00"), "2025-03-10 09:25:10", false),
    ] {
        let expected = RoundStart { at_us: at(next), closing };
        let given = sessions.next_round(at(now), last.map(at), interval);
        assert_eq!(given, Some(expected), "{now} after {last:?}");
    }
}

#[test]
fn without_phases_rounds_go_on_day_and_night() {
    let sessions = sessions(&[], TradingCalendar::shipped());
    let sunday = at("2025-03-09 03:00:00");
    assert!(sessions.is_open(sunday) && sessions.close_of(sunday).is_none());
    let next = sessions.next_round(sunday + 1, Some(sunday), Duration::from_secs(3));
    assert_eq!(next, Some(RoundStart { at_us: sunday + 3 * SECOND_US, closing: false }));
    assert_eq!(sessions.warning(at("2030-01-01")), None);
}

#[test]
fn weekends_count_when_they_are_asked_for() {
    let phases = ["9:00-12:00".parse().unwrap()];
    let calendar = TradingCalendar::shipped().with_holidays("20250308\n").unwrap();
    let sessions = Sessions::new(&phases, false, calendar);
    assert!(
        sessions.is_open(at("2025-03-09 10:00:00")) && sessions.is_open(at("2025-10-01 10:00"))
    );
    assert!(!sessions.is_open(at("2025-03-08 10:00:00")));
}

#[test]
fn a_calendar_that_has_ended_says_so_and_takes_weekdays() {
    let sessions = usual();
    assert_eq!(sessions.warning(at("2026-12-31 23:59:59")), None);
    let warning = sessions.warning(at("2027-01-04 09:00:00")).unwrap();
    assert!(warning.contains("2026-12-31") && warning.contains("2027-01-04"), "{warning}");
    assert!(warning.contains("holidays_file"), "{warning}");
    assert!(sessions.is_open(at("2027-01-04 09:00")) && !sessions.is_open(at("2027-01-02 09:00")));

    let holidays = "# covers 2027-01-01 to 2027-12-31\ndate,name\n2027-01-04,x\n20271001 y\n\n";
    let sessions = super::tests::sessions(
        &["9:00-12:00"],
        TradingCalendar::shipped().with_holidays(holidays).unwrap(),
    );
    assert_eq!(sessions.warning(at("2027-12-31")), None);
    assert!(sessions.warning(at("2028-01-01")).is_some());
    assert!(!sessions.is_open(at("2027-01-04 09:00")) && sessions.is_open(at("2027-01-05 09:00")));
    assert!(TradingCalendar::weekdays().warning(0).unwrap().contains("no trading calendar"));
}

#[test]
fn lists_that_cannot_be_read_name_the_line() {
    let error = |text| TradingCalendar::weekdays().with_holidays(text).unwrap_err().to_string();
    let wrong = error("date\n20260101\n20261301\n");
    assert!(wrong.starts_with("line 3: \"20261301\" is no date"), "{wrong}");
    assert!(error("20260101\nsoon\n").contains("line 2: \"soon\""));
    assert!(error("# nothing\n\n").contains("has no day"));
    assert_eq!(TradingCalendar::parse(""), Err(CalendarError::Empty));
}

#[test]
fn phases_read_what_they_write() {
    for text in ["09:00-12:00", "13:00-15:00", "09:15:30-11:30:05", "21:00-24:00"] {
        assert_eq!(text.parse::<Phase>().unwrap().to_string(), text);
    }
    assert_eq!("9:00 - 12:00".parse::<Phase>(), "09:00:00-12:00:00".parse());
    for text in
        ["", "9:00", "9-12", "9:00-25:00", "9:60-10:00", "a-b", "9:00-12:00-13:00", "24:00-9:00"]
    {
        assert!(text.parse::<Phase>().is_err(), "{text}");
    }
    let order = "12:00-9:00".parse::<Phase>().unwrap_err().to_string();
    assert!(order.contains("as two"), "{order}");
}

#[test]
fn phases_that_touch_are_one() {
    let sessions =
        sessions(&["12:00-15:00", "9:00-12:00", "10:00-11:00"], TradingCalendar::shipped());
    assert_eq!(sessions.close_of(at("2025-03-10 09:30")), Some(at("2025-03-10 15:00")));
}

fn any_phases() -> impl Strategy<Value = Vec<Phase>> {
    let phase = (0_i64..86_000, 1_i64..20_000).prop_map(|(start, len)| {
        let clock =
            |second: i64| format!("{}:{}:{}", second / 3_600, second / 60 % 60, second % 60);
        let end = (start + len).min(86_399);
        format!("{}-{}", clock(start), clock(end)).parse().unwrap()
    });
    proptest::collection::vec(phase, 1..4)
}

proptest! {
    /// A walk through some days: rounds of any length, an interval of any length.
    #[test]
    fn every_phase_has_a_first_and_a_closing_round_and_no_pause_between(
        phases in any_phases(),
        start_s in 0_i64..(20 * 86_400),
        interval_s in 1_u32..4_000,
        took_ms in proptest::collection::vec(0_i64..8_000_000, 1..8),
    ) {
        let sessions = Sessions::new(&phases, true, TradingCalendar::shipped());
        let interval = Duration::from_secs(interval_s.into());
        let interval_us = micros(interval_s);
        let start_us = at("2025-09-22") + start_s * SECOND_US;
        let (mut now_us, mut last): (i64, Option<RoundStart>) = (start_us, None);
        for took_ms in took_ms.iter().cycle().take(60) {
            let next = sessions.next_round(now_us, last.map(|it| it.at_us), interval).unwrap();
            prop_assert!(next.at_us >= now_us);
            prop_assert_eq!(next.closing, !sessions.is_open(next.at_us));
            let span = sessions.span_of(next.at_us);
            match (last, span) {
                // the first of all starts at once or with its phase
                (None, span) => prop_assert!(
                    next.at_us == start_us || span.is_some_and(|it| it.start_us == next.at_us)
                ),
                // within a phase: by the interval, or at once when the round before took longer
                (Some(last), Some(span)) if last.at_us >= span.start_us => prop_assert_eq!(
                    next.at_us, (last.at_us + interval_us).max(now_us)
                ),
                // the first of a phase: with it, or at once; and nothing was left out between
                (Some(last), Some(span)) => {
                    prop_assert_eq!(next.at_us, span.start_us.max(now_us));
                    if let Some(end_us) = sessions.close_of(last.at_us) {
                        let closing_us = (end_us + micros(5)).max(now_us);
                        let following = sessions.next_open(end_us);
                        prop_assert!(following.is_some_and(|open_us| closing_us >= open_us));
                    }
                }
                // a closing round: once, behind the phase of the round before
                (Some(last), None) => {
                    let end_us = sessions.close_of(last.at_us);
                    prop_assert!(!last.closing && end_us.is_some());
                    prop_assert_eq!(next.at_us, (end_us.unwrap_or(0) + micros(5)).max(now_us));
                }
            }
            now_us = next.at_us + took_ms * 1_000;
            last = Some(next);
        }
    }

    #[test]
    fn the_next_open_moment_is_the_first_that_a_search_finds(
        phases in any_phases(),
        start_min in 0_i64..(20 * 1_440),
    ) {
        let sessions = Sessions::new(&phases, true, TradingCalendar::shipped());
        let from_us = at("2025-09-22") + start_min * 60 * SECOND_US;
        let next_us = sessions.next_open(from_us).unwrap();
        prop_assert!(sessions.is_open(next_us));
        // every minute before it, and the last microsecond
        let minutes = (from_us..next_us).step_by(60 * 1_000_000);
        for moment_us in minutes.chain((next_us > from_us).then_some(next_us - 1)) {
            prop_assert!(!sessions.is_open(moment_us));
        }
    }

    #[test]
    fn no_moment_and_no_text_panics(at_us in any::<i64>(), last_us in any::<Option<i64>>(), text in ".{0,40}") {
        let sessions = usual();
        let _ = (sessions.is_open(at_us), sessions.next_open(at_us), sessions.warning(at_us));
        let _ = sessions.next_round(at_us, last_us, Duration::from_secs(1));
        let _ = (text.parse::<Phase>(), TradingCalendar::parse(&text));
    }
}

fn micros(seconds: impl Into<i64>) -> i64 {
    seconds.into() * SECOND_US
}
