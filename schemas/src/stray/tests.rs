//! Quotes by the second, and what becomes of those that do not fit.

use std::collections::HashMap;

use super::{
    feed::{ENOUGH_REPEATED, MAX_HELD},
    *,
};
use crate::time::{DAY_US, parse_exchange_time};

fn at(time: &str) -> i64 {
    parse_exchange_time(&format!("2021-12-01 {time}")).unwrap()
}

/// A feed whose quotes are their own times, with who believes them.
#[derive(Default)]
struct Bench {
    feed: Feed<u8, ()>,
    latest: HashMap<u8, i64>,
    believed: Vec<(u8, i64)>,
}

impl Bench {
    fn give_at(&mut self, key: u8, time_us: i64, received_us: i64) -> Verdict {
        let latest_us = self.latest.get(&key).copied();
        let stamp = Stamp { time_us, received_us, latest_us, counts: true };
        let verdict = self.feed.judge(&key, &stamp);
        match verdict {
            Verdict::Ahead | Verdict::Behind => self.feed.hold(key, stamp, verdict, ()),
            Verdict::Believed | Verdict::Stray => {}
        }
        self.take();
        if verdict == Verdict::Believed {
            self.believe(key, time_us);
        }
        self.feed.settle();
        self.take();
        verdict
    }

    fn give(&mut self, key: u8, times: &[&str]) {
        for time in times {
            self.give_at(key, at(time), 0);
        }
    }

    fn believe(&mut self, key: u8, time_us: i64) {
        self.latest.insert(key, time_us);
        self.believed.push((key, time_us));
    }

    fn take(&mut self) {
        for held in self.feed.released() {
            self.believe(held.key, held.stamp.time_us);
        }
    }

    fn end(&mut self) -> Vec<i64> {
        self.feed.end();
        self.take();
        self.believed.iter().map(|(_, time_us)| *time_us).collect()
    }
}

fn times(times: &[&str]) -> Vec<i64> {
    times.iter().map(|time| at(time)).collect()
}

/// A service is asked after the close for one security, or two.
#[test]
fn what_comes_again_and_again_is_believed_when_nothing_else_comes() {
    for keys in 1..=2 {
        let mut bench = Bench::default();
        for _ in 0..ENOUGH_REPEATED {
            (1..=keys).for_each(|key| bench.give(key, &["15:00:03"]));
        }
        assert_eq!(bench.latest.len(), usize::from(keys));
    }
    let mut bench = Bench::default();
    bench.give(1, &["19:00:00"; ENOUGH_REPEATED - 1]);
    bench.give(1, &MINUTES);
    assert_eq!(bench.end(), times(&MINUTES), "less is not enough");
}

const MINUTES: [&str; 7] =
    ["13:58:10", "13:59:10", "14:00:10", "14:01:10", "14:02:10", "14:03:10", "14:04:10"];

#[test]
fn a_stray_among_quotes_of_one_security_is_never_believed_wherever_it_stands() {
    for stray in
        ["00:00:00", "09:31:00", "10:00:00", "14:30:00", "14:59:00", "19:00:00", "23:59:59"]
    {
        for days in [-30, -1, 0, 1, 2, 365] {
            // the last one of all is refuted by nothing
            for place in 0..MINUTES.len() {
                let mut bench = Bench::default();
                bench.give(1, &MINUTES[..place]);
                bench.give_at(1, at(stray) + days * DAY_US, 0);
                bench.give(1, &MINUTES[place..]);
                assert_eq!(bench.end(), times(&MINUTES), "{stray} in {days} days at {place}");
                assert_eq!(bench.feed.take_strays(), 1);
            }
        }
    }
}

#[test]
fn several_strays_in_a_row_do_not_confirm_each_other() {
    for strays in [
        &["14:59:00", "14:59:00", "14:59:00", "14:59:00", "14:59:00", "14:59:00"][..],
        &["14:30:00", "14:45:00", "19:00:00"],
        &["10:00:00", "19:00:00", "09:00:00", "18:00:00"],
        &["10:00:00", "10:00:03", "10:00:06"],
    ] {
        for place in 0..MINUTES.len() {
            let mut bench = Bench::default();
            bench.give(1, &MINUTES[..place]);
            bench.give(1, strays);
            bench.give(1, &MINUTES[place..]);
            if place >= 3 || strays[0] == strays[1] {
                assert_eq!(bench.end(), times(&MINUTES), "{strays:?} at {place}");
            }
        }
    }
}

