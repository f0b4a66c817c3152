//! A pipeline that becomes another one while it runs.
//!
//! The source numbers its records from 1, and each sink writes the numbers that it gets to a file:
//! what is lost, doubled or out of order shows there.

mod failure;
mod files;
mod links;
mod live;
mod rollback;

use std::{fmt::Write, fs, thread, time::Duration};

use harness::{Bench, Host, Run, free_port};
use serde_json::{Value, json};

/// A pipeline file that is written again and again, and the host that runs it.
struct Running {
    bench: Bench,
    host: Host,
    port: u16,
}

impl Running {
    /// Starts a host that reloads only when it is told to.
    fn start(plugins: &[&str], components: &str) -> Self {
        Self::start_with(plugins, "watch = false", components)
    }

    fn start_with(plugins: &[&str], host_keys: &str, components: &str) -> Self {
        let (bench, port) = (Bench::new(plugins), free_port());
        bench.pipeline(&text(port, host_keys, components));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        Self { bench, host, port }
    }

    /// Writes other components into the file.
    fn write(&self, components: &str) {
        self.bench.pipeline(&text(self.port, "watch = false", components));
    }

    /// Writes other components into the file and reloads.
    fn reload(&self, components: &str) -> (u16, Value) {
        self.write(components);
        self.host.reload(self.port)
    }

    /// As [`reload`](Self::reload), which must work.
    #[track_caller]
    fn must_reload(&self, components: &str) -> Value {
        let (code, report) = self.reload(components);
        assert_eq!((code, &report["outcome"]), (200, &json!("done")), "{report:#}");
        report["plan"].clone()
    }

