//! Servers that go away, stop, and refuse: nothing is lost.

use harness::{Bench, ClickHouse, Host, free_port};
use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use plugin_api::{ErrorKind, Round, testing::spot_batch};
use serde_json::json;

use super::Desk;

/// A steady feed in which every record has a code of its own.
fn pipeline(batches: u64, http: u16, url: &str, more: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{http}\"\ndrain_timeout = \"100ms\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = {batches}\nrecords = 10\n\
         symbols = 1000000000\npace = \"2ms\"\n\
         [sinks.store]\nplugin = \"clickhouse\"\ninputs = [\"day\"]\nurl = \"{url}\"\n\
         database = \"market\"\n{more}\n\
         [sinks.store.batch]\nmax_records = 500\nmax_wait = \"10ms\"\n\
         [sinks.store.retry]\nbackoff = \"10ms..100ms\"\n"
    )
}

const COUNT: &str = "SELECT count(), uniqExact(code) FROM market.spots FINAL";

/// Waits until a component has passed on so many records.
fn delivered(host: &Host, http: u16, component: &str, records: f64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let label = format!("component=\"{component}\"");
    let done = || host.metric(http, "dataserver_records_out_total", &label);
    while done() < records {
        assert!(Instant::now() < deadline, "{} of {records} are delivered", done());
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_is_away_at_the_start_is_waited_for() {
    let mut server = ClickHouse::start();
    let bench = Bench::new(&["faulty", "clickhouse"]);
    let url = server.http_url();
    bench.pipeline(&pipeline(20, free_port(), &url, ""));
    server.signal("KILL");
    let host = bench.start();
    host.wait_for("nothing listens there");
    server.restart();
    let run = host.wait();
    run.assert(0, &["store", &url, "start the server or correct `url`"]);
    assert_eq!(server.query(COUNT), "200\t200\n");
}

#[test]
fn a_server_that_is_killed_under_way_loses_nothing() {
    let mut server = ClickHouse::start();
    let bench = Bench::new(&["faulty", "clickhouse"]);
    let http = free_port();
    bench.pipeline(&pipeline(1_000, http, &server.http_url(), "workers = 2"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    for records in [1_000.0, 4_000.0] {
        delivered(&host, http, "store", records);
        server.signal("KILL");
        server.restart();
    }
    let run = host.wait();
    run.assert(0, &[]);
    assert_eq!(run.summary("store", "out"), 10_000);
    assert_eq!(run.summary("store", "dropped"), 0);
    assert_eq!(server.query(COUNT), "10000\t10000\n");
}

#[test]
fn records_wait_on_disk_while_the_server_lets_nobody_in() {
    let server = ClickHouse::start();
    let bench = Bench::new(&["faulty", "clickhouse"]);
    let http = free_port();
    let start = |batches, password: &str| {
        let user = format!("user = \"writer\"\npassword = \"{password}\"");
        bench.pipeline(&pipeline(batches, http, &server.http_url(), &user));
        bench.start()
    };
    // a password may be changed at the server as well as in the file: both are waited for
    let host = start(20, "mistyped");
    host.wait_for("Wrong password for user writer (code 193)");
    bench.run(&["check"]).assert(78, &["store could not start", "Wrong password"]);
    host.wait_for("the pipeline runs");
    let health = host.wait_for_answer(http, "/health", "Wrong password");
    assert!(health.contains("\"failing\"") && health.contains("\"store\""), "{health}");
    delivered(&host, http, "day", 200.0);
    host.signal("TERM");
    assert!(!host.wait().stderr.contains("mistyped"));
    start(1, "secret").wait().assert(0, &[]);
    assert_eq!(server.query(COUNT), "200\t200\n");
}

#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    let mut server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    desk.open(json!({})).unwrap();
    // a slow machine may need more than a second for anything
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut sink = loop {
        match desk.open(json!({ "timeout": "1s" })) {
            Ok(sink) => break sink,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    let batch = [spot_batch(3, Round::MIDDLE)];
    server.signal("STOP");
    let error = sink.write(&batch).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("no answer within 1s"), "{error}");
    server.signal("CONT");
    while let Err(error) = sink.write(&batch) {
        assert!(error.message.contains("no answer within 1s"), "{error}");
        assert!(Instant::now() < deadline, "{error}");
    }
    assert_eq!(server.query(COUNT), "3\t3\n");
}

#[test]
fn a_stranger_at_the_address_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let desk = Desk::new(&format!("http://{}", listener.local_addr().unwrap()));
    let stranger = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let page = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>";
        stream.write_all(page.as_bytes()).unwrap();
    });
    let error = desk.refused(json!({}));
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("it does not answer as ClickHouse does: <html>"), "{error}");
    stranger.join().unwrap();
}

#[test]
fn a_record_that_the_table_does_not_take_is_set_aside_alone() {
    let server = ClickHouse::start();
    Desk::new(&server.http_url()).open(json!({})).unwrap();
    // a column of the user's own that cannot be worked out for one record
    server.query(
        "ALTER TABLE market.spots ADD COLUMN number UInt32 \
         MATERIALIZED toUInt32(if(code = '600055', 'bad', code))",
    );
    let bench = Bench::new(&["faulty", "clickhouse"]);
    bench.pipeline(&pipeline(30, free_port(), &server.http_url(), ""));
    let run = bench.run(&["run"]);
    run.assert(0, &["store", "Cannot parse string 'bad' as UInt32", "look at the records"]);
    assert_eq!(run.summary("store", "dropped"), 1);
    assert_eq!(server.query(COUNT), "299\t299\n");
}
