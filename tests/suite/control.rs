//! The control interface.

use harness::{Bench, free_port};

const ENDLESS: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"1ms\"\n\
    [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n";

#[test]
fn health_metrics_and_pipeline_tell_what_runs() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{ENDLESS}"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let (code, health) = host.get(port, "/health", "");
    assert_eq!(code, 200);
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["components"][0]["state"], "running");
    let answer = host.wait_for_answer(port, "/metrics", "dataserver_latency_seconds_bucket");
    for name in [
        "dataserver_records_in_total{",
        "dataserver_records_out_total{",
        "dataserver_bytes_out_total{",
        "dataserver_buffer_bytes{",
        "dataserver_buffer_fill_ratio{",
        "dataserver_build_info{version=",
        "dataserver_source_last_record_timestamp_seconds{",
        "dataserver_restarts_total{",
    ] {
        assert!(answer.contains(name), "{name} is missing in\n{answer}");
    }
    let (_, pipeline) = host.get(port, "/api/pipeline", "");
    let pipeline: serde_json::Value = serde_json::from_str(&pipeline).unwrap();
    assert_eq!(pipeline["edges"][0], serde_json::json!({ "from": "day", "to": "out" }));
    assert_eq!(host.get(port, "/nothing", "").0, 404);
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn a_token_is_needed_on_any_but_a_loopback_address_and_then_asked_for() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&format!("[host]\nhttp = \"0.0.0.0:{port}\"\n{ENDLESS}"));
    bench.run(&["check", "--offline"]).assert(78, &["token", "pipeline.toml:2:"]);
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\ntoken = \"secret-token\"\n{ENDLESS}"
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let (code, health) = host.get(port, "/health", "");
    assert_eq!(code, 200);
    assert!(health.contains("running") && !health.contains("last_error"), "{health}");
    assert_eq!(host.get(port, "/metrics", "").0, 401);
    assert_eq!(host.get(port, "/metrics", "authorization: Bearer wrong-token!\r\n").0, 401);
    assert_eq!(host.get(port, "/metrics", "authorization: Bearer secret-token\r\n").0, 200);
    host.signal("TERM");
    let run = host.wait();
    assert!(!run.stderr.contains("secret-token"));
}

#[test]
fn a_source_that_falls_silent_turns_health_bad_by_name_and_back() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let source = |promise: &str| {
        format!(
            "[host]\nhttp = \"127.0.0.1:{port}\"\nstuck_after = \"20s\"\nwatch = false\n\
             [sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"50ms\"\n\
             promise = \"{promise}\"\n[sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n"
        )
    };
    // a record every 50 ms cannot keep that promise for long
    bench.pipeline(&source("1ms"));
    let host = bench.start();
    host.wait_for_answer(port, "/health", "\"silent\"");
    host.wait_for_answer(
        port,
        "/metrics",
        "dataserver_source_silent{component=\"day\",kind=\"source\",plugin=\"faulty\"} 1",
    );
    host.wait_for("silent: the source gives no records");
    bench.pipeline(&source("1h"));
    assert_eq!(host.reload(port).0, 200);
    host.wait_for_answer(port, "/health", "\"healthy\"");
    host.signal("TERM");
    host.wait().assert(0, &["component=\"day\"", "no longer silent"]);
}
