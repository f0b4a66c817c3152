//! A slow sink beside a fast one: bounds, rates, drops and memory.

use harness::{Bench, free_port, wait_until};

/// A source for two sinks, of which `slow` takes 100 ms a batch.
fn pipeline(port: u16, batches: u64, slow: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\ndrain_timeout = \"60s\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = {batches}\nrecords = 100\nsymbols = 50\n\
         [sinks.fast]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"fast.log\"\n\
         [sinks.slow]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"slow.log\"\ndelay = \"100ms\"\n\
         batch = {{ max_records = 100 }}\n{slow}\n"
    )
}

/// 100 records of this source take about 48 KB.
const BATCHES: u64 = 40;

#[test]
fn the_fast_sink_has_everything_while_the_slow_one_has_room() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&pipeline(port, BATCHES, "buffer = { max_bytes = \"64MiB\" }"));
    let host = bench.start();
    let done = format!(
        "dataserver_records_out_total{{component=\"fast\",kind=\"sink\",plugin=\"faulty\"}} {}",
        BATCHES * 100
    );
    host.wait_for_answer(port, "/metrics", &done);
    // 40 batches of 100 ms lie before the slow one
    assert!(host.metric(port, "dataserver_records_out_total", "component=\"slow\"") < 3_000.0);
    assert!(host.metric(port, "dataserver_buffer_records", "component=\"slow\"") > 0.0);
    assert_eq!(host.metric(port, "dataserver_blocked_seconds_total", "by=\"slow\"").to_bits(), 0);
    let run = host.wait();
    run.assert(0, &[]);
    assert_eq!(bench.sequences("slow.log"), (1..=BATCHES * 100).collect::<Vec<_>>());
}

#[test]
fn at_its_bound_a_blocking_sink_holds_the_source_and_loses_nothing() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&pipeline(
        port,
        20,
        "buffer = { max_bytes = \"256KiB\", when_full = \"block\" }",
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    // what may be ahead of the slow sink: six batches in its queue, one that is written and one that
    // is under way, each side of a look
    let out = |id: &str| host.metric(port, "dataserver_records_out_total", &format!("\"{id}\""));
    wait_until("the slow sink gets its records", || {
        let slow = out("slow");
        let source = out("day");
        // the sink goes on between the two looks, which only helps it
        assert!(source - slow <= 1_000.0, "the source is at {source}, the sink at {slow}");
        slow >= 500.0
    });
    assert!(host.metric(port, "dataserver_blocked_seconds_total", "by=\"slow\"") > 0.0);
    let run = host.wait();
    run.assert(0, &[]);
    for log in ["fast.log", "slow.log"] {
        assert_eq!(bench.sequences(log), (1..=2_000).collect::<Vec<_>>());
    }
    assert_eq!(run.summary("slow", "dropped"), 0);
}

#[test]
fn each_rule_drops_what_it_says_and_counts_it() {
    for rule in ["drop_oldest", "drop_newest", "latest"] {
        let (bench, port) = (Bench::new(&["faulty"]), free_port());
        let buffer = format!("buffer = {{ max_bytes = \"256KiB\", when_full = \"{rule}\" }}");
        bench.pipeline(&pipeline(port, BATCHES, &buffer));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        let all = BATCHES * 100;
        assert_eq!(bench.sequences("fast.log").len() as u64, all, "{rule}");
        let slow = bench.sequences("slow.log");
        let dropped = run.summary("slow", "dropped");
        assert!(dropped > 0, "{rule} dropped nothing");
        assert_eq!(slow.len() as u64 + dropped, all, "{rule}");
        assert!(slow.is_sorted_by(|a, b| a < b), "{rule}: order or duplicates");
        let has_newest = slow.contains(&all);
        match rule {
            "drop_newest" => assert!(slow.contains(&1) && !has_newest, "{rule}"),
            "drop_oldest" => assert!(has_newest, "{rule}"),
            // 50 securities: the last 50 records are the newest of each
            _ => assert!(slow.ends_with(&(all - 49..=all).collect::<Vec<_>>()), "{rule}"),
        }
    }
}

#[test]
fn memory_stays_within_the_declared_bounds() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let idle = {
        bench.pipeline(&pipeline(port, 1, "pace = \"0ms\""));
        let host = bench
            .pipeline(&pipeline(port, 1, "delay = \"1s\"").replace("delay = \"100ms\"\n", ""))
            .start();
        host.wait_for("the pipeline runs");
        let idle = host.peak_memory();
        host.wait();
        idle
    };
    // 200 MB come in, 8 MiB may wait
    let buffer = "buffer = { max_bytes = \"8MiB\", when_full = \"drop_oldest\" }";
    bench.pipeline(&pipeline(port, 4_000, buffer));
    let host = bench.start();
    let done =
        "dataserver_records_out_total{component=\"fast\",kind=\"sink\",plugin=\"faulty\"} 400000";
    host.wait_for_answer(port, "/metrics", done);
    let used = host.peak_memory() - idle;
    host.signal("INT");
    host.signal("INT");
    host.wait();
    // the fast sink's queue may hold its own default bound of 64 MiB
    let bound = (8 + 64) << 20;
    assert!(used < bound + (16 << 20), "{used} bytes");
}
