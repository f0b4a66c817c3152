//! What waits on disk: listed and verified.

use std::{fs, path::PathBuf};

use harness::{Bench, Run, free_port, wait_until};
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

fn segments(bench: &Bench) -> Vec<PathBuf> {
    let files = fs::read_dir(bench.path("data/spool/out")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "seg")).collect();
    paths.sort();
    paths
}

fn segment(bench: &Bench) -> PathBuf {
    segments(bench).remove(0)
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
    let within = begin <= at as u64 && begin + bytes > at as u64 && bytes < length as u64 / 4;
    assert!(within, "{damage}, {at} of {length}");
    assert_eq!(verified[0]["batches"], 9, "{verified}");
    let lost = ["batches_lost", "records_lost", "is_exact"].map(|key| damage[key].clone());
    assert_eq!(lost, [Value::from(1), 10.into(), true.into()], "{damage}");

    // the next start delivers all else
    bench.pipeline(&pipeline("log = \"out.log\"").replace("batches = 10", "batches = 0"));
    let run = bench.run(&["run"]);
    run.assert(0, &["ERROR", "the buffer on disk is damaged", "records_lost=10", "is_exact=true"]);
    assert_eq!(bench.sequences("out.log").len(), 90);
    bench.run(&["spool", "verify"]).assert(1, &["1 damaged places", "10 records lost"]);
    bench.run(&["spool", "acknowledge", "ou"]).assert(1, &["did you mean `out`?"]);
    bench.run(&["spool", "acknowledge", "out"]).assert(0, &["out: 1 damaged places acknowledged"]);
    bench.run(&["spool", "verify"]).assert(0, &[]);
    bench.run(&["spool", "acknowledge"]).assert(0, &["no damage is to be acknowledged"]);
}

#[test]
fn damage_is_shown_until_it_is_acknowledged_also_over_restarts() {
    let (bench, port) = (waiting(), free_port());
    let path = segment(&bench);
    let mut bytes = fs::read(&path).unwrap();
    // within the sixth of ten batches
    let within = bytes.len() * 11 / 20;
    bytes[within..within + 64].fill(0);
    fs::write(&path, bytes).unwrap();
    let endless = pipeline("").replace("batches = 10\n", "batches = 1000000\npace = \"20ms\"\n");
    bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{endless}"));
    for start in 0..2 {
        let host = bench.start();
        let health = host.wait_for_answer(port, "/health", "\"degraded\"");
        let health: Value = serde_json::from_str(&health).unwrap();
        let out = health["components"].as_array().unwrap().iter().find(|it| it["id"] == "out");
        let damage = &out.unwrap()["damage"];
        assert_eq!((&damage["places"], &damage["records"]), (&1.into(), &10.into()), "{health}");
        assert_eq!(host.get(port, "/health", "").0, 503);
        let metrics = |name: &str| host.metric(port, name, "component=\"out\"");
        assert!((metrics("dataserver_spool_unacknowledged") - 1.0).abs() < 0.1);
        if start == 0 {
            assert!((metrics("dataserver_spool_damaged_total") - 1.0).abs() < 0.1);
            assert!((metrics("dataserver_spool_records_lost_total") - 10.0).abs() < 0.1);
        } else {
            let told = bench.run(&["spool", "acknowledge"]);
            told.assert(0, &["out: 1 damaged places acknowledged, with 10 records lost"]);
            host.wait_for_answer(port, "/health", "\"status\":\"healthy\"");
            let kept = fs::read_dir(bench.path("data/spool/out")).unwrap();
            let mut kept = kept.map(|it| it.unwrap().file_name().into_string().unwrap());
            assert!(kept.any(|name| name.ends_with(".lost-10.acknowledged")));
        }
        host.signal("TERM");
        host.wait().assert(0, &[]);
    }
}

#[test]
fn damage_that_shows_while_the_host_runs_is_told_and_the_rest_is_delivered() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let text = pipeline("call = \"write\"\nhow = \"retry\"\nlog = \"out.log\"")
        .replace("batches = 10\nrecords = 10", "batches = 300\nrecords = 1000");
    let http = format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{text}");
    // what is only on disk is read when the sink works again
    bench.pipeline(&http.replace("type = \"disk\"", "type = \"disk\"\nmax_bytes = \"1GiB\""));
    let host = bench.start();
    host.wait_for("told to fail in write");
    wait_until("the queue holds all records", || {
        host.metric(port, "dataserver_buffer_records", "component=\"out\"") >= 300_000.0
    });
    let path = segments(&bench).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 4_000;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    bench.pipeline(&http.replace("call = \"write\"\nhow = \"retry\"\n", ""));
    host.wait_for("the buffer on disk is damaged");
    let run = host.wait();
    run.assert(0, &["records_lost=1000", "is_exact=true"]);
    assert_eq!(bench.sequences("out.log").len(), 299_000);
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
