//! Components that are paused: nothing is lost or doubled, and they stay it until they are resumed.
//!
//! The source numbers its records from 1, and each sink writes the numbers that it gets to a file.

mod lasting;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, free_port};
use serde_json::{Value, json};

/// Longest wait for what must happen.
const DEADLINE: Duration = Duration::from_secs(60);
/// What writes nothing for so long rests.
const QUIET: Duration = Duration::from_millis(300);

/// A source that gives five records about every millisecond, for ever.
const ENDLESS: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 5\nsymbols = 5\npace = \"1ms\"\n";
/// A thousand records.
const THOUSAND: &str =
    "[sources.day]\nplugin = \"faulty\"\nbatches = 200\nrecords = 5\nsymbols = 5\n";

fn sink(id: &str, input: &str, more: &str) -> String {
    format!(
        "[sinks.{id}]\nplugin = \"faulty\"\ninputs = [\"{input}\"]\nlog = \"{id}.log\"\n{more}\n"
    )
}

fn transform(input: &str, more: &str) -> String {
    format!("[transforms.t]\nplugin = \"faulty\"\ninputs = [\"{input}\"]\n{more}\n")
}

/// A pipeline file and the port of its host.
struct Site {
    bench: Bench,
    port: u16,
}

impl Site {
    fn new(components: &str) -> Self {
        let site = Self { bench: Bench::new(&["faulty", "null"]), port: free_port() };
        site.write(components);
        site
    }