#[test]
fn a_gap_a_day_and_a_lunch_break_are_believed_when_quotes_follow_or_the_feed_ends() {
    let all = ["10:00:00", "10:00:03", "10:00:06", "11:30:00", "13:00:01", "14:57:00", "15:00:03"];
    let mut bench = Bench::default();
    bench.give(1, &all);
    assert_eq!(bench.believed.len(), 3);
    assert_eq!(bench.end(), times(&all));

    let mut bench = Bench::default();
    bench.give(1, &all[..3]);
    bench.give(1, &["14:59:00", "14:59:03", "14:59:06", "14:59:09"]);
    assert_eq!(bench.believed.len(), 3);
    bench.give(1, &["14:59:12"]);
    assert_eq!(bench.believed.len(), 8, "five of one stretch");
}

#[test]
fn a_stray_beside_what_was_known_before_a_gap_refutes_nothing_that_waits() {
    let known = ["10:00:00", "10:00:03", "10:00:06"];
    let later = ["11:00:00", "11:00:03", "11:00:06", "11:00:09", "11:00:12", "11:00:15"];
    for place in 2..=later.len() {
        let mut bench = Bench::default();
        bench.give(1, &known);
        bench.give(1, &later[..place]);
        bench.give(1, &["10:00:30"]);
        bench.give(1, &later[place..]);
        let all = bench.end();
        assert!(times(&later).iter().all(|it| all.contains(it)), "{place}: {:?}", bench.believed);
    }
}

#[test]
fn two_strays_that_wait_do_not_speak_for_each_other_unless_they_are_close() {
    let mut bench = Bench::default();
    let real = ["13:08:35", "13:08:38", "13:08:41", "13:08:44", "13:08:57", "13:09:00"];
    bench.give(1, &real[..3]);
    let newest_us = at("13:08:41");
    for stray in [newest_us + DAY_US, at("13:09:56")] {
        let stamp =
            Stamp { time_us: stray, received_us: 0, latest_us: Some(newest_us), counts: true };
        assert_eq!(bench.feed.judge(&1, &stamp), Verdict::Ahead);
        bench.feed.hold(1, stamp, Verdict::Ahead, ());
    }
    // no batch ends before the market comes close to one of them
    for time in &real[3..] {
        let stamp = Stamp {
            time_us: at(time),
            received_us: 0,
            latest_us: bench.latest.get(&1).copied(),
            counts: true,
        };
        assert_eq!(bench.feed.judge(&1, &stamp), Verdict::Believed);
        bench.take();
        bench.believe(1, stamp.time_us);
    }
    assert_eq!(bench.end(), times(&real));
}

#[test]
fn a_day_of_one_quote_is_believed_when_another_day_follows_and_not_at_the_end() {
    let mut bench = Bench::default();
    bench.give(1, &["09:30:00", "09:30:01", "09:30:02"]);
    let (day, next) = (at("11:29:59") + DAY_US, at("09:30:00") + 2 * DAY_US);
    for time_us in [day, next, next] {
        bench.give_at(1, time_us, 0);
    }
    assert_eq!(bench.end()[3..], [day, next, next]);
    bench.give_at(1, next + DAY_US, 0);
    assert_eq!((bench.end().len(), bench.feed.take_strays()), (6, 1));
}

#[test]
fn securities_confirm_each_other_and_one_that_trades_rarely_is_believed_with_them() {
    let mut bench = Bench::default();
    bench.give(9, &["10:00:00"]);
    for key in 1..4 {
        bench.give(key, &["10:00:02"]);
    }
    assert_eq!(bench.believed.len(), 4);
    for minute in 1..60 {
        bench.give(1, &[&format!("10:{minute:02}:00")]);
    }
    bench.give(9, &["10:59:30"]);
    assert_eq!(bench.latest[&9], at("10:59:30"), "an hour later, with the others");
    bench.give(9, &["14:00:00"]);
    bench.give(2, &["10:59:40"]);
    assert_eq!(
        (bench.feed.held().len(), bench.feed.take_strays()),
        (0, 1),
        "another one refutes it"
    );
}

