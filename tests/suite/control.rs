//! The control interface.

mod acts;

use harness::{Bench, Host, free_port};
use serde_json::{Value, json};

const ENDLESS: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"1ms\"\n\
    [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n";

/// What a request with a body answers: code, head and body.
fn send(host: &Host, port: u16, line: &str, headers: &str, body: &str) -> (u16, String) {
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let end = format!("{kind}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    host.send(port, &format!("{line} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{headers}{end}{body}"))
}

fn pipeline(host: &Host, port: u16) -> Value {
    let (code, body) = host.get(port, "/api/pipeline", "");
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn health_metrics_and_pipeline_tell_what_runs() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{ENDLESS}"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let (code, health) = host.get(port, "/health", "");
    assert_eq!(code, 200);
    let health: Value = serde_json::from_str(&health).unwrap();
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
    let pipeline: Value = serde_json::from_str(&pipeline).unwrap();
    let edge = ["from", "to"].map(|key| &pipeline["edges"][0][key]);
    assert_eq!(edge, [&json!("day"), &json!("out")]);
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

#[test]
fn the_pipeline_is_told_with_all_that_its_components_do() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 5\npace = \"1ms\"\n\
         [sinks.slow]\nplugin = \"faulty\"\ninputs = [\"day\"]\ndelay = \"50ms\"\n\
         buffer = {{ max_bytes = \"32KiB\" }}\nbatch = {{ max_records = 5 }}\n\
         [sinks.ill]\nplugin = \"faulty\"\ninputs = [\"day\"]\nbad_record = 7\n\
         buffer = {{ type = \"disk\" }}\n"
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    host.wait_for("bad data: record 7");
    // rates need two looks of the host, a second apart
    host.wait_for_answer(port, "/api/pipeline", "\"blocked_by\":\"slow\"");
    let told = loop {
        let told = pipeline(&host, port);
        let is_there = |it: &Value| it["rate"]["in"].as_f64() > Some(0.0);
        let has_latency = told["components"][2]["latency"].is_object();
        if told["components"].as_array().unwrap().iter().all(is_there) && has_latency {
            break told;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    };
    let keys = ["status", "read_only", "version"].map(|key| &told[key]);
    assert_eq!(keys, [&json!("healthy"), &json!(false), &json!(env!("CARGO_PKG_VERSION"))]);
    assert!(told["file"].as_str().unwrap().ends_with("pipeline.toml"));
    assert!(told["now_us"].as_i64() > told["started_us"].as_i64());
    let [day, slow, ill] = [0_usize, 1, 2].map(|at| told["components"][at].clone());
    for component in [&day, &slow, &ill] {
        assert_eq!((&component["restarts"], &component["paused"]), (&json!(0), &json!(false)));
        assert!(component["since_us"].as_i64() >= told["started_us"].as_i64(), "{component:#}");
        assert!(component["cpu"].as_f64() >= Some(0.0));
        let file = &component["plugin_file"];
        assert_eq!((&file["version"], &file["carrier"]), (&told["version"], &json!("native")));
        assert_eq!(file["sha256"].as_str().unwrap().len(), 64);
    }
    assert_eq!(
        (&day["queue"], &day["latency"], &day["last_commit_us"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&slow["state"], &slow["blocked_by"]), (&json!("running"), &Value::Null));
    let queue = &slow["queue"];
    assert_eq!((&queue["kind"], &queue["when_full"]), (&json!("memory"), &json!("block")));
    assert_eq!(queue["limit_bytes"], 32 << 10);
    assert!(queue["records"].as_u64() > Some(0) && queue["fill"].as_f64() > Some(0.3), "{queue}");
    assert!(queue["oldest_us"].as_i64() > told["started_us"].as_i64(), "{queue}");
    assert_eq!(slow["options"], json!({ "delay": "50ms" }));
    assert_eq!((&ill["queue"]["kind"], &ill["dead_letters"]), (&json!("disk"), &json!(1)));
    assert_eq!(ill["dropped_by"], json!({ "dead_letter": 1 }));
    assert!(ill["errors_by"]["bad_data"].as_u64() > Some(0), "{ill:#}");
    assert!(ill["last_error"].as_str().unwrap().contains("record 7"));
    assert!(ill["last_error_us"].as_i64() > told["started_us"].as_i64());
    assert!(ill["last_commit_us"].as_i64() > told["started_us"].as_i64());
    assert!(ill["latency"]["max_ms"].as_f64() >= ill["latency"]["p50_ms"].as_f64());
    let edge = &told["edges"][0];
    assert_eq!((&edge["from"], &edge["to"]), (&json!("day"), &json!("slow")));
    assert!(edge["rate"].as_f64() > Some(0.0), "{edge}");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn options_are_told_without_their_secrets() {
    let (bench, port) = (Bench::with_links(&["faulty", "qmt"]), free_port());
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 1000000\npace = \"10ms\"\n\
         counter = \"${{HOME}}/counter\"\n\
         [sources.bridge]\nplugin = \"qmt\"\nlisten = \"tcp://127.0.0.1:{}\"\ntoken = \"hunter2xyz-hunter2xyz-hunter2xyz\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\", \"bridge\"]\n",
        free_port()
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let told = pipeline(&host, port);
    assert!(!told.to_string().contains("hunter2xyz-hunter2xyz-hunter2xyz"), "{told:#}");
    assert_eq!(told["components"][1]["options"]["token"], "***");
    assert_eq!(told["components"][0]["options"]["counter"], "***", "a variable gave it");
    assert_eq!(told["components"][0]["options"]["pace"], "10ms");
    host.signal("TERM");
    host.wait();
}

#[test]
fn dead_letters_are_told_page_by_page_with_reason_and_record() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    // each of 20 records is refused
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 4\nrecords = 5\nsymbols = 1000000000\n\
         [sources.on]\nplugin = \"faulty\"\nbatches = 1000000\npace = \"50ms\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\ncall = \"write\"\nhow = \"bad_data\"\n\
         [sinks.other]\nplugin = \"faulty\"\ninputs = [\"on\"]\n"
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let page = |query: &str| {
        let (code, body) = host.get(port, &format!("/api/dead-letter/out{query}"), "");
        (code, serde_json::from_str::<Value>(&body).unwrap_or_else(|_| panic!("{body}")))
    };
    let since = std::time::Instant::now();
    while page("").1["total"].as_u64() < Some(20) {
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "{:#}", page("").1);
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let (mut symbols, mut after) = (Vec::new(), String::new());
    loop {
        let (code, told) = page(&format!("?limit=3{after}"));
        assert_eq!(code, 200);
        let letters = told["letters"].as_array().unwrap();
        assert!(letters.len() <= 3, "{told:#}");
        for letter in letters {
            assert_eq!((&letter["kind"], &letter["records"]), (&json!("spot"), &json!(1)));
            assert!(letter["reason"].as_str().unwrap().contains("told to fail in write"));
            assert_eq!(letter["record"]["symbol"], letter["symbol"]);
            assert!(letter["time_us"].as_i64() > Some(0) && letter["at"].is_u64());
            symbols.push(letter["symbol"].as_str().unwrap().to_owned());
        }
        let Some(next) = told["next"].as_u64() else { break };
        after = format!("&after={next}");
    }
    let wanted: Vec<_> = (1..=20).map(|number| format!("{}.SH", 600_000 + number)).collect();
    assert_eq!(symbols, wanted);
    for (query, code) in [("?limit=x", 400), ("?after=-1", 400), ("?limit=0", 200)] {
        assert_eq!(page(query).0, code, "{query}");
    }
    assert_eq!(host.get(port, "/api/dead-letter/nobody", "").0, 404);
    assert_eq!(host.get(port, "/api/dead-letter/..%2f..%2fetc", "").0, 404);
    // a sink that is paused gets none of them back before it goes on
    assert_eq!(send(&host, port, "POST /api/components/out/pause", "", "").0, 200);
    let (code, body) = send(&host, port, "POST /api/dead-letter/out/replay", "", "");
    assert!(code == 409 && body.contains("is paused"), "{code} {body}");
    host.signal("TERM");
    host.wait();
    bench.run(&["dead-letter", "replay", "out"]).assert(1, &["sink out is paused"]);
}

#[test]
fn plugins_are_told_as_the_command_lists_them_and_none_is_loaded_for_that() {
    let (bench, port) = (Bench::new(&["faulty", "filter", "null"]), free_port());
    bench.write("plugins/damaged.so", "no library");
    bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{ENDLESS}"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let before = host.proc("maps").matches("plugin.so").count();
    let (code, told) = host.get(port, "/api/plugins", "");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, told.as_array().unwrap().len()), (200, 4));
    let listed = bench.run(&["plugins", "list", "--format", "json"]);
    assert_eq!(told, serde_json::from_str::<Value>(&listed.assert(0, &[]).stdout).unwrap());
    let filter = told.as_array().unwrap().iter().find(|it| it["name"] == "filter").unwrap();
    assert_eq!(filter["kinds"], json!(["transform"]));
    assert_eq!(host.proc("maps").matches("plugin.so").count(), before, "no code of others runs");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}