    /// Waits until a sink has written so many numbers.
    #[track_caller]
    fn wait_for_lines(&self, log: &str, lines: usize) {
        for _ in 0..6000 {
            if self.bench.read(log).lines().count() >= lines {
                return;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{log} has {} of {lines} lines", self.bench.read(log).lines().count());
    }

    /// Waits until a sink has written so many numbers more than it has now.
    #[track_caller]
    fn wait_for_more(&self, log: &str) {
        self.wait_for_lines(log, self.bench.read(log).lines().count() + 20);
    }

    /// Ends the host.
    fn end(self) -> (Bench, Run) {
        self.host.signal("TERM");
        (self.bench, self.host.wait())
    }
}

fn text(port: u16, host_keys: &str, components: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\ndrain_timeout = \"5s\"\n{host_keys}\n{components}\n"
    )
}

/// A source of five records a batch, about a thousand batches a second.
const DAY: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 5\nsymbols = 5\npace = \"1ms\"\n";

/// A sink that writes what it gets to `ID.log`.
fn sink(id: &str, input: &str, more: &str) -> String {
    format!(
        "[sinks.{id}]\nplugin = \"faulty\"\ninputs = [\"{input}\"]\nlog = \"{id}.log\"\n{more}\n"
    )
}

fn transform(id: &str, input: &str, more: &str) -> String {
    format!("[transforms.{id}]\nplugin = \"faulty\"\ninputs = [\"{input}\"]\n{more}\n")
}

/// All records that the source gave, once and in order.
#[track_caller]
fn assert_whole(bench: &Bench, run: &Run, log: &str) {
    let given = run.summary("day", "out");
    assert_row(&bench.sequences(log), 1, given, log);
}

/// Numbers in a row, from the first to the last.
#[track_caller]
fn assert_row(numbers: &[u64], first: u64, last: u64, log: &str) {
    let mut faults = String::new();
    for (number, wanted) in numbers.iter().zip(first..) {
        if *number != wanted {
            let _ = write!(faults, "{number} where {wanted} belongs");
            break;
        }
    }
    assert!(faults.is_empty(), "{log}: {faults}");
    assert_eq!(numbers.len() as u64, last + 1 - first, "{log} ends with {:?}", numbers.last());
}

#[test]
fn a_sink_is_added_and_another_removed_while_a_third_goes_on_untouched() {
    let before = format!("{DAY}{}{}", sink("a", "day", ""), sink("b", "day", ""));
    let running = Running::start(&["faulty"], &before);
    running.wait_for_lines("b.log", 50);
    let after = format!("{DAY}{}{}", sink("a", "day", ""), sink("c", "day", ""));
    let plan = running.must_reload(&after);
    assert_eq!(plan["added"], json!(["c"]));
    assert_eq!(plan["removed"], json!(["b"]));
    assert_eq!(plan["kept"], json!(["day", "a"]));
    running.wait_for_lines("c.log", 50);
    let taken = |id: &str| {
        running.host.metric(running.port, "dataserver_records_in_total", &format!("\"{id}\""))
    };
    assert!(taken("a") > taken("c"), "the counter of what was kept lives on");
    let (_, metrics) = running.host.get(running.port, "/metrics", "");
    assert!(!metrics.contains("component=\"b\""), "what is gone is shown no more");
    let (bench, run) = running.end();
    run.assert(0, &["reloaded"]);
    assert_whole(&bench, &run, "a.log");
    let (b, c) = (bench.sequences("b.log"), bench.sequences("c.log"));
    assert_row(&b, 1, *b.last().unwrap(), "b.log");
    assert_row(&c, c[0], run.summary("day", "out"), "c.log");
    assert!(c[0] > 1);
}

#[test]
fn a_way_leads_through_a_new_transform_and_back_without_a_batch_out_of_order() {
    let direct = format!("{DAY}{}{}", sink("a", "day", ""), sink("b", "day", ""));
    // so slow that its queue has much in it when the way around it opens
    let slow = transform("middle", "day", "delay = \"3ms\"");
    let around = format!("{DAY}{slow}{}{}", sink("a", "day", ""), sink("b", "middle", ""));
    let running = Running::start(&["faulty"], &direct);
    for _ in 0..3 {
        running.wait_for_more("b.log");
        let plan = running.must_reload(&around);
        assert_eq!((&plan["added"], &plan["rerouted"]), (&json!(["middle"]), &json!(["b"])));
        running.wait_for_more("b.log");
        let plan = running.must_reload(&direct);
        assert_eq!((&plan["removed"], &plan["rerouted"]), (&json!(["middle"]), &json!(["b"])));
    }
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
    assert_whole(&bench, &run, "b.log");
}

#[test]
fn other_options_give_every_kind_of_component_a_new_instance_that_goes_on_there() {
    let with = |pace: &str, delay: &str| {
        format!(
            "{}{}{}{}",
            DAY.replace("1ms", pace),
            transform("middle", "day", &format!("delay = \"{delay}\"")),
            sink("a", "middle", &format!("delay = \"{delay}\"")),
            sink("held", "day", &format!("delay = \"{delay}\"\nhold = true"))
        )
    };
    let running = Running::start(&["faulty"], &with("1ms", "0ms"));
    for change in 0..6 {
        running.wait_for_more("a.log");
        let (pace, delay) = if change % 2 == 0 { ("2ms", "1ms") } else { ("1ms", "0ms") };
        let plan = running.must_reload(&with(pace, delay));
        let ids: Vec<_> =
            plan["changed"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
        assert_eq!(ids, ["day", "middle", "a", "held"]);
        assert_eq!(plan["changed"][0]["what"], json!(["pace"]));
    }
    let (bench, run) = running.end();
    run.assert(0, &[]);
    for log in ["a.log", "held.log"] {
        assert_whole(&bench, &run, log);
    }
    assert_eq!(run.summary("day", "errors") + run.summary("a", "errors"), 0);
}

#[test]
fn a_sink_gets_another_plugin_another_bound_and_workers() {
    let null = "[sinks.b]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    let running =
        Running::start(&["faulty", "null"], &format!("{DAY}{}{null}", sink("a", "day", "")));
    running.wait_for_lines("a.log", 20);
    let bounded = sink("a", "day", "buffer = { max_bytes = \"1MiB\", when_full = \"block\" }");
    let plan = running.must_reload(&format!("{DAY}{bounded}{}", sink("b", "day", "")));
    assert_eq!(plan["changed"][0], json!({ "id": "a", "what": ["buffer"] }));
    assert_eq!(plan["changed"][1], json!({ "id": "b", "what": ["plugin", "log"] }));
    running.wait_for_lines("b.log", 20);
    let (_, metrics) = running.host.get(running.port, "/metrics", "");
    assert!(!metrics.contains("plugin=\"null\""), "{metrics}");
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
    let b = bench.sequences("b.log");
    assert_row(&b, b[0], run.summary("day", "out"), "b.log");
}

#[test]
fn the_command_tells_the_plan_and_how_it_went() {
    let running = Running::start(&["faulty"], &format!("{DAY}{}", sink("a", "day", "")));
    running.bench.run(&["reload"]).assert(0, &["nothing to reload"]);
    running.write(&format!("{DAY}{}{}", sink("a", "day", ""), sink("b", "day", "")));
    running.bench.run(&["reload"]).assert(0, &["added     b", "kept      day, a", "longest gap"]);
    running.write(&format!("{DAY}{}", sink("a", "nobody", "")));
    running.bench.run(&["reload"]).assert(78, &["nobody", "the pipeline goes on as it was"]);
    let json = running.bench.run(&["reload", "--format", "json"]);
    assert_eq!(json.code, 78);
    running.write("[sinks]\n");
    assert_eq!(running.bench.run(&["reload"]).code, 78);
    running.write(&format!("{DAY}{}", sink("a", "day", "")));
    let (_, run) = running.end();
    run.assert(0, &["added b"]);
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(&text(free_port(), "", &format!("{DAY}{}", sink("a", "day", ""))));
    bench.run(&["reload"]).assert(1, &["no host runs"]);
    bench.pipeline(&format!("{DAY}{}", sink("a", "day", "")));
    bench.run(&["reload"]).assert(1, &["SIGHUP"]);
}

#[test]
fn a_source_that_has_ended_and_its_readers_start_anew_when_it_changes() {
    let short = |batches: u64| {
        format!(
            "{DAY}[sources.short]\nplugin = \"faulty\"\nbatches = {batches}\nrecords = 1\n{}{}",
            sink("a", "day", ""),
            sink("b", "short", "")
        )
    };
    let running = Running::start(&["faulty"], &short(3));
    running.wait_for_lines("b.log", 3);
    running.host.wait_for_answer(running.port, "/api/pipeline", "ended");
    let plan = running.must_reload(&short(4));
    let what = &plan["changed"];
    assert_eq!((&what[0]["id"], &what[1]["what"]), (&json!("short"), &json!(["had ended"])));
    running.wait_for_lines("b.log", 7);
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_eq!(bench.sequences("b.log"), [1, 2, 3, 1, 2, 3, 4]);
    assert_whole(&bench, &run, "a.log");
    fs::remove_file(bench.path("b.log")).unwrap();
}

#[test]
fn a_way_through_a_transform_that_has_much_before_it_is_taken_without_a_batch_twice() {
    let slow = transform("middle", "day", "delay = \"2ms\"");
    let with =
        |input: &str| format!("{DAY}{slow}{}{}", sink("a", "middle", ""), sink("b", input, ""));
    let running = Running::start(&["faulty"], &with("day"));
    for _ in 0..3 {
        for input in ["middle", "day"] {
            running.wait_for_more("b.log");
            let plan = running.must_reload(&with(input));
            assert_eq!(plan["rerouted"], json!(["b"]));
        }
    }
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
    assert_whole(&bench, &run, "b.log");
}
