//! What docs/OPERATIONS.md asks a host for is answered, with the keys that stand there.

use std::process::Command;

use harness::{Bench, Host, fixture, free_port};
use nng::{
    Protocol, Socket,
    options::{Options, protocol::pubsub::Subscribe},
};
use serde_json::Value;

use super::{Block, Runner, blocks, blocks_for, readers::run};

/// Where the page has its host.
const SHOWN: &str = "127.0.0.1:9280";

/// The pipeline of the page, with recorded quotes, a sink that refuses some, and a subscriber.
fn start(bench: &Bench) -> (Host, u16, Socket) {
    let (http, feed) = (free_port(), format!("tcp://127.0.0.1:{}", free_port()));
    let lines = fixture("qq").unwrap().join("batch/firebird_20221118_603.gbk.txt");
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{http}\"\nwatch = false\n\
         [sources.qq]\nplugin = \"replay\"\npath = {lines:?}\nspeed = 10.0\nmax_gap = \"2s\"\nloop = true\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"qq\"]\npath = \"lake\"\n\
         [sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"qq\"]\nlisten = [\"{feed}\"]\n\
         [sinks.db]\nplugin = \"faulty\"\ninputs = [\"qq\"]\ncall = \"write\"\nhow = \"bad_data\"\n\
         counter = \"counter\"\ntimes = 200\n"
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let subscriber = Socket::new(Protocol::Sub0).unwrap();
    subscriber.set_opt::<Subscribe>(b":spot:".to_vec()).unwrap();
    subscriber.dial(&feed).unwrap();
    host.wait_for_answer(http, "/api/quotes?symbols=000001.SZ", "平安银行");
    host.wait_for_answer(http, "/api/readers", "\"subscriber\"");
    host.wait_for_answer(http, "/api/dead-letter/db", "told to fail");
    (host, http, subscriber)
}

/// What a block of shell prints.
fn shell(bench: &Bench, block: &Block, http: u16) -> String {
    let text = block.text.replace(SHOWN, &format!("127.0.0.1:{http}"));
    let ran = Command::new("sh").args(["-ec", &text]).current_dir(bench.path("")).output();
    let ran = ran.unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{}: {printed}", block.place());
    assert!(!printed.is_empty() && !printed.contains("{\"error\""), "{}: {printed}", block.place());
    printed
}

/// Whether an answer has every key that is shown; of lists the first elements are compared.
fn covers(shown: &Value, given: &Value) -> bool {
    match (shown, given) {
        (Value::Object(shown), Value::Object(given)) => shown
            .iter()
            .all(|(key, shown)| given.get(key).is_some_and(|given| covers(shown, given))),
        (Value::Array(shown), Value::Array(given)) => {
            shown.first().is_none_or(|shown| given.iter().any(|given| covers(shown, given)))
        }
        (Value::Object(_) | Value::Array(_), _) => false,
        // what is a number here may be unknown there
        _ => !given.is_object() && !given.is_array(),
    }
}

#[test]
fn every_request_of_the_page_is_answered_with_the_keys_that_it_shows() {
    let bench = Bench::with_links(&["replay", "parquet", "nng-pub", "faulty"]);
    let (host, http, _subscriber) = start(&bench);
    let asked = blocks_for(Runner::Asked);
    for block in &asked {
        let printed = if block.language == "python" {
            run(&bench, block, &block.text.replace(SHOWN, &format!("127.0.0.1:{http}")))
        } else {
            shell(&bench, block, http)
        };
        if block.language == "python" {
            assert!(printed.contains("平安银行 11.59 qq"), "{printed}");
        }
        let next = blocks().into_iter().find(|it| it.page == block.page && it.line > block.line);
        if let Some(shown) = next.filter(|it| it.language == "json") {
            let given: Value = serde_json::from_str(&printed).unwrap();
            let place = shown.place();
            let shown: Value = serde_json::from_str(&shown.text).unwrap();
            assert!(covers(&shown, &given), "{place}: the host answers {given:#}");
        }
    }
    assert!(asked.len() >= 10, "{}", asked.len());
    host.signal("TERM");
    host.wait();
}

#[test]
fn an_answer_covers_what_is_shown_of_it() {
    let shown = serde_json::json!({ "a": [{ "b": 1 }], "c": {} });
    for (given, expected) in [
        (serde_json::json!({ "a": [{ "x": 0 }, { "b": null }], "c": {}, "d": 1 }), true),
        (serde_json::json!({ "a": [], "c": {} }), false),
        (serde_json::json!({ "a": [{ "b": [] }], "c": {} }), false),
        (serde_json::json!({ "a": [{ "b": 1 }] }), false),
        (serde_json::json!({ "a": [{ "b": 1 }], "c": 1 }), false),
    ] {
        assert_eq!(covers(&shown, &given), expected, "{given}");
    }
}
