//! Sinks with a buffer on disk: what a dead server, a signal, a full disk and `kill -9` leave.

use std::collections::BTreeSet;

use harness::{Bench, SmallDisk, free_port, wait_until};

/// Numbered quotes to a sink that logs what it takes, or fails as told.
fn pipeline(host: &str, source: &str, sink: &str) -> String {
    format!(
        "[host]\n{host}\n[sources.day]\nplugin = \"faulty\"\nrecords = 10\nsymbols = 1000000000\n{source}\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"out.log\"\n{sink}\n\
         [sinks.out.buffer]\ntype = \"disk\"\n"
    )
}

/// What is left is delivered by a run whose source has nothing new.
const NOTHING_NEW: &str = "batches = 0";
/// It takes batch by batch and comes nowhere.
const SLOW: &str = "delay = \"10ms\"\n[sinks.out.batch]\nmax_records = 10";
const IS_AWAY: &str = "call = \"write\"\nhow = \"retry\"";

#[test]
fn what_a_dead_server_did_not_take_waits_for_the_next_start() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let keys = format!("drain_timeout = \"60s\"\nhttp = \"127.0.0.1:{port}\"");
    bench.pipeline(&pipeline(&keys, "batches = 50", IS_AWAY));
    let host = bench.start();
    host.wait_for("told to fail in write");
    wait_until("the queue holds all records", || {
        host.metric(port, "dataserver_buffer_records", "component=\"out\"") >= 500.0
    });
    host.signal("TERM");
    // it does not wait for the server
    host.wait().assert(0, &["500 records wait on disk for the next start"]);
    assert_eq!(bench.sequences("out.log"), [0; 0]);

    bench.pipeline(&pipeline("", NOTHING_NEW, ""));
    bench.run(&["run"]).assert(0, &["goes on with what waits on disk"]);
    assert_eq!(bench.sequences("out.log"), (1..=500).collect::<Vec<_>>());
    let again = bench.run(&["run"]);
    assert_eq!(again.assert(0, &[]).summary("out", "in"), 0);
}

#[test]
fn a_server_that_is_away_at_the_start_does_not_hold_up_the_end() {
    let bench = Bench::new(&["faulty"]);
    let away = "call = \"open\"\nhow = \"retry\"";
    bench.pipeline(&pipeline("drain_timeout = \"60s\"", "batches = 3", away));
    let host = bench.start();
    host.wait_for("told to fail in open");
    host.signal("TERM");
    host.wait().assert(0, &[]);
    bench.pipeline(&pipeline("", NOTHING_NEW, ""));
    bench.run(&["run"]).assert(0, &[]);
    let taken = bench.sequences("out.log");
    assert_eq!(taken, (1..=taken.len() as u64).collect::<Vec<_>>());
}

#[test]
fn kill_9_loses_nothing_of_what_was_taken() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let http = format!("http = \"127.0.0.1:{port}\"");
    bench.pipeline(&pipeline(&http, "batches = 1000000\npace = \"1ms\"", SLOW));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    wait_until("the queue holds a thousand records", || {
        host.metric(port, "dataserver_buffer_records", "component=\"out\"") >= 1_000.0
    });
    let taken = host.metric(port, "dataserver_records_in_total", "component=\"day\"");
    host.signal("KILL");
    host.wait();
    bench.pipeline(&pipeline("", NOTHING_NEW, ""));
    bench.run(&["run"]).assert(0, &["goes on with what waits on disk"]);
    // what was under way at the kill is offered again, which this sink cannot tell
    let found: BTreeSet<u64> = bench.sequences("out.log").into_iter().collect();
    #[allow(clippy::cast_precision_loss)]
    let enough = found.len() as f64 >= taken - 10.0;
    assert!(enough, "{} of {taken} are there", found.len());
    assert_eq!(found, (1..=found.len() as u64).collect(), "without a gap");
}

#[test]
fn a_full_disk_is_told_and_waited_for() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let Some(disk) = SmallDisk::mount(bench.path("data"), "2m") else { return };
    disk.fill(400_000);
    let http = format!("http = \"127.0.0.1:{port}\"");
    bench.pipeline(&pipeline(&http, "batches = 500", SLOW));
    let host = bench.start();
    let health = host.wait_for_answer(port, "/health", "\"degraded\"");
    assert!(health.contains("No space left") && health.contains("buffer on disk"), "{health}");
    assert_eq!(host.get(port, "/health", "").0, 503);
    disk.free();
    host.wait_for_answer(port, "/health", "\"status\":\"healthy\"");
    let run = host.wait();
    run.assert(0, &["No space left", "free space", "works again"]);
    assert_eq!(bench.sequences("out.log"), (1..=5_000).collect::<Vec<_>>());
    assert_eq!(run.summary("out", "dropped"), 0);
    drop(disk);
}

#[test]
fn a_second_host_on_the_same_data_is_refused() {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(&pipeline("", "batches = 1000000\npace = \"10ms\"", ""));
    let first = bench.start();
    first.wait_for("the pipeline runs");
    bench.run(&["run"]).assert(1, &["is used by another host", "`data_dir`"]);
    first.signal("TERM");
    first.wait().assert(0, &[]);
}

#[test]
fn records_of_a_sink_that_is_gone_from_the_file_are_named() {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(&pipeline("", "batches = 5", IS_AWAY));
    let host = bench.start();
    host.wait_for("told to fail in write");
    host.signal("TERM");
    host.wait().assert(0, &["50 records wait on disk"]);
    bench.pipeline(&pipeline("", NOTHING_NEW, "").replace("sinks.out", "sinks.other"));
    bench.run(&["run"]).assert(0, &["records wait for `out`", "bring it back"]);
}

#[test]
fn workers_share_the_work() {
    let bench = Bench::new(&["faulty", "null"]);
    bench.pipeline(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 5000\nrecords = 10\nsymbols = 10\n\
         [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\nworkers = 4\nbuffer = { type = \"disk\" }\n\
         [sinks.out.batch]\nmax_records = 50\n",
    );
    let run = bench.run(&["run"]);
    assert_eq!(run.assert(0, &[]).summary("out", "out"), 50_000);
    assert_eq!(run.summary("out", "in"), 50_000);
}
