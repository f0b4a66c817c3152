//! Bars say which source their quotes came from.

use super::{
    history::{Told, history},
    *,
};

/// One quote of that source, in a batch of another component.
fn quote(time: &str, source: &str) -> Batch {
    quote_of(time, source, 0)
}

fn quote_of(time: &str, source: &str, volume_shares: u64) -> Batch {
    let mut encoder = SpotListEncoder::new(1);
    let record = SpotRecord {
        market: "SH",
        code: "600000",
        time_us: us(&format!("2021-12-01 {time}")),
        pre_close: 9.0,
        close: 10.0,
        volume_shares,
        source,
        ..SpotRecord::default()
    };
    encoder.push(&record).unwrap();
    received(Batch::from_spots(&mut encoder, Round::MIDDLE))
}

/// What the bars say that come of a quote: whether they are closed, and their source.
fn sources(bench: &mut Bench, time: &str, source: &str) -> Vec<(bool, String)> {
    let mut output = Output::default();
    bench.bars.apply(&quote(time, source), &mut output).unwrap();
    let batches = output.into_batches();
    let bars = batches.iter().flat_map(Batch::bars);
    bars.map(|bar| (bar.closed, bar.source.to_owned())).collect()
}

fn open_of(source: &str) -> (bool, String) {
    (false, source.to_owned())
}

fn closed_of(source: &str) -> (bool, String) {
    (true, source.to_owned())
}

#[test]
fn a_bar_names_the_source_of_its_quotes_and_of_several_all() {
    let mut bench = Bench::of(&["1m", "day"]);
    bench.host.set_now_us(us("2021-12-01 10:00:00"));
    // the day has no valid prices, so its bar is not made
    assert_eq!(sources(&mut bench, "10:00:00", "qq"), [open_of("qq")]);
    assert_eq!(sources(&mut bench, "10:00:30", "qmt"), [open_of("qmt+qq")]);
    assert_eq!(sources(&mut bench, "10:01:00", "qmt"), [closed_of("qmt+qq"), open_of("qmt")]);
    assert_eq!(sources(&mut bench, "10:02:00", ""), [closed_of("qmt"), open_of("live")]);
}

#[test]
fn a_bar_keeps_its_source_over_a_restart_and_a_swap() {
    let options = json!({ "periods": ["1m"] });
    for is_swap in [false, true] {
        let mut bench = Bench::new(options.clone());
        bench.host.set_now_us(us("2021-12-01 10:00:00"));
        sources(&mut bench, "10:00:00", "qq");
        if is_swap {
            bench.swap(options.clone());
        } else {
            bench.restart();
        }
        assert_eq!(sources(&mut bench, "10:00:30", "qmt"), [open_of("qmt+qq")]);
    }
}

#[test]
fn a_bar_without_quotes_names_the_source_of_its_price() {
    let options = json!({ "periods": ["1m"], "empty_minutes": "previous" });
    for is_swap in [false, true] {
        let mut bench = Bench::new(options.clone());
        bench.host.set_now_us(us("2021-12-01 09:29:00"));
        assert_eq!(sources(&mut bench, "09:29:00", "qq"), []);
        if is_swap {
            bench.swap(options.clone());
        } else {
            bench.restart();
        }
        // at the close of the day before, of which "qq" spoke
        let of_qq = [closed_of("qq"), closed_of("qq"), open_of("qmt")];
        assert_eq!(sources(&mut bench, "09:32:10", "qmt"), of_qq);
        let of_qmt = [closed_of("qmt"), closed_of("qmt"), closed_of("qmt"), open_of("qq")];
        assert_eq!(sources(&mut bench, "09:35:10", "qq"), of_qmt);
    }
}

/// A minute of history, in which 100 shares were traded.
fn told(time: &str, source: &str) -> Told {
    let time_us = us(&format!("2021-12-01 {time}"));
    let (closed, source) = (true, source.to_owned());
    let [open, high, low, close] = [10.0; 4];
    let bar = Kept { open, high, low, close, amount: 1_000.0, volume: 100, closed, source };
    Told { code: "600000".to_owned(), time_us, bar }
}

#[test]
fn a_bar_of_history_names_its_own_source_or_that_of_the_batch() {
    let options = json!({ "periods": ["1m", "5m"], "history": "past" });
    let minutes =
        history(&[told("10:01:00", ""), told("10:02:00", "qmt+tdx"), told("10:03:00", "")]);
    let live = quote_of("10:02:40", "qq", 350);
    for batches in [[&minutes, &live], [&live, &minutes]] {
        let mut bench = Bench::new(options.clone());
        bench.host.set_now_us(us("2021-12-01 10:02:40"));
        bench.apply(batches[0]);
        bench.swap(options.clone());
        bench.apply(batches[1]);
        bench.swap(options.clone());
        bench.host.set_now_us(us("2021-12-01 10:03:10"));
        bench.apply(&quote_of("10:03:10", "qq", 400));
        for (key, source, volume) in [
            ("1m 2021-12-01 10:01:00", "past", 100),
            ("1m 2021-12-01 10:02:00", "qmt+tdx", 100),
            ("1m 2021-12-01 10:03:00", "past+qq", 150),
            ("1m 2021-12-01 10:04:00", "qq", 50),
            ("5m 2021-12-01 10:05:00", "past+qmt+qq+tdx", 400),
        ] {
            let bar = bench.bar(&format!("600000 {key}"));
            assert_eq!((&*bar.source, bar.volume), (source, volume), "{key}");
        }
    }
}