#[test]
fn a_live_feed_believes_what_was_received_in_time_and_nothing_from_ahead_of_it() {
    let mut bench = Bench::default();
    let received = at("14:00:11");
    assert_eq!(bench.give_at(1, at("14:59:00"), received), Verdict::Ahead);
    assert_eq!(bench.give_at(1, at("14:00:10"), received), Verdict::Believed, "the first at once");
    // a minute of 14:59, in order, is no market either
    for second in 0..20 {
        bench.give_at(1, at("14:59:00") + second * 3 * SECOND_US, received + second * SECOND_US);
    }
    assert_eq!(bench.latest[&1], at("14:00:10"));
    let gap = at("14:45:00");
    assert_eq!(bench.give_at(1, gap, gap + SECOND_US), Verdict::Believed, "after an outage");
    bench.feed.end();
    assert!(bench.feed.released().is_empty());
}

#[test]
fn a_recorded_feed_does_not_believe_a_quote_of_this_very_moment() {
    let now_us = at("15:00:00") + 1_000 * DAY_US;
    let mut bench = Bench::default();
    bench.give(1, &MINUTES[..3]);
    assert_eq!(bench.give_at(1, now_us, now_us), Verdict::Ahead);
    assert_eq!(bench.give_at(1, at(MINUTES[3]), now_us), Verdict::Believed);
}

#[test]
fn a_feed_that_begins_anew_is_believed_after_some_quotes() {
    let mut bench = Bench::default();
    bench.give(1, &MINUTES);
    bench.give(1, &["09:30:00", "09:30:03", "09:30:06", "09:30:09"]);
    assert_eq!(bench.latest[&1], at("14:04:10"));
    bench.give(1, &["09:30:12"]);
    assert_eq!(bench.latest[&1], at("09:30:12"));
    assert_eq!(bench.feed.newest_us(), Some(at("09:30:12")));
    assert_eq!(bench.believed.len(), 12, "none is lost");
}

#[test]
fn a_security_that_is_seen_first_in_the_past_of_the_others_has_to_say_so_twice() {
    let mut bench = Bench::default();
    bench.give(1, &MINUTES);
    bench.give(2, &["10:00:00"]);
    bench.give(3, &["10:00:00"]);
    bench.give(2, &["10:00:00"]);
    assert_eq!((bench.latest.contains_key(&2), bench.latest.contains_key(&3)), (true, false));
}

#[test]
fn candidates_are_bounded() {
    let mut bench = Bench::default();
    bench.give(1, &MINUTES);
    for minute in (0..10_000_i64).rev() {
        let stamp = Stamp {
            time_us: at("15:00:00") + minute * 120 * SECOND_US,
            received_us: 0,
            latest_us: None,
            counts: true,
        };
        let verdict = bench.feed.judge(&2, &stamp);
        bench.feed.hold(2, stamp, verdict, ());
    }
    assert!(bench.feed.held().len() <= MAX_HELD);
    assert!(bench.feed.take_strays() >= 10_000 - MAX_HELD as u64);
}

#[test]
fn one_security_alone_takes_the_step_back_from_a_stray() {
    let mut track = Track::first(at("14:00:00"));
    // the very first was one
    assert_eq!(track.step(at("10:00:00")), Step::Return { is_late: false });
    for second in 1..10 {
        assert_eq!(track.step(at("10:00:00") + second * SECOND_US), Step::On);
    }
    assert_eq!(track.step(at("14:59:00")), Step::Jump);
    assert_eq!(track.step(at("14:59:03")), Step::On);
    assert_eq!(track.step(at("10:00:08")), Step::Return { is_late: true });
    assert_eq!(track.latest_us(), at("10:00:09"));
    assert_eq!(track.step(at("10:00:08")), Step::Late);
    // a gap holds after some quotes
    assert_eq!(track.step(at("11:00:00")), Step::Jump);
    for second in 1..=5 {
        assert_eq!(track.step(at("11:00:00") + second * SECOND_US), Step::On);
    }
    assert_eq!(track.step(at("10:00:10")), Step::Late);
}
