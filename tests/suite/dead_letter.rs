//! What a sink refused: listed, shown and sent again.

use harness::{Bench, Host, Run, free_port, python, wait_until};
use serde_json::Value;

/// Forty batches of five records into one sink.
fn pipeline(host: &str, sink: &str) -> String {
    format!(
        "[host]\n{host}\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 40\nrecords = 5\nsymbols = 1000000000\n\
         [sinks.last]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"last.log\"\n\
         batch = {{ max_records = 5 }}\n{sink}\n"
    )
}

/// A bench whose sink has refused record 42, and nothing else.
fn refused() -> Bench {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(&pipeline("", "bad_record = 42"));
    let run = bench.run(&["run"]);
    run.assert(0, &["bad data: record 42"]);
    assert_eq!(run.summary("last", "dropped"), 1);
    bench
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.assert(0, &[]).stdout).unwrap()
}

#[test]
fn what_was_refused_is_listed_and_shown() {
    let bench = refused();
    let listed = bench.run(&["dead-letter", "ls"]);
    listed.assert(0, &["commonest reason", "last", "record 42"]);
    let listed = json(&bench.run(&["dead-letter", "ls", "--format", "json"]));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let counts = ["component", "files", "letters", "records", "reason"].map(|key| &listed[0][key]);
    assert_eq!(
        counts,
        ["last".into(), 1.into(), 1.into(), 1.into(), Value::from("record 42")].each_ref()
    );
    let shown = bench.run(&["dead-letter", "show", "last"]);
    shown.assert(0, &["record 42", "1 spot records of day", "600042.SH", "2021-12-01", "close"]);
    let shown = json(&bench.run(&["dead-letter", "show", "last", "--format", "json"]));
    let letter = &shown[0];
    assert_eq!((&letter["kind"], &letter["source"]), (&"spot".into(), &"day".into()));
    assert_eq!(letter["data"][0]["symbol"], "600042.SH");
    assert_eq!(letter["data"][0]["sequence"], 42);
    bench.run(&["dead-letter", "show", "lst"]).assert(1, &["did you mean `last`?"]);
    bench.run(&["dead-letter", "replay", "lst"]).assert(1, &["did you mean `last`?"]);
    bench.run(&["dead-letter", "replay", "day"]).assert(1, &["no sink `day`"]);
}

#[test]
fn without_a_host_the_sink_alone_gets_what_it_refused() {
    let bench = refused();
    let dry = bench.run(&["dead-letter", "replay", "last", "--dry-run"]);
    dry.assert(0, &["1 letters of last with 1 records can be sent again"]);
    // nothing is mended: it is refused again, and not lost
    for _ in 0..2 {
        let run = bench.run(&["dead-letter", "replay", "last"]);
        run.assert(1, &["0 records of 1 letters", "1 records were refused again; they are 1 new"]);
    }
    bench.pipeline(&pipeline("", ""));
    bench
        .run(&["dead-letter", "replay", "last"])
        .assert(0, &["1 records of 1 letters were delivered"]);
    let mut written = bench.sequences("last.log");
    assert_eq!(written.last(), Some(&42));
    written.sort_unstable();
    assert_eq!(written, (1..=200).collect::<Vec<_>>());
    bench.run(&["dead-letter", "ls"]).assert(0, &["nothing was set aside"]);
    bench.run(&["dead-letter", "replay", "last"]).assert(0, &["0 letters of last"]);
}

