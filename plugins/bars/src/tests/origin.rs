//! Bars say which source their quotes came from.

use super::*;

/// One quote of that source, in a batch of another component.
fn quote(time: &str, source: &str) -> Batch {
    let mut encoder = SpotListEncoder::new(1);
    let record = SpotRecord {
        market: "SH",
        code: "600000",
        time_us: us(&format!("2021-12-01 {time}")),
        close: 10.0,
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
