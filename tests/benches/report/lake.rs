//! The parquet sink against pyarrow writing the same table.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use dataserver::plugin::Opening;
use plugin_api::{Batch, RoleKind, Round};

use super::{
    abi::{context, load},
    measure::{Row, best, rate},
    payload::{SPOTS, list},
};

const BATCHES: usize = 400;

fn write(folder: &Path) -> Duration {
    let batch = Batch::from_untrusted_spots(list(), Round::WHOLE).unwrap();
    let batches: Vec<_> = std::iter::repeat_n(batch, 20).collect();
    let lake = folder.join("lake");
    let _ = std::fs::remove_dir_all(&lake);
    let plugin = load("parquet", RoleKind::Sink);
    let started = Instant::now();
    let mut sink = plugin.open_sink(Opening::plain(r#"{"path":"lake"}"#, context(folder))).unwrap();
    for _ in 0..BATCHES / batches.len() {
        sink.write(&batches).unwrap();
    }
    sink.flush().unwrap();
    sink.close().unwrap();
    started.elapsed()
}

pub fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let records = (BATCHES * SPOTS) as f64;
    let ours = best(5, || write(folder.path()));
    let lake = folder.path().join("lake").display().to_string();
    let printed = harness::python("bench_lake.py", &[&lake]).finish();
    let seconds: f64 = printed.trim().parse().unwrap();
    let theirs = Duration::from_secs_f64(seconds);
    vec![Row::new("encode, write and fsync", rate(records, ours)).against(format!(
        "pyarrow from columns in memory {}: {:.2} times",
        rate(records, theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    ))]
}