#[test]
fn what_cannot_be_decoded_stays_and_is_named() {
    let bench = refused();
    let folder = bench.path("data/dead-letter/last");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let letter = std::fs::read_to_string(&file).unwrap();
    let row = r#"{"time":"2021-12-01T01:15:01Z","component":"last","reason":"a row","encoding":"utf-8","payload":"x"}"#;
    let damaged = letter.replacen("\"payload\":\"", "\"payload\":\"AAAA", 1);
    std::fs::write(&file, format!("{damaged}{row}\n{{\"half\n{letter}")).unwrap();
    bench.pipeline(&pipeline("", ""));
    let run = bench.run(&["dead-letter", "replay", "last"]);
    let texts = ["3 letters cannot be sent again and stay", "damaged", "no batch", "not a letter"];
    run.assert(1, &texts).assert(1, &["1 records of 1 letters were delivered"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{damaged}{row}\n{{\"half\n"));
    assert_eq!(bench.sequences("last.log").last(), Some(&42));
}

/// A host whose sink refused its first five records one by one, and then no more.
fn running(bench: &Bench, port: u16, sink: &str) -> Host {
    let host = format!("http = \"127.0.0.1:{port}\"\ntoken = \"secret-token\"");
    // five, two, one, one, three, one, two, one, one
    let fails = "call = \"write\"\nhow = \"bad_data\"\ncounter = \"counter\"\ntimes = 9";
    let text = pipeline(&host, &format!("{fails}\n{sink}"));
    bench.pipeline(&text.replace("batches = 40", "batches = 100000000\npace = \"5ms\""));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    wait_until("the sink takes a record", || bench.read("last.log").contains("6\n"));
    host
}

#[test]
fn a_host_that_runs_sends_its_sink_what_it_refused() {
    for sink in ["", "buffer = { type = \"disk\" }"] {
        let (bench, port) = (Bench::new(&["faulty"]), free_port());
        let host = running(&bench, port, sink);
        let path = "/api/dead-letter/last/replay";
        assert_eq!(host.get(port, path, "").0, 401, "only for those who have the token");
        let token = "authorization: Bearer secret-token\r\n";
        assert_eq!(host.get(port, path, token).0, 404, "no replay yet");
        let run = bench.run(&["dead-letter", "replay", "last"]);
        run.assert(0, &["5 records of 5 letters were delivered to last"]);
        assert!(host.get(port, path, token).1.contains("\"state\":\"done\""));
        host.signal("TERM");
        host.wait().assert(0, &[]);
        let mut written = bench.sequences("last.log");
        written.sort_unstable();
        assert_eq!(written, (1..=written.len() as u64).collect::<Vec<_>>());
    }
}

#[test]
fn a_host_that_cannot_keep_letters_safe_does_not_send_them() {
    for (sink, text) in [
        ("buffer = { when_full = \"drop_newest\" }", "`when_full`"),
        ("buffer = { type = \"disk\" }", "cannot be asked"),
    ] {
        let (bench, port) = (Bench::new(&["faulty"]), free_port());
        let host = running(&bench, port, sink);
        if text == "cannot be asked" {
            // as if the file had lost its `http` since the host started
            let file = bench.read("pipeline.toml").replace("http = ", "#http = ");
            bench.pipeline(&file);
        }
        bench.run(&["dead-letter", "replay", "last"]).assert(1, &[text]);
        assert_eq!(json(&bench.run(&["dead-letter", "ls", "--format", "json"]))[0]["letters"], 5);
        host.signal("TERM");
        host.wait().assert(0, &[]);
    }
}

/// Numbers of the records in the lake: this source gives each record a code of its own.
fn records(bench: &Bench) -> Vec<u64> {
    let lake = bench.path("lake").display().to_string();
    let printed = python("read_lake.py", &[&lake, "*.parquet"]).finish();
    let mut records: Vec<_> =
        printed.lines().map(|code| code.parse::<u64>().unwrap() - 600_000).collect();
    records.sort_unstable();
    records
}

#[test]
fn a_replay_that_is_killed_over_and_over_delivers_every_letter_once() {
    let bench = Bench::new(&["faulty", "parquet"]);
    let fails = "call = \"write\"\nhow = \"bad_data\"";
    bench.pipeline(&pipeline("", fails));
    bench.run(&["run"]).assert(0, &[]);
    assert_eq!(json(&bench.run(&["dead-letter", "ls", "--format", "json"]))[0]["letters"], 200);
    // the sink of that name now is one that takes all, and takes nothing twice
    bench.pipeline(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\n\
         [sinks.last]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"lake\"\n\
         row_group_records = 7\nbatch = { max_records = 3 }\n",
    );
    for kill_after in [0, 3, 10, 30, 60, 90] {
        let mut host = bench.spawn(&["dead-letter", "replay", "last"]);
        let deadline =
            std::time::Instant::now() + std::time::Duration::from_millis(kill_after * 10);
        while std::time::Instant::now() < deadline && !host.has_ended() {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        host.signal("KILL");
        host.wait();
    }
    bench.run(&["dead-letter", "replay", "last"]).assert(0, &[]);
    assert_eq!(records(&bench), (1..=200).collect::<Vec<_>>());
    bench.run(&["dead-letter", "ls"]).assert(0, &["nothing was set aside"]);
}
