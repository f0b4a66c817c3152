//! Questions to instances of every role and carrier, and to such as do not answer.

use std::time::{Duration, Instant};

use harness::{Bench, wait_until};
use serde_json::json;

use super::{Telling, with_id};

/// A source that goes on, a transform and a sink, each in its carrier; each tells of two readers.
fn pipeline([source, transform, sink]: [&str; 3]) -> String {
    format!(
        "[sources.day]\nplugin = \"faulty\"\ncarrier = \"{source}\"\nbatches = 1000000\n\
         records = 1\npace = \"5ms\"\nreaders = 2\n\
         [transforms.same]\nplugin = \"faulty\"\ncarrier = \"{transform}\"\ninputs = [\"day\"]\n\
         readers = 2\n\
         [sinks.out]\nplugin = \"faulty\"\ncarrier = \"{sink}\"\ninputs = [\"same\"]\nreaders = 2\n"
    )
}

/// A quick source, and a sink with those options.
fn with_sink(source: &str, sink: &str) -> String {
    format!(
        "[sources.day]\nplugin = \"faulty\"\nrecords = 1\n{source}\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\nreaders = 2\n{sink}\n"
    )
}

const ENDLESS: &str = "batches = 1000000\npace = \"5ms\"";

#[test]
fn every_role_in_either_carrier_tells_and_acts() {
    for carriers in [["native", "wasm", "native"], ["wasm", "native", "wasm"]] {
        let bench = Bench::new(&["faulty"]);
        bench.install_wasm("faulty");
        let telling = Telling::start(&bench, &pipeline(carriers));
        for component in ["day", "same", "out"] {
            let id = format!("{component}/2");
            let reader = telling.wait_for("its readers", with_id(&id));
            assert_eq!((&reader["kind"], &reader["old"]), (&json!("client"), &json!(false)));
            assert_eq!(reader["actions"], json!({ "disconnect": true }));
            let look = telling.act(&id, r#"{"action":"disconnect","preview":true}"#);
            let change = json!({ "before": { "connected": true }, "after": { "connected": false }});
            let with = |done: bool| {
                let mut answer = change.clone();
                answer["done"] = done.into();
                (200, answer)
            };
            assert_eq!(look, with(false), "{component} {carriers:?}");
            telling.wait_for("the one that was looked at", with_id(&id));
            assert_eq!(telling.act(&id, r#"{"action":"disconnect"}"#), with(true));
            telling.wait_until_gone(&id);
        }
        telling.host.signal("TERM");
        telling.host.wait().assert(0, &["done with a reader"]);
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let bench = Bench::new(&["faulty"]);
    let telling = Telling::start(&bench, &with_sink(ENDLESS, ""));
    telling.wait_for("its readers", with_id("out/1"));
    for (id, body, code, said) in [
        ("out/9", r#"{"action":"disconnect"}"#, 404, "there is no reader `out/9`"),
        ("day/1", r#"{"action":"disconnect"}"#, 404, "there is no reader"),
        ("nobody", r#"{"action":"disconnect"}"#, 404, "there is no reader"),
        ("out/1", r#"{"action":"remove"}"#, 409, "remove of `out/1` cannot be done"),
        ("out/1", r#"{"action":"disconnect","preveiw":true}"#, 400, "unknown field"),
        ("out/1", r#"{"action":"set_position"}"#, 400, "needs `to`"),
        ("out/1", "disconnect", 400, "is to be JSON"),
        ("out/1", "", 400, "is to be JSON"),
    ] {
        let (answered, body) = telling.act(id, body);
        assert_eq!(answered, code, "{id}: {body}");
        assert!(body["error"].as_str().unwrap().contains(said), "{id}: {body}");
    }
    assert_eq!(telling.listing()["readers"].as_array().unwrap().len(), 2, "nothing was done");
}

/// Each question wakes a sink that waits for a batch.
#[test]
fn who_is_asked_again_and_again_gets_its_ticks_all_the_same() {
    let bench = Bench::new(&["faulty"]);
    let ticks = "call = \"tick\"\nhow = \"retry\"\nafter = 3\ntimes = 1\ncounter = \"ticks\"";
    // nothing comes, and the source is not asked while it tries again
    let source = "batches = 1\ncall = \"next\"\nhow = \"retry\"";
    let telling = Telling::start(&bench, &with_sink(source, ticks));
    telling.wait_for("its readers", with_id("out/1"));
    wait_until("a tick in spite of questions", || {
        telling.listing();
        telling.host.log().contains("told to fail in tick")
    });
}

#[test]
fn a_plugin_that_hangs_over_the_question_is_shown_as_it_was_and_blocks_nobody() {
    let bench = Bench::new(&["faulty"]);
    let hangs = "call = \"readers\"\nhow = \"block\"\nafter = 1";
    let telling = Telling::start(&bench, &with_sink(ENDLESS, hangs));
    telling.wait_for("its readers", with_id("out/1"));
    let reader = telling.wait_for("what is old", |it| it["id"] == "out/1" && it["old"] == true);
    assert!(reader["seen_us"].as_i64().unwrap() > 0);
    let since = Instant::now();
    assert_eq!(telling.host.get(telling.port, "/metrics", "").0, 200);
    let (code, body) = telling.act("out/1", r#"{"action":"disconnect"}"#);
    assert_eq!(code, 503, "{body}");
    let listing = telling.listing();
    assert!(listing["not_told"]["out"].is_string(), "{listing}");
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    telling.host.signal("KILL");
}

#[test]
fn a_plugin_that_breaks_over_the_question_is_replaced_and_loses_nothing() {
    for how in ["panic", "fatal"] {
        let bench = Bench::new(&["faulty"]);
        let breaks = format!(
            "call = \"readers\"\nhow = \"{how}\"\ntimes = 1\ncounter = \"broken\"\nhold = true\n\
             log = \"log\""
        );
        let source = "batches = 400\npace = \"10ms\"";
        let telling = Telling::start(&bench, &with_sink(source, &breaks));
        let listing = telling.listing();
        let why = listing["not_told"]["out"].as_str().unwrap_or_default();
        assert!(why.contains("told to fail in readers"), "{how}: {listing}");
        telling.wait_for("the next instance", with_id("out/1"));
        let run = telling.host.wait();
        run.assert(0, &[]);
        let mut taken = bench.sequences("log");
        taken.sort_unstable();
        taken.dedup();
        assert!(taken.into_iter().eq(1..=400), "{how}");
    }
}

#[test]
fn a_component_that_is_changed_tells_on_and_one_that_goes_is_gone() {
    let bench = Bench::new(&["faulty"]);
    let telling = Telling::start(&bench, &with_sink(ENDLESS, "delay = \"0ms\""));
    telling.wait_for("its readers", with_id("out/2"));
    let file = bench.read("pipeline.toml");
    bench.pipeline(&file.replace("delay = \"0ms\"", "delay = \"1ms\""));
    telling.host.wait_for("reloaded");
    telling.wait_for("its readers again", |it| it["id"] == "out/2" && it["old"] == false);
    bench.pipeline(&file.replace("sinks.out", "sinks.other"));
    telling.wait_for("the readers of the other", with_id("other/1"));
    telling.host.signal("TERM");
    telling.host.wait().assert(0, &[]);
}
