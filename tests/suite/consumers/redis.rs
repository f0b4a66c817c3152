//! A real Redis with three groups, one of whose clients is dead.

use std::io::{BufRead, BufReader};

use harness::{Bench, Redis};
use serde_json::{Value, json};

use super::{Telling, wait_until, with_id};

const DEAD: &str = "out/spot_stream/slow/dead";

/// A host that writes quotes without end, a hundred a second.
fn writer(bench: &Bench, server: &Redis) -> Telling {
    let pipeline = format!(
        "[sources.numbers]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"10ms\"\n\
         symbols = 50\n\
         [sinks.out]\nplugin = \"redis-stream\"\ninputs = [\"numbers\"]\nurl = \"{}\"\n",
        server.url()
    );
    Telling::start(bench, &pipeline)
}

/// A group whose only client took some entries and died, one whose client has everything, and one in
/// which nobody reads.
fn make_groups(server: &Redis) {
    for group in ["slow", "quick", "empty"] {
        server.cli(&["xgroup", "create", "spot_stream", group, "0"]);
    }
    let read = "xreadgroup group slow dead count 5 streams spot_stream >";
    server.cli(&read.split(' ').collect::<Vec<_>>());
}

/// Takes and acknowledges all that is there for the client of the quick group.
fn keep_up(server: &Redis) {
    let read = "xreadgroup group quick busy count 1000 noack streams spot_stream >";
    server.cli(&read.split(' ').collect::<Vec<_>>());
}

#[test]
fn the_dead_consumer_among_three_groups_is_found_and_relieved() {
    let (server, bench) = (Redis::start(&[]), Bench::new(&["faulty", "redis-stream"]));
    let telling = writer(&bench, &server);
    wait_until("the stream is there", || {
        server.cli(&["xlen", "spot_stream"]).trim().parse::<u64>().is_ok_and(|length| length > 10)
    });
    make_groups(&server);
    let slow = telling.wait_for("who falls behind", |reader| {
        keep_up(&server);
        let behind = reader["lag_seconds"].as_f64().unwrap_or_default();
        reader["id"] == DEAD && reader["state"] == "slow" && behind > 2.0
    });
    assert_eq!((&slow["pending"], &slow["trend"]), (&json!(5), &json!("rising")));
    assert_eq!((&slow["kind"], &slow["group"]), (&json!("consumer"), &json!("slow")));
    assert!(slow["actions"]["remove"].as_str().unwrap().contains("5 entries"), "{slow}");
    let listing = telling.listing();
    let readers = listing["readers"].as_array().unwrap();
    let of = |id: &str| readers.iter().find(|it| it["id"] == id).unwrap();
    assert_eq!(of("out/spot_stream/quick/busy")["state"], "live");
    assert!(of("out/spot_stream/empty")["lag_records"].as_u64().unwrap() > 10);

    let claim = |preview: bool| {
        let body = json!({
            "action": "claim", "to": "heir", "min_idle": "0ms", "preview": preview,
        });
        let (code, answer) = telling.act(DEAD, &body.to_string());
        assert_eq!((code, &answer["done"]), (200, &json!(!preview)), "{answer}");
        (answer["before"].clone(), answer["after"].clone())
    };
    let shown = claim(true);
    assert_eq!((&shown.0["pending"], &shown.1["to_pending"]), (&json!(5), &json!(5)));
    assert_eq!(claim(false), shown);
    let (code, _) = telling.act(DEAD, r#"{"action":"remove"}"#);
    assert_eq!(code, 200);
    telling.wait_until_gone(DEAD);
    let pending = server.cli(&["xpending", "spot_stream", "slow", "-", "+", "9", "heir"]);
    assert_eq!(pending.matches("heir").count(), 5, "{pending}");
    telling.host.signal("TERM");
    telling.host.wait().assert(0, &[]);
}

#[test]
fn the_verb_lists_what_the_host_tells_in_every_form_and_again_and_again() {
    let (server, bench) = (Redis::start(&[]), Bench::new(&["faulty", "redis-stream"]));
    let telling = writer(&bench, &server);
    wait_until("the stream is there", || server.cli(&["exists", "spot_stream"]).trim() == "1");
    make_groups(&server);
    telling.wait_for("the groups", with_id(DEAD));
    let run = |arguments: &[&str]| {
        let all = [&["consumers", "readers"][..], arguments].concat();
        bench.run(&all).assert(0, &[]).stdout.clone()
    };
    let table = run(&["--sort", "lag"]);
    assert!(table.contains("out/spot_stream/slow/dead") && table.contains("behind"), "{table}");
    let json: Value =
        serde_json::from_str(&run(&["--format", "json", "--kind", "consumer"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3, "{json:#}");
    let csv = run(&["--format", "csv", "--component", "out", "--sort", "pending"]);
    let second = csv.lines().nth(1).unwrap();
    assert!(second.starts_with("out/spot_stream/slow/dead,out,consumer,dead,"), "{csv}");
    assert_eq!(run(&["--state", "losing"]).trim(), "nobody reads");

    let program = harness::program();
    let mut watching = std::process::Command::new(program)
        .args(["consumers", "readers", "--watch", "--format", "json"])
        .current_dir(bench.path(""))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let seen: Vec<Value> =
        lines.take(2).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let lag = |listing: &Value| listing[0]["lag_records"].as_u64().unwrap();
    assert!(lag(&seen[1]) > lag(&seen[0]), "{seen:#?}");
    // nobody reads any more, so it ends by itself
    assert!(watching.wait().unwrap().success());

    telling.host.signal("TERM");
    telling.host.wait().assert(0, &[]);
    bench.run(&["consumers", "readers"]).assert(1, &["no host runs"]);
    let file = bench.read("pipeline.toml");
    let (_, without_http) = file.split_once("[sources").unwrap();
    bench.pipeline(&format!("[sources{without_http}"));
    bench.run(&["consumers", "readers"]).assert(1, &["[host] http"]);
}
