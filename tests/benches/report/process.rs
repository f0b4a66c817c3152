//! What a process of its own costs: the same plugins in a library and apart, and one in Python.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver::{
    config::{Carrier, Limits},
    loader::{Opening, Plugin, PluginCatalog},
};
use plugin_api::{Batch, RoleKind, Round};

use super::{
    abi::{context, load},
    measure::{Row, best, nanos},
    payload::{SPOTS, list},
};

/// Calls of a series.
const CALLS: u32 = 2_000;

/// A plugin of a folder, each of whose instances is a process.
fn load_apart(folder: &Path, id: &str, kind: RoleKind) -> Arc<dyn Plugin> {
    let catalog = PluginCatalog::scan(&[folder.to_owned()], folder)
        .with_python_package(&harness::python_package());
    let found = catalog.plugin(id, kind, Some(Carrier::Process));
    found.unwrap_or_else(|error| panic!("{error:?}")).plugin
}

fn opening() -> Opening {
    let mut opening = Opening::plain("{}", context(Path::new(".")));
    opening.limits = Limits { nice: 0, ..Limits::of(Carrier::Process) };
    opening
}

/// Nanoseconds of a call of a sink with that batch.
fn write(plugin: &Arc<dyn Plugin>, batch: &Batch) -> f64 {
    let mut sink = plugin.open_sink(opening()).unwrap();
    nanos(CALLS, || sink.write(std::slice::from_ref(batch)).unwrap())
}

/// Nanoseconds of a call of a transform with that batch.
fn apply(plugin: &Arc<dyn Plugin>, batch: &Batch) -> f64 {
    let mut transform = plugin.open_transform(opening()).unwrap();
    nanos(CALLS, || transform.apply(batch).unwrap())
}

pub fn rows() -> Vec<Row> {
    let batch = Batch::from_untrusted_spots(list(), Round::WHOLE).unwrap().numbered(1, 1, 0);
    let small = plugin_api::testing::spot_batch(1, Round::WHOLE).numbered(1, 1, 0);
    let folder = tempfile::tempdir().unwrap();
    for id in ["null", "filter"] {
        let file = folder.path().join(format!("lib{id}.so"));
        std::fs::copy(harness::plugin(id), file).unwrap();
    }
    let python = folder.path().join("pass.py");
    std::fs::copy(harness::python_plugin("pass"), python).unwrap();

    let apart = load_apart(folder.path(), "null", RoleKind::Sink);
    let native = load("null", RoleKind::Sink);
    let opened = best(5, || timed(|| apart.open_sink(opening()).unwrap()));
    let filter = load_apart(folder.path(), "filter", RoleKind::Transform);
    let python = load_apart(folder.path(), "py-pass", RoleKind::Transform);
    let python_opened = best(5, || timed(|| python.open_transform(opening()).unwrap()));
    let through = apply(&python, &batch);
    vec![
        Row::new("a sink that answers at once, one quote", micros(write(&apart, &small)))
            .against(format!("in the process {}", micros(write(&native, &small)))),
        Row::new("the same, 500 quotes through shared memory", micros(write(&apart, &batch)))
            .against(format!("in the process {}", micros(write(&native, &batch)))),
        Row::new("pass-through of a library", micros(apply(&filter, &batch))).against(format!(
            "in the process {}",
            micros(apply(&load("filter", RoleKind::Transform), &batch))
        )),
        Row::new("pass-through in Python", micros(through))
            .against(format!("{:.0} k quotes/s", SPOTS as f64 / through * 1e6)),
        Row::new("an instance opened", millis(opened))
            .against(format!("in Python {}", millis(python_opened))),
    ]
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let started = Instant::now();
    let _kept = run();
    started.elapsed()
}

fn micros(nanos: f64) -> String {
    format!("{:.1} µs a batch", nanos / 1e3)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
