//! `dataserver consumers`.

use harness::{Bench, Redis};
use serde_json::Value;

use super::{LOG, Running, from_redis, numbers, to_redis};

fn json(bench: &Bench, arguments: &[&str]) -> Value {
    let all: Vec<_> =
        ["consumers"].iter().chain(arguments).chain(&["--format", "json"]).copied().collect();
    let run = bench.run(&all);
    serde_json::from_str(&run.assert(0, &[]).stdout).unwrap()
}

#[test]
fn consumers_are_listed_and_mended_while_the_host_is_down() {
    let server = Redis::start(&["requirepass secret"]);
    let near = Bench::new(&["faulty", "redis-stream"]);
    let pipeline = numbers(3, 100) + &to_redis("numbers", &server.url(), "");
    near.pipeline(&pipeline).run(&["run"]).assert(0, &[]);

    // takes its first entries and never delivers
    let bench = Bench::new(&["redis-stream", "faulty"]);
    let source = from_redis(&server.url(), "consumer = \"lost\"\nbatch_records = 10");
    let running = Running::start(&bench, &(source + LOG + "call = \"write\"\nhow = \"block\"\n"));
    super::wait_until("the client has entries", || {
        let pending = server.cli(&["xpending", "spot_stream", "minute_bar_consumers"]);
        pending.lines().next().is_some_and(|count| count != "0" && !count.is_empty())
    });
    running.host.signal("KILL");
    running.host.wait();

    let list = json(&bench, &["list"]);
    assert_eq!((&list[0]["consumer"], &list[0]["stream"]), (&"lost".into(), &"spot_stream".into()));
    let pending = list[0]["pending"].as_u64().unwrap();
    let lag = json(&bench, &["lag"]);
    let sum = lag[0]["lag"].as_u64().unwrap() + lag[0]["pending"].as_u64().unwrap();
    assert_eq!((sum, &lag[0]["entries"]), (300, &300.into()));
    let rows = json(&bench, &["pending", "--consumer", "lost", "--limit", "7"]);
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["tries"]), (7, &1.into()));

    bench.run(&["consumers", "list"]).assert(0, &["consumer", "lost", "idle ms"]);
    bench.run(&["consumers", "lag", "-c", "pipeline.toml"]).assert(0, &["last delivered"]);
    let refused = bench.run(&["consumers", "remove", "--consumer", "lost"]);
    refused.assert(1, &["stream: lost still has", "or use --force to give them up"]);
    let claimed =
        json(&bench, &["claim", "--consumer", "lost", "--to", "next", "--min-idle", "0s"]);
    assert_eq!(
        (&claimed[0]["to"], &claimed[0]["claimed"]),
        (&"next:claimed".into(), &pending.into())
    );
    let removed = json(&bench, &["remove", "--consumer", "lost"]);
    assert_eq!(removed[0]["given_up"], 0);

    // the client that got them delivers them with the rest
    let bench = Bench::new(&["redis-stream", "faulty"]);
    let source = from_redis(&server.url(), "consumer = \"next\"");
    let running = Running::start(&bench, &(source + LOG));
    super::wait_until("all records", || running.delivered("log") == 300);
    running.end();
    let mut logged = bench.sequences("log");
    logged.sort_unstable();
    assert!(logged.into_iter().eq(1..=300));
    let removed = json(&bench, &["remove", "--group", "minute_bar_consumers"]);
    assert_eq!(removed[0]["given_up"], 0);
    assert_eq!(json(&bench, &["lag"]), Value::Array(Vec::new()));
}

#[test]
fn what_cannot_be_asked_is_told_with_its_exit_code() {
    let bench = Bench::new(&["faulty", "redis-stream", "null"]);
    let sink = "[sinks.out]\nplugin = \"null\"\ninputs = [\"a\"]\n";
    let redis = |id: &str| {
        format!("[sources.{id}]\nplugin = \"redis-stream\"\nurl = \"redis://127.0.0.1:1\"\n")
    };
    bench.pipeline(&format!("[sources.a]\nplugin = \"faulty\"\n{sink}"));
    bench
        .run(&["consumers", "list"])
        .assert(1, &["no source of pipeline.toml reads as a consumer"]);
    bench.pipeline(&format!("{}{sink}", redis("a")));
    bench.run(&["consumers", "list"]).assert(1, &["a: redis at 127.0.0.1:1 is away"]);
    bench
        .run(&["consumers", "list", "--component", "b"])
        .assert(1, &["no source \"b\"; there are a"]);
    let two = sink.replace("[\"a\"]", "[\"a\", \"b\"]");
    bench.pipeline(&format!("{}{}{two}", redis("a"), redis("b")));
    let unclear = bench.run(&["consumers", "remove", "--consumer", "x"]);
    unclear.assert(1, &["--component a | b"]);
    bench.pipeline(&format!("{}shards = 5000\n{sink}", redis("a")));
    bench.run(&["consumers", "list"]).assert(78, &["`shards` is 5000"]);
    bench.pipeline("[sources.a]\nplugin = 1\n");
    bench.run(&["consumers", "list"]).assert(78, &["pipeline.toml"]);
}
