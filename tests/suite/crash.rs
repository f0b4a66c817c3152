//! What is left after `kill -9`.

use harness::{Bench, free_port, python};

/// Numbers of the records in the lake: this source gives each record a code of its own.
fn records(bench: &Bench, pattern: &str) -> Vec<u64> {
    let lake = bench.path("lake").display().to_string();
    let printed = python("read_lake.py", &[&lake, pattern]).finish();
    printed.lines().map(|code| code.parse::<u64>().unwrap() - 600_000).collect()
}

fn pipeline(port: u16, batches: u64) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = {batches}\nrecords = 10\nsymbols = 1000000000\npace = \"1ms\"\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"lake\"\n\
         row_group_records = 200\nflush_interval = \"100ms\"\n"
    )
}

#[test]
fn the_lake_gets_all_that_was_received_before_a_kill_and_nothing_twice() {
    let (bench, port) = (Bench::new(&["faulty", "parquet"]), free_port());
    bench.pipeline(&pipeline(port, 1_000_000));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let confirmed = || host.metric(port, "dataserver_records_out_total", "component=\"lake\"");
    while confirmed() < 2_000.0 {
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let received = host.metric(port, "dataserver_records_in_total", "component=\"day\"");
    host.signal("KILL");
    host.wait();

    // the next start cuts the unfinished file at its last footer and delivers what the spool has
    let port = free_port();
    bench.pipeline(&pipeline(port, 3));
    bench.run(&["run"]).assert(0, &[]);
    let found = records(&bench, "*.parquet");
    let (kept, added) = found.split_at(found.len() - 30);
    // but for the batch that was received and not yet in the spool
    #[allow(clippy::cast_precision_loss)]
    let enough = kept.len() as f64 >= received - 10.0;
    assert!(enough, "{} kept of {received} received", kept.len());
    assert_eq!(kept, (1..=kept.len() as u64).collect::<Vec<_>>(), "in order, none twice");
    assert_eq!(added, (1..=30).collect::<Vec<_>>());
    assert_eq!(records(&bench, ".*.tmp"), [] as [u64; 0], "nothing unfinished is left");
}
