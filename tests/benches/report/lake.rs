//! The parquet sink against pyarrow writing the same table.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use dataserver::loader::Opening;
use harness::DAYS;
use plugin_api::{Batch, Polled, RoleKind};

use super::{
    abi::{context, load},
    measure::{Row, in_turn, rate},
};

/// How often the recorded quotes are written.
const TIMES: usize = 10;
/// Batches that the sink gets at once.
const GROUP: usize = 20;

/// The quotes of a recorded morning, as `replay` gives them.
fn recorded(folder: &Path) -> Vec<Batch> {
    let source: toml::Table = DAYS[0].source().parse().unwrap();
    let mut options = source["sources"]["day"].as_table().unwrap().clone();
    options.remove("plugin");
    let options = serde_json::to_string(&options).unwrap();
    let mut source = load("replay", RoleKind::Source)
        .open_source(Opening::plain(&options, context(folder)))
        .unwrap();
    let mut batches = Vec::new();
    loop {
        match source.next(Duration::from_secs(1)).unwrap() {
            Polled::Batch(batch) => batches.push(batch),
            Polled::Idle => {}
            Polled::End => return batches,
        }
    }
}

fn write(folder: &Path, batches: &[Batch]) -> Duration {
    let lake = folder.join("lake");
    let _ = std::fs::remove_dir_all(&lake);
    let plugin = load("parquet", RoleKind::Sink);
    let started = Instant::now();
    let mut sink = plugin.open_sink(Opening::plain(r#"{"path":"lake"}"#, context(folder))).unwrap();
    for _ in 0..TIMES {
        for group in batches.chunks(GROUP) {
            sink.write(group).unwrap();
        }
    }
    sink.flush().unwrap();
    sink.close().unwrap();
    started.elapsed()
}

pub fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let batches = recorded(folder.path());
    let records = DAYS[0].records as f64 * TIMES as f64;
    let lake = folder.path().join("lake").display().to_string();
    let theirs = || {
        let printed = harness::python("bench_lake.py", &[&lake]).finish();
        Duration::from_secs_f64(printed.trim().parse().unwrap())
    };
    let (ours, theirs) = in_turn(3, || write(folder.path(), &batches), theirs);
    vec![Row::new("encode, write and fsync", rate(records, ours)).against(format!(
        "pyarrow from columns in memory {}: {:.2} times",
        rate(records, theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    ))]
}
