//! What the host adds to its plugins.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver::{
    config::{self, ProcessEnvironment},
    engine::{
        clock::{Clock, SystemClock},
        topology,
    },
    loader::{Opening, PluginCatalog},
};
use plugin_api::{Polled, RoleKind};

use super::{
    abi::{context, load},
    measure::{Row, best, nanos, rate},
    payload::{SPOTS, list},
};

const BATCHES: u64 = 200_000;

fn source() -> String {
    format!("plugin = \"faulty\"\nbatches = {BATCHES}\nrecords = {SPOTS}\nsymbols = {SPOTS}\n")
}

/// Time of a whole run through the host, with so many sinks.
fn run(source_options: &str, sinks: usize) -> Duration {
    let bench = harness::Bench::new(&["faulty", "null"]);
    let mut text = format!("[sources.day]\n{}{source_options}\n", source());
    for sink in 0..sinks {
        text += &format!("[sinks.out{sink}]\nplugin = \"null\"\ninputs = [\"day\"]\n");
    }
    bench.pipeline(&text);
    let draft = config::load(&bench.path("pipeline.toml"), &ProcessEnvironment).unwrap();
    let catalog = PluginCatalog::scan(&draft.host().plugins, &bench.path("data"));
    let pipeline = draft.resolve(&catalog).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let started = Instant::now();
    let topology = topology::start(pipeline, &catalog, &clock, Arc::default()).unwrap();
    assert!(topology.wait().is_success());
    started.elapsed()
}

/// Time of the same plugin calls in a plain loop.
fn plain_loop(source_options: &str) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let options = options_json(&(source() + source_options));
    let (source, sink) = (load("faulty", RoleKind::Source), load("null", RoleKind::Sink));
    let mut source = source.open_source(Opening::plain(&options, context(folder.path()))).unwrap();
    let mut sink = sink.open_sink(Opening::plain("{}", context(folder.path()))).unwrap();
    let started = Instant::now();
    while let Polled::Batch(batch) = source.next(Duration::ZERO).unwrap() {
        sink.write(&[batch]).unwrap();
    }
    started.elapsed()
}

fn options_json(toml: &str) -> String {
    let pairs = toml.lines().filter_map(|line| line.split_once(" = "));
    let options: serde_json::Map<_, _> = pairs
        .filter(|(key, _)| *key != "plugin")
        .map(|(key, value)| (key.to_owned(), serde_json::from_str(value).unwrap()))
        .collect();
    serde_json::Value::Object(options).to_string()
}

pub fn rows() -> Vec<Row> {
    let records = BATCHES as f64 * SPOTS as f64;
    let batches_per_second =
        |time: Duration| format!("{:.0} k batches/s", BATCHES as f64 / time.as_secs_f64() / 1e3);
    let per_batch = |time: Duration| time.as_secs_f64() * 1e6 / BATCHES as f64;
    let repeat = "repeat = true";
    let hosted = best(5, || run(repeat, 1));
    let plain = best(5, || plain_loop(repeat));
    let four = best(5, || run(repeat, 4));
    let hosted_encoding = best(3, || run("", 1));
    let plain_encoding = best(3, || plain_loop(""));
    let payload = list();
    let copied = nanos(300, || payload.clone());
    let added = per_batch(hosted) - per_batch(plain);
    vec![
        // nobody looks into these quotes, so only batches are counted
        Row::new("a source that repeats a batch", batches_per_second(hosted)).against(format!(
            "{:.2} µs a batch, {:.2} µs in a plain loop: the host adds {added:.2} µs",
            per_batch(hosted),
            per_batch(plain)
        )),
        Row::new("a source that encodes every batch", rate(records, hosted_encoding)).against(
            format!(
                "{:.1} µs a batch, {:.1} µs in a plain loop, which encodes into the same memory again \
             while the host has several batches under way: {:+.1} %",
                per_batch(hosted_encoding),
                per_batch(plain_encoding),
                (hosted_encoding.as_secs_f64() / plain_encoding.as_secs_f64() - 1.0) * 100.0
            ),
        ),
        Row::new("the first with four sinks", batches_per_second(four)).against(format!(
            "{:.2} µs a batch; four copies of the payload would add {:.1} µs",
            per_batch(four),
            4.0 * copied / 1e3
        )),
    ]
}
