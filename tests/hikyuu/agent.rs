//! Hikyuu's spot agent reads what `nng-pub` publishes.

use harness::{Bench, free_port, sample};
use serde_json::{Value, json};

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

/// Quotes of one list. Hikyuu's subscriber keeps 128 messages and silently drops what it does not read
/// in time, as a busy machine brings about, so a whole day must be less: three messages a list.
const LIST: usize = 700;

/// The quotes of a recorded day in order of time, in lists.
fn lists(hikyuu: &Hikyuu, day: &Recorded) -> Vec<Vec<Value>> {
    let expected = hikyuu.expected(&sample(day.day.file));
    let by_symbol = expected["ticks"].as_object().unwrap().values();
    let mut rows: Vec<&Value> = by_symbol.flat_map(|rows| rows.as_array().unwrap()).collect();
    rows.sort_by_key(|row| row[2].as_str().unwrap().to_owned());
    let names = ["market", "code", "datetime", "yesterday_close", "open", "high", "low", "close"];
    let names = [&names[..], &["amount", "volume", "bid", "bid_amount", "ask", "ask_amount"]];
    let spot = |row: &&Value| {
        let cells = row.as_array().unwrap().iter().cloned();
        names.concat().iter().map(|name| (*name).to_owned()).zip(cells).collect::<Value>()
    };
    rows.chunks(LIST).map(|rows| rows.iter().map(spot).collect()).collect()
}

/// The number of bars of a day, which must be the same in both.
fn compare(day: &Recorded) -> Option<usize> {
    let hikyuu = Hikyuu::find()?;
    let [collector, address] = [(); 2].map(|()| format!("tcp://127.0.0.1:{}", free_port()));
    let port = free_port();
    let mut publisher = hikyuu.publisher(&collector);
    let bench = Bench::with_links(&["bars", "console", "nng-pub", "nng-sub"]);
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n[sources.bus]\nplugin = \"nng-sub\"\n\
         dial = \"{collector}\"\nslow_pipeline = \"wait\"\n{}updates = false\n{}\
         [sinks.screen]\nplugin = \"console\"\ninputs = [\"bars\"]\n",
        feed::bars("bus"),
        feed::publisher(&address, "bus", 0),
    ));
    let host = bench.start();
    let mut session = follower(hikyuu, day, &address);
    session.ask_until(&json!(["connected"]), |answer| answer == true);
    assert_eq!(publisher.ask(json!(["wait", 1])), true);
    let lists = lists(hikyuu, day);
    assert!(3 * lists.len() < 128, "{}", lists.len());
    for list in lists {
        publisher.ask(json!(["spots", list]));
    }
    let labels = "component=\"bus\",kind=\"source\",plugin=\"nng-sub\"";
    let line = format!("dataserver_records_in_total{{{labels}}} {}\n", day.day.records);
    host.wait_for_answer(port, "/metrics", &line);
    host.signal("TERM");
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
