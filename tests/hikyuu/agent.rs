//! Hikyuu's spot agent reads what `nng-pub` publishes.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, free_port};
use serde_json::json;

use super::{
    bars::{self, Bars},
    feed::{self, MORNING, Recorded, SHANGHAI, SHENZHEN},
    real::{Hikyuu, Session, TYPES},
};

/// A Hikyuu of that day whose agent dials the address.
fn follower(hikyuu: &Hikyuu, day: &Recorded, address: &str) -> Session {
    let mut session = hikyuu.start(&day.at("10:00:00"), &TYPES, day.symbols);
    session.ask(json!(["agent", address]));
    session
}

/// Longest wait for bars that hold as much as ours in all: what was dropped never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The bars of a day that Hikyuu has once they hold as much as ours in all, or after all patience.
fn followed(session: &mut Session, day: &Recorded, ours: &Bars) -> Bars {
    let started = Instant::now();
    loop {
        let answer = session.ask(json!(["bars", day.symbols, TYPES, day.date]));
        let theirs = bars::of_hikyuu(&answer);
        if bars::have_same_totals(&theirs, ours) || started.elapsed() > PATIENCE {
            return theirs;
        }
        thread::park_timeout(Duration::from_millis(50));
    }
}

/// Hikyuu's subscriber keeps 128 messages and silently drops what it does not read in time, which a
/// busy machine brings about. That differs from run to run and is rarer the slower the feed, while a
/// bar that is made by another rule differs in all of them.
const RATES: [u32; 3] = [2_000, 1_000, 400];

/// The number of bars of a day, which must be the same in both.
fn compare(day: &Recorded) -> Option<usize> {
    let hikyuu = Hikyuu::find()?;
    let mut differences = Vec::new();
    for rate in RATES {
        let (theirs, ours) = both(hikyuu, day, rate);
        match bars::compare(&theirs, &ours) {
            Ok(()) => return Some(ours.len()),
            Err(difference) => differences.push(format!("{rate} messages a second: {difference}")),
        }
    }
    panic!("{}", differences.join("\n"));
}

/// The bars of Hikyuu and ours.
fn both(hikyuu: &Hikyuu, day: &Recorded, rate: u32) -> (Bars, Bars) {
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let mut session = follower(hikyuu, day, &address);
    let bench = Bench::with_links(&["replay", "bars", "console", "nng-pub"]);
    bench.pipeline(&format!(
        "{}\n{}updates = false\n{}[sinks.screen]\nplugin = \"console\"\ninputs = [\"bars\"]\n",
        day.day.source(),
        feed::bars("day"),
        feed::publisher(&address, "day", rate),
    ));
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    assert_eq!(run.summary("feed", "out"), day.day.records);
    assert_eq!(run.summary("feed", "dropped"), 0);
    let ours = bars::of_console(&run.stdout);
    let theirs = followed(&mut session, day, &ours);
    session.finish();
    (theirs, ours)
}

#[test]
fn bars_of_a_whole_day_in_shenzhen_are_those_of_hikyuus_agent() {
    let Some(count) = compare(&SHENZHEN) else { return };
    assert_eq!(count, 4 * 322);
}

#[test]
fn bars_of_a_whole_day_in_shanghai_are_those_of_hikyuus_agent() {
    let Some(count) = compare(&SHANGHAI) else { return };
    assert_eq!(count, 322);
}

#[test]
fn bars_of_a_morning_of_twenty_stocks_are_those_of_hikyuus_agent() {
    let Some(count) = compare(&MORNING) else { return };
    assert_eq!(count, 1_668);
}
