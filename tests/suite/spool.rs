//! What waits on disk: listed and verified.

use std::{fs, path::PathBuf};

use harness::{Bench, Run};
use serde_json::Value;

/// Ten batches of ten records that a sink does not take.
fn pipeline(sink: &str) -> String {
    format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 10\nrecords = 10\nsymbols = 10\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n{sink}\n\
         [sinks.out.buffer]\ntype = \"disk\"\n"
    )
}

/// A bench where a hundred records wait.
fn waiting() -> Bench {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(&pipeline("call = \"write\"\nhow = \"retry\""));
    let host = bench.start();
    host.wait_for("told to fail in write");
    host.signal("TERM");
    host.wait().assert(0, &["100 records wait on disk"]);
    bench
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap()
}

fn segment(bench: &Bench) -> PathBuf {
    let files = fs::read_dir(bench.path("data/spool/out")).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|it| it == "seg")).unwrap()
}

#[test]
fn what_waits_is_listed_and_sound() {
    let bench = waiting();
    bench.run(&["spool", "ls"]).assert(0, &["component", "out", "100", "oldest"]);
    let listed = json(bench.run(&["spool", "ls", "--format", "json"]).assert(0, &[]));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let counts = ["component", "batches", "records", "files"].map(|key| &listed[0][key]);
    assert_eq!(counts, [Value::from("out"), 10.into(), 100.into(), 1.into()].each_ref());
    assert!(listed[0]["oldest"].is_string() && listed[0]["orphaned"].is_null());
    bench.run(&["spool", "verify"]).assert(0, &["out", ".seg", "sound"]);
    bench.run(&["spool", "verify", "out"]).assert(0, &["sound"]);
    bench.run(&["spool", "verify", "ou"]).assert(1, &["did you mean `out`?"]);

    bench.pipeline(&pipeline(""));
    bench.run(&["run"]).assert(0, &[]);
    let listed = json(bench.run(&["spool", "ls", "--format", "json"]).assert(0, &[]));
    assert_eq!((&listed[0]["batches"], &listed[0]["oldest"]), (&0.into(), &Value::Null));
}

#[test]
fn damage_is_found_at_its_byte() {
    let bench = waiting();
    let path = segment(&bench);
    let mut bytes = fs::read(&path).unwrap();
    let (at, length) = (bytes.len() / 2, bytes.len());
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    bench.run(&["spool", "ls"]).assert(0, &["spool verify out"]);
    let run = bench.run(&["spool", "verify"]);
    run.assert(1, &[path.to_str().unwrap(), "damaged at byte", "send it again"]);
    let run = bench.run(&["spool", "verify", "--format", "json"]);
    let verified = json(run.assert(1, &[]));
    let damage = &verified[0]["damage"][0];
    let (begin, bytes) = (damage["at"].as_u64().unwrap(), damage["bytes"].as_u64().unwrap());
    assert!(begin <= at as u64 && begin + bytes == length as u64, "{damage}, {at} of {length}");
    assert!((1..10).contains(&verified[0]["batches"].as_u64().unwrap()), "{verified}");

    // the next start heals it
    bench.pipeline(&pipeline(""));
    bench.run(&["run"]).assert(0, &[]);
    bench.run(&["spool", "verify"]).assert(0, &[]);
}

#[test]
fn records_that_no_sink_will_get_are_named_with_the_remedy() {
    let bench = waiting();
    let memory = pipeline("").replace("\"disk\"", "\"memory\"");
    for (text, why) in [
        (pipeline("").replace("sinks.out", "sinks.other"), "no sink of this pipeline"),
        (memory, "in memory now"),
    ] {
        bench.pipeline(&text);
        let remedy = bench.path("data/spool/out");
        let run = bench.run(&["spool", "ls"]);
        run.assert(0, &[why, "bring back [sinks.out]", remedy.to_str().unwrap()]);
    }
    // without plugins, what the file says is enough
    bench.pipeline(&pipeline("").replace("\"faulty\"", "\"lost\""));
    let listed = json(bench.run(&["spool", "ls", "--format", "json"]).assert(0, &[]));
    assert!(listed[0]["orphaned"].is_null(), "{listed}");
}

#[test]
fn a_buffer_that_is_written_and_read_is_sound() {
    let bench = Bench::new(&["faulty"]);
    let source = "batches = 1000000\nrecords = 500\npace = \"1ms\"";
    bench.pipeline(&pipeline("delay = \"2ms\"").replace("batches = 10\nrecords = 10", source));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    for _ in 0..5 {
        bench.run(&["spool", "verify"]).assert(0, &[]);
        bench.run(&["spool", "ls"]).assert(0, &[]);
    }
    host.signal("KILL");
    host.wait();
}

#[test]
fn nothing_waits_where_nothing_ever_waited() {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(&pipeline(""));
    bench.run(&["spool", "ls"]).assert(0, &["nothing waits on disk", "data/spool"]);
    bench.run(&["spool", "verify"]).assert(0, &["nothing waits on disk"]);
    bench.run(&["spool", "verify", "out"]).assert(1, &["nothing waits on disk for `out`"]);
    bench.pipeline("not a pipeline");
    bench.run(&["spool", "ls"]).assert(78, &[]);
}
