//! What a sandbox costs: the same transform built in, in a library and in a component.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver::{
    config::Carrier,
    loader::{Opening, Plugin, PluginCatalog, TransformInstance},
};
use plugin_api::{Batch, RoleKind, Round};

use super::{
    abi::{context, load},
    measure::{Row, best, nanos},
    payload::{SPOTS, list},
};

/// Instances whose memory is measured together.
const INSTANCES: usize = 100;

/// A plugin's component, looked for anew; compiled code lies in `cache`.
fn load_wasm(id: &str, folder: &Path, cache: &Path) -> Arc<dyn Plugin> {
    let catalog = PluginCatalog::with_cache(&[folder.to_owned()], folder, cache);
    let found = catalog.plugin(id, RoleKind::Transform, Some(Carrier::Wasm));
    found.unwrap_or_else(|error| panic!("{error:?}")).plugin
}

fn open(plugin: &Arc<dyn Plugin>, options: &str) -> Box<dyn TransformInstance> {
    plugin.open_transform(Opening::plain(options, context(Path::new(".")))).unwrap()
}

/// Memory of this process that is in use, bytes.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096.0
}

/// Nanoseconds a batch.
fn apply(mut transform: Box<dyn TransformInstance>, batch: &Batch) -> f64 {
    nanos(2_000, || transform.apply(batch).unwrap())
}

pub fn rows() -> Vec<Row> {
    let batch = Batch::from_untrusted_spots(list(), Round::WHOLE).unwrap().numbered(1, 1, 0);
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    for id in ["filter", "quality"] {
        let file = folder.path().join(format!("{id}.wasm"));
        std::fs::copy(harness::wasm_plugin(id), file).unwrap();
    }
    let compiled = best(3, || {
        let _ = std::fs::remove_dir_all(&cache);
        timed(|| load_wasm("filter", folder.path(), &cache))
    });
    let cached = best(5, || timed(|| load_wasm("filter", folder.path(), &cache)));
    let (wasm, native) =
        (load_wasm("filter", folder.path(), &cache), load("filter", RoleKind::Transform));
    let opened = nanos(50, || open(&wasm, "{}"));

    let through = [
        nanos(2_000, || vec![batch.clone()]),
        apply(open(&native, "{}"), &batch),
        apply(open(&wasm, "{}"), &batch),
    ];
    // every second quote stays
    let symbols: Vec<String> =
        (0..SPOTS).step_by(2).map(|index| format!("SH{}", 600_000 + index)).collect();
    let options = serde_json::json!({ "symbols": symbols }).to_string();
    let kept: std::collections::HashSet<String> =
        symbols.iter().map(|symbol| symbol[2..].to_owned()).collect();
    let half = [
        nanos(2_000, || batch.retain_spots(|spot| kept.contains(spot.code())).unwrap()),
        apply(open(&native, &options), &batch),
        apply(open(&wasm, &options), &batch),
    ];

    let [native_quality, wasm_quality] =
        [load("quality", RoleKind::Transform), load_wasm("quality", folder.path(), &cache)]
            .map(|plugin| apply(open(&plugin, "{}"), &batch));

    let before = resident();
    let mut instances: Vec<_> = (0..INSTANCES).map(|_| open(&wasm, &options)).collect();
    for instance in &mut instances {
        instance.apply(&batch).unwrap();
    }
    let memory = (resident() - before) / INSTANCES as f64;
    vec![
        per_batch("pass-through", Some(through[0]), through[1], through[2]),
        per_batch("filter that keeps every second quote", Some(half[0]), half[1], half[2]),
        per_batch("quality, all rules", None, native_quality, wasm_quality),
        Row::new("the filter's component compiled", millis(compiled))
            .against(format!("compiled code from the cache {}", millis(cached))),
        Row::new("an instance opened", format!("{:.0} µs", opened / 1e3)),
        Row::new("memory of an instance after a batch", format!("{:.0} KiB", memory / 1024.0)),
    ]
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let started = Instant::now();
    let _kept = run();
    started.elapsed()
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Nanoseconds a batch: built into this program, in a library, in a component.
fn per_batch(what: &str, built_in: Option<f64>, native: f64, wasm: f64) -> Row {
    let spots = SPOTS as f64;
    let mut against = format!(
        "native {:.1} µs, {:.0} ns: {:.2} of its quotes/s",
        native / 1e3,
        native / spots,
        native / wasm
    );
    if let Some(built_in) = built_in {
        against += &format!("; built in {:.1} µs, {:.0} ns", built_in / 1e3, built_in / spots);
    }
    Row::new(what, format!("wasm {:.1} µs a batch, {:.0} ns a quote", wasm / 1e3, wasm / spots))
        .against(against)
}
