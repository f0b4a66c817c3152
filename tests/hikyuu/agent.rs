//! Hikyuu's spot agent reads what `nng-pub` publishes.

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

/// The bars of a day that Hikyuu has once they hold as much as ours in all.
#[track_caller]
fn followed(session: &mut Session, day: &Recorded, ours: &Bars) -> Bars {
    let command = json!(["bars", day.symbols, TYPES, day.date]);
    let is_complete = |answer: &_| bars::have_same_totals(&bars::of_hikyuu(answer), ours);
    bars::of_hikyuu(&session.ask_until(&command, is_complete))
}

fn compare(day: &Recorded) -> Option<usize> {
    let hikyuu = Hikyuu::find()?;
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let mut session = follower(hikyuu, day, &address);
    let bench = Bench::with_links(&["replay", "bars", "console", "nng-pub"]);
    bench.pipeline(&format!(
        "{}\n{}updates = false\n{}[sinks.screen]\nplugin = \"console\"\ninputs = [\"bars\"]\n",
        day.day.source(),
        feed::bars("day"),
        feed::publisher_for_agent(&address, "day"),
    ));
    let host = bench.start();
    session.ask_until(&json!(["connected"]), |answer| answer == true);
    feed::begin(&address);
    let run = host.wait();
    run.assert(0, &[]);
    assert_eq!(run.summary("feed", "out"), day.day.records);
    assert_eq!(run.summary("feed", "dropped"), 0);
    let ours = bars::of_console(&run.stdout);
    let theirs = followed(&mut session, day, &ours);
    bars::assert_same(&theirs, &ours);
    session.finish();
    Some(ours.len())
}

#[test]
fn bars_of_a_whole_day_in_shenzhen_are_those_of_hikyuus_agent() {
    if let Some(count) = compare(&SHENZHEN) {
        assert_eq!(count, 4 * 322);
    }
}

#[test]
fn bars_of_a_whole_day_in_shanghai_are_those_of_hikyuus_agent() {
    if let Some(count) = compare(&SHANGHAI) {
        assert_eq!(count, 322);
    }
}

#[test]
fn bars_of_a_morning_of_twenty_stocks_are_those_of_hikyuus_agent() {
    if let Some(count) = compare(&MORNING) {
        assert_eq!(count, 1_668);
    }
}