    fn write(&self, components: &str) {
        let port = self.port;
        self.bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\ndrain_timeout = \"40s\"\n{components}"
        ));
    }

    fn start(&self) -> Host {
        let host = self.bench.start();
        host.wait_for("the pipeline runs");
        host
    }

    /// Asks for something to be done; code and answer.
    fn post(&self, host: &Host, path: &str) -> (u16, Value) {
        let port = self.port;
        let end = "connection: close\r\ncontent-length: 0\r\n\r\n";
        let request = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{end}");
        let (code, body) = host.send(port, &request);
        (code, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{code} {body}")))
    }

    #[track_caller]
    fn pause(&self, host: &Host, id: &str) {
        let path = format!("/api/components/{id}/pause");
        assert_eq!(self.post(host, &path), (200, json!({ "id": id, "paused": true })));
        assert_eq!(self.component(host, id)["paused"], true);
    }

    #[track_caller]
    fn resume(&self, host: &Host, id: &str) {
        let path = format!("/api/components/{id}/resume");
        assert_eq!(self.post(host, &path), (200, json!({ "id": id, "paused": false })));
    }

    /// What the host says of a component.
    #[track_caller]
    fn component(&self, host: &Host, id: &str) -> Value {
        let (code, body) = host.get(self.port, "/api/pipeline", "");
        assert_eq!(code, 200, "{body}");
        let pipeline: Value = serde_json::from_str(&body).unwrap();
        let components = pipeline["components"].as_array().unwrap();
        components.iter().find(|it| it["id"] == id).cloned().unwrap_or_else(|| panic!("{body}"))
    }

    /// Waits until a component is as that says.
    #[track_caller]
    fn wait_until(&self, host: &Host, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let component = self.component(host, id);
            if is_so(&component) {
                return component;
            }
            assert!(since.elapsed() < DEADLINE, "{component:#}");
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn lines(&self, log: &str) -> usize {
        self.bench.read(log).lines().count()
    }

    /// Waits until a sink has written so many numbers more.
    #[track_caller]
    fn wait_for_more(&self, log: &str, more: usize) {
        let (since, wanted) = (Instant::now(), self.lines(log) + more);
        while self.lines(log) < wanted {
            assert!(since.elapsed() < DEADLINE, "{log} has {} of {wanted}", self.lines(log));
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits until a sink writes nothing more: calls that run end first.
    #[track_caller]
    fn wait_for_rest(&self, log: &str) {
        let since = Instant::now();
        while !self.is_quiet(log, QUIET) {
            assert!(since.elapsed() < DEADLINE, "{log} grows on");
        }
    }

    /// Whether a sink writes nothing for so long.
    fn is_quiet(&self, log: &str, time: Duration) -> bool {
        let (since, before) = (Instant::now(), self.lines(log));
        while since.elapsed() < time && self.lines(log) == before {
            thread::park_timeout(Duration::from_millis(10));
        }
        self.lines(log) == before
    }

    /// All numbers of a log once and in order, up to that one.
    #[track_caller]
    fn assert_whole(&self, log: &str, last: u64) {
        let numbers = self.bench.sequences(log);
        let wrong = numbers.iter().zip(1..).find(|(number, wanted)| **number != *wanted);
        assert_eq!((wrong, numbers.len() as u64), (None, last), "{log}");
    }
}

#[test]
fn a_paused_source_is_not_asked_is_not_silent_and_goes_on_where_it_was() {
    let promise = ENDLESS.replace("pace = \"1ms\"", "pace = \"1ms\"\npromise = \"1s\"");
    let site = Site::new(&format!("{promise}{}", sink("a", "day", "")));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "day");
    site.wait_for_rest("a.log");
    assert!(site.is_quiet("a.log", Duration::from_millis(2500)), "longer than it promised");
    let day = site.component(&host, "day");
    assert_eq!((&day["state"], &day["last_error"]), (&json!("paused"), &Value::Null));
    assert_eq!(day["records_out"].as_u64(), Some(site.lines("a.log") as u64));
    let (code, health) = host.get(site.port, "/health", "");
    assert!(code == 200 && health.contains("\"paused\""), "{code} {health}");
    let labels = "component=\"day\"";
    assert!(host.metric(site.port, "dataserver_component_paused", labels) > 0.5);
    assert!(host.metric(site.port, "dataserver_source_silent", labels) < 0.5);
    site.resume(&host, "day");
    site.wait_for_more("a.log", 50);
    assert!(host.metric(site.port, "dataserver_component_paused", labels) < 0.5);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &["paused until it is resumed", "resumed"]);
    assert!(!run.stderr.contains("silent: the source"), "{}", run.stderr);
    site.assert_whole("a.log", run.summary("day", "out"));
}

#[test]
fn a_paused_sink_fills_its_queue_holds_its_source_up_and_gets_all_of_it_later() {
    for hold in ["", "hold = true"] {
        let more = format!("buffer = {{ max_bytes = \"64KiB\" }}\n{hold}");
        let (a, b) = (sink("a", "day", &more), sink("b", "day", ""));
        let site = Site::new(&format!("{ENDLESS}{a}{b}"));
        let host = site.start();
        site.wait_for_more("a.log", 50);
        site.pause(&host, "a");
        let a = site.wait_until(&host, "a", |a| a["queue"]["fill"].as_f64() > Some(0.9));
        assert_eq!((&a["state"], &a["queue"]["kind"]), (&json!("paused"), &json!("memory")));
        let day = site.wait_until(&host, "day", |day| day["blocked_by"] == "a");
        assert_eq!(day["state"], "running");
        site.wait_for_rest("a.log");
        let a = site.component(&host, "a");
        // what it had taken is delivered, also what its plugin held
        assert_eq!(a["records_out"].as_u64(), Some(site.lines("a.log") as u64), "{a:#}");
        site.resume(&host, "a");
        site.wait_for_more("a.log", 500);
        host.signal("TERM");
        let run = host.wait();
        run.assert(0, &[]);
        for log in ["a.log", "b.log"] {
            site.assert_whole(log, run.summary("day", "out"));
        }
    }
}

#[test]
fn what_the_rule_of_a_paused_sink_drops_is_counted_and_nothing_else_is_lost() {
    let rule = "buffer = { max_bytes = \"64KiB\", when_full = \"drop_newest\" }";
    let site = Site::new(&format!("{ENDLESS}{}", sink("a", "day", rule)));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "a");
    site.wait_until(&host, "a", |a| a["dropped_by"]["drop_newest"].as_u64() > Some(100));
    site.resume(&host, "a");
    site.wait_for_more("a.log", 500);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    let numbers = site.bench.sequences("a.log");
    assert!(numbers.is_sorted_by(|left, right| left < right), "in order, and none twice");
    assert_eq!(numbers.len() as u64 + run.summary("a", "dropped"), run.summary("day", "out"));
}

