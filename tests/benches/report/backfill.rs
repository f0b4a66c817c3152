//! A backfill of ten million bars: its memory, and what it costs those that come live beside it.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, free_port, python};
use serde_json::Value;

use super::measure::{Row, rate};

const SECURITIES: usize = 500;
const DAYS: usize = 84;
/// Bars of a security and day.
const BARS: usize = 240;
/// How long a host is watched.
const WATCHED: Duration = Duration::from_secs(30);
const RUNS: usize = 3;

/// A lake of history, and its first and last day.
struct History {
    bench: Bench,
    days: [String; 2],
}

impl History {
    fn new() -> Self {
        let bench = Bench::with_links(&["parquet", "null", "faulty"]);
        let lake = bench.path("old").display().to_string();
        let arguments = [lake.as_str(), &SECURITIES.to_string(), &DAYS.to_string()];
        let printed = python("bench_history.py", &arguments).finish();
        let (first, last) = printed.trim().split_once(' ').unwrap();
        let days = [first.to_owned(), last.to_owned()];
        Self { bench, days }
    }

    /// A host with a live feed into two sinks, one of which is filled with history. Its own latency would
    /// be that of history as well, so that of the other one is read.
    fn pipeline(&self, port: u16) {
        self.bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n\
             [backfill]\nfrom = [\"past\"]\nto = [\"end\"]\n\
             [sources.past]\nplugin = \"parquet\"\npath = \"old\"\n\
             [sources.live]\nplugin = \"faulty\"\nbatches = 1000000000\nrecords = 500\n\
             symbols = 500\npace = \"20ms\"\nrepeat = true\n\
             [sinks.end]\nplugin = \"null\"\ninputs = [\"live\"]\nbuffer.type = \"disk\"\n\
             [sinks.screen]\nplugin = \"null\"\ninputs = [\"live\"]\nbuffer.type = \"disk\"\n"
        ));
    }

    fn arguments(&self) -> Vec<String> {
        let symbols: Vec<_> = (0..SECURITIES).map(|n| format!("{}.SH", 600_000 + n)).collect();
        let [first, last] = self.days.clone();
        ["backfill", "--from", &first, "--to", &last, "--symbols", &symbols.join(",")]
            .map(str::to_owned)
            .into()
    }

    fn begin(&self) -> Host {
        let arguments = self.arguments();
        self.bench.spawn(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn forget_jobs(&self) {
        let _ = std::fs::remove_dir_all(self.bench.path("data"));
    }
}

/// Largest memory and time of a backfill without a host.
fn alone(history: &History) -> (u64, Duration) {
    history.forget_jobs();
    history.pipeline(free_port());
    let (mut verb, started) = (history.begin(), Instant::now());
    let mut peak = 0;
    while !verb.has_ended() {
        let status = verb.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() * 1024);
        thread::park_timeout(Duration::from_millis(50));
    }
    let elapsed = started.elapsed();
    verb.wait().assert(0, &["0 still missing"]);
    (peak, elapsed)
}

/// 99 of 100 batches of the live feed took no longer from receipt to delivery, milliseconds.
fn p99(history: &History, with_backfill: bool) -> f64 {
    history.forget_jobs();
    let port = free_port();
    history.pipeline(port);
    let host = history.bench.start();
    host.wait_for("the pipeline runs");
    let verb = with_backfill.then(|| history.begin());
    if with_backfill {
        host.wait_for_answer(port, "/api/backfill", "\"state\":\"running\"");
    }
    thread::sleep(WATCHED);
    let (_, body) = host.get(port, "/api/pipeline", "");
    let pipeline: Value = serde_json::from_str(&body).unwrap();
    let components = pipeline["components"].as_array().unwrap();
    let screen = components.iter().find(|it| it["id"] == "screen").unwrap();
    host.signal("KILL");
    host.wait();
    drop(verb);
    screen["latency"]["p99_ms"].as_f64().unwrap()
}

pub fn rows() -> Vec<Row> {
    let history = History::new();
    let bars = (SECURITIES * DAYS * BARS) as f64;
    let (peak, elapsed) = alone(&history);
    let pairs: Vec<_> = (0..RUNS).map(|_| (p99(&history, false), p99(&history, true))).collect();
    let least = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).fold(f64::INFINITY, f64::min);
    let (without, with) = (least(|pair| pair.0), least(|pair| pair.1));
    vec![
        Row::new("10 M bars from a lake, without a host", rate(bars, elapsed)).against(format!(
            "largest memory of the process {:.0} MB, of 300 that it may take",
            peak as f64 / 1e6
        )),
        Row::new(
            "25,000 live quotes a second beside it, 99 of 100 batches",
            format!("{with:.2} ms from receipt to delivery"),
        )
        .against(format!(
            "{without:.2} ms without a backfill: {:+.0} %",
            (with / without - 1.0) * 100.0
        )),
    ]
}
