//! What was seen outlives the instance: restarts, successors, damaged files.

use proptest::prelude::*;

use super::{
    model::{every_period, list, quotes},
    *,
};

const MORNING: [(&str, f64, u64); 2] = [("09:30:00", 10.0, 1_000), ("10:00:10", 10.0, 5_000)];

#[test]
fn a_host_that_starts_again_does_not_take_the_morning_for_a_minute() {
    let mut bench = Bench::of(&["1m", "day"]);
    bench.play("2021-12-01", &MORNING);
    bench.restart();
    bench.play("2021-12-01", &[("10:00:40", 11.0, 5_200), ("10:05:00", 11.0, 5_500)]);
    assert_eq!(
        bench.volumes("1m"),
        [
            ("2021-12-01 09:31:00", 1_000, true),
            ("2021-12-01 10:01:00", 4_200, true),
            ("2021-12-01 10:06:00", 300, false),
        ]
    );
    let bar = bench.bar("600000 1m 2021-12-01 10:01:00");
    assert_eq!((bar.open, bar.high), (10.0, 11.0), "the bar goes on where it was");
}

#[test]
fn a_host_that_is_killed_goes_on_from_its_last_checkpoint() {
    let mut bench = Bench::of(&["1m"]);
    bench.play("2021-12-01", &MORNING[..1]);
    bench.host.set_now_us(us("2021-12-20 00:00:11"));
    bench.play("2021-12-01", &MORNING[1..]); // 10 seconds after the last: it is kept
    bench.play("2021-12-01", &[("10:00:20", 10.0, 6_000)]);
    bench.bars = open(&bench.options, &bench.host, &bench.folder); // never closed
    bench.play("2021-12-01", &[("10:02:00", 10.0, 6_100)]);
    assert_eq!(
        bench.volumes("1m")[1..],
        [("2021-12-01 10:01:00", 4_000, true), ("2021-12-01 10:03:00", 1_100, false)],
        "nothing is lost: what was not kept goes to the next bar"
    );
}

#[test]
fn a_bar_that_nobody_closed_before_the_end_is_closed_after_it() {
    let mut bench = Bench::of(&["1m", "day"]);
    bench.host.set_now_us(us("2021-12-01 15:00:04"));
    bench.play("2021-12-01", &[("15:00:03", 10.0, 900)]);
    bench.restart();
    assert_eq!(bench.volumes("1m"), [("2021-12-01 15:00:00", 900, false)]);
    bench.host.set_now_us(us("2021-12-02 09:15:00"));
    bench.give(&[Spot { code: "600001", time: "2021-12-02 09:15:00", price: 1.0, volume: 0 }]);
    assert_eq!(bench.volumes("1m"), [("2021-12-01 15:00:00", 900, true)]);
    assert_eq!(bench.volumes("day"), [("2021-12-01 00:00:00", 900, true)]);
}

#[test]
fn a_successor_goes_on_and_periods_that_are_new_begin_with_what_is_traded_from_then_on() {
    let mut bench = Bench::of(&["1m", "30m"]);
    bench.play("2021-12-01", &MORNING);
    bench.swap(json!({ "periods": ["5m", "1m"] }));
    bench.play("2021-12-01", &[("10:00:40", 11.0, 5_200), ("10:05:00", 11.0, 5_500)]);
    assert_eq!(
        bench.volumes("1m")[1..],
        [("2021-12-01 10:01:00", 4_200, true), ("2021-12-01 10:06:00", 300, false)]
    );
    assert_eq!(
        bench.volumes("5m"),
        [("2021-12-01 10:05:00", 200, true), ("2021-12-01 10:10:00", 300, false)]
    );
}

#[test]
fn a_damaged_checkpoint_is_reported_and_never_read() {
    let mut bench = Bench::of(&["1m"]);
    bench.play("2021-12-01", &MORNING);
    bench.end();
    let file = bench.folder.path().join("state/bars.state");
    let whole = std::fs::read(&file).unwrap();
    for at in 0..whole.len() {
        for damaged in [whole[..at].to_vec(), {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            bytes
        }] {
            std::fs::write(&file, &damaged).unwrap();
            let before = bench.host.told().logs.len();
            let bars = open(&bench.options, &bench.host, &bench.folder);
            drop(bars);
            let logs = bench.host.told().logs;
            assert!(logs.len() == before + 1 && logs[before].1.contains("is damaged"), "{at}");
        }
    }
    let mut other = open(&bench.options, &bench.host, &bench.folder);
    assert!(other.import_state(&whole[1..]).is_err() && other.import_state(&whole).is_ok());
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_told_once_and_bars_go_on() {
    let mut bench = Bench::of(&["1m"]);
    std::fs::write(bench.folder.path().join("state"), "in the way").unwrap();
    for minute in 10..20 {
        bench.host.set_now_us(us("2021-12-20 00:00:00") + minute * 60_000_000);
        bench.play("2021-12-01", &[(&format!("10:{minute}:00"), 10.0, minute.unsigned_abs())]);
    }
    assert_eq!(bench.kept.len(), 10);
    let logs = bench.host.told().logs;
    assert_eq!(logs.iter().filter(|(_, it)| it.contains("cannot be written")).count(), 1);
}

proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 100, failure_persistence: None, ..proptest::test_runner::Config::default()
    })]

    #[test]
    fn a_run_with_breaks_tells_the_same_as_one_without(
        quotes in quotes(),
        breaks in prop::collection::vec(any::<bool>(), 60),
    ) {
        let (mut whole, mut broken) = (Bench::new(every_period()), Bench::new(every_period()));
        // a live feed: the end of an instance closes nothing
        for (quote, is_break) in quotes.iter().zip(breaks) {
            for bench in [&mut whole, &mut broken] {
                bench.host.set_now_us(quote.time_us + 1_000_000);
                bench.apply(&list(&[*quote]));
            }
            if is_break {
                broken.swap(every_period());
            } else {
                // the first quote after a restart must not lie far back
                let is_forward = quotes.windows(2).all(|pair| pair[0].time_us <= pair[1].time_us);
                if is_forward {
                    broken.restart();
                }
            }
        }
        prop_assert_eq!(whole.heard, broken.heard);
    }
}