#[test]
fn a_paused_sink_with_a_queue_on_disk_keeps_it_over_a_kill_and_gets_each_record_once() {
    let disk = sink("a", "day", "buffer = { type = \"disk\" }");
    let site = Site::new(&format!("{THOUSAND}{disk}"));
    site.bench.run(&["pause", "a"]).assert(0, &["a is paused", "the next start"]);
    site.bench.run(&["pause", "a"]).assert(0, &["a is paused already"]);
    for round in 1..=2_u64 {
        let host = site.start();
        host.wait_for("it stays paused until `dataserver resume a`");
        // the source has ended, and the host waits for what is paused
        let a = site.wait_until(&host, "a", |a| a["queue"]["records"] == 1000 * round);
        assert_eq!((&a["state"], &a["queue"]["kind"]), (&json!("paused"), &json!("disk")));
        assert_eq!(site.lines("a.log"), 0);
        if round == 1 {
            host.signal("KILL");
            assert_eq!(host.wait().code, -1);
            continue;
        }
        site.bench.run(&["resume", "a"]).assert(0, &["a goes on"]);
        // the source has ended: with everything delivered the host ends
        host.wait().assert(0, &["resumed"]);
    }
    let thousand = 1..=1000;
    let both: Vec<u64> = thousand.clone().chain(thousand).collect();
    assert_eq!(site.bench.sequences("a.log"), both);
    site.bench.run(&["resume", "a"]).assert(0, &["a is not paused"]);
}

#[test]
fn a_paused_transform_takes_nothing_and_loses_nothing() {
    let buffer = "buffer = { max_bytes = \"64KiB\" }";
    let site = Site::new(&format!("{ENDLESS}{}{}", transform("day", buffer), sink("a", "t", "")));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "t");
    site.wait_until(&host, "day", |day| day["blocked_by"] == "t");
    site.wait_for_rest("a.log");
    let t = site.component(&host, "t");
    assert_eq!(t["records_out"].as_u64(), Some(site.lines("a.log") as u64), "{t:#}");
    site.resume(&host, "t");
    site.wait_for_more("a.log", 500);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    site.assert_whole("a.log", run.summary("day", "out"));
}

#[test]
fn the_verbs_say_what_is_wrong() {
    let site = Site::new(&format!("{ENDLESS}{}", sink("lake", "day", "")));
    site.bench.run(&["pause", "lke"]).assert(1, &["no component `lke`", "did you mean `lake`?"]);
    site.bench.run(&["resume", "gone"]).assert(1, &["no component `gone`"]);
    site.bench.run(&["resume", "../x"]).assert(1, &["no component"]);
    site.bench.run(&["pause", "lake", "-c", "nowhere.toml"]).assert(78, &["nowhere.toml"]);
    let host = site.start();
    let (code, refusal) = site.post(&host, "/api/components/lke/pause");
    assert_eq!((code, refusal["error"].as_str().is_some()), (404, true), "{refusal}");
    site.bench.run(&["pause", "lake"]).assert(0, &["lake is paused until"]);
    // twice is once
    site.bench.run(&["pause", "lake"]).assert(0, &["lake is paused until"]);
    // its keeper is a file that cannot be written
    fs::remove_file(site.bench.path("data/paused.json")).unwrap();
    fs::create_dir(site.bench.path("data/paused.json")).unwrap();
    site.bench.run(&["resume", "lake"]).assert(1, &["paused.json", "nothing was changed"]);
    assert_eq!(site.component(&host, "lake")["paused"], true);
    host.signal("KILL");
    host.wait();
    // a host without an interface cannot be asked
    let text = site.bench.read("pipeline.toml").replace("http = ", "# http = ");
    fs::remove_dir(site.bench.path("data/paused.json")).unwrap();
    site.bench.pipeline(&text);
    let host = site.start();
    site.bench.run(&["pause", "lake"]).assert(1, &["cannot be asked over `[host] http`"]);
    host.signal("KILL");
    host.wait();
}
