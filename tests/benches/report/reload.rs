//! How long a component passes nothing on while the pipeline changes.

use std::{fs, sync::Arc, time::Duration};

use dataserver::{
    config::{self, Pipeline, ProcessEnvironment},
    engine::{
        clock::{Clock, SystemClock},
        shutdown::Phase,
        topology::{self, Topology},
    },
    loader::PluginCatalog,
};
use harness::Bench;

use super::measure::Row;

/// Changes of each kind.
const CHANGES: usize = 100;

/// A host under 100,000 quotes a second whose file is written anew again and again.
struct Running {
    bench: Bench,
    topology: Topology,
    catalog: PluginCatalog,
}

impl Running {
    fn start() -> Self {
        let bench = Bench::new(&["faulty"]);
        let (pipeline, catalog) = read(&bench, &text("day", 0), None);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let topology = topology::start(pipeline, &catalog, &clock, Arc::default()).unwrap();
        Self { bench, topology, catalog }
    }

    /// Changes the pipeline a hundred times; p50 and p99 of the gap.
    fn gaps(&mut self, change: impl Fn(&Bench, usize) -> String) -> (Duration, Duration) {
        let mut gaps: Vec<_> = (0..CHANGES)
            .map(|number| {
                let text = change(&self.bench, number);
                let (pipeline, catalog) = read(&self.bench, &text, Some(&self.catalog));
                let applied = self.topology.change(pipeline, &catalog).unwrap();
                self.catalog = catalog;
                applied.gap
            })
            .collect();
        gaps.sort_unstable();
        (gaps[CHANGES / 2], gaps[CHANGES * 99 / 100])
    }
}

fn text(input: &str, pace_us: usize) -> String {
    format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 500\nsymbols = 500\n\
         pace = \"5ms\"\n[transforms.middle]\nplugin = \"faulty\"\ninputs = [\"day\"]\n\
         after = {pace_us}\n[sinks.out]\nplugin = \"faulty\"\ninputs = [\"{input}\"]\n"
    )
}

fn read(bench: &Bench, text: &str, before: Option<&PluginCatalog>) -> (Pipeline, PluginCatalog) {
    bench.pipeline(text);
    let draft = config::load(&bench.path("pipeline.toml"), &ProcessEnvironment).unwrap();
    let host = draft.host();
    let catalog = match before {
        Some(before) => before.rescan(&host.plugins, &host.pins),
        None => PluginCatalog::of(host),
    };
    (draft.resolve(&catalog).unwrap(), catalog)
}

pub fn rows() -> Vec<Row> {
    let mut running = Running::start();
    let option = running.gaps(|_, number| text("day", number + 1));
    let edge =
        running.gaps(|_, number| text(if number % 2 == 0 { "middle" } else { "day" }, CHANGES));
    let code = fs::read(harness::plugin("faulty")).unwrap();
    let file = running.gaps(|bench, number| {
        let mut code = code.clone();
        code.extend(number.to_le_bytes());
        let library = bench.path("plugins/libfaulty.so");
        fs::write(library.with_extension("new"), code).unwrap();
        fs::rename(library.with_extension("new"), library).unwrap();
        text("day", CHANGES)
    });
    running.topology.shutdown().advance(Phase::Draining);
    assert!(running.topology.wait().is_success());
    let row = |what: &str, (p50, p99): (Duration, Duration)| {
        let ms = |it: Duration| it.as_secs_f64() * 1e3;
        Row::new(what, format!("p50 {:.2} ms, p99 {:.2} ms", ms(p50), ms(p99)))
            .against(format!("of {CHANGES} changes under 100,000 quotes/s"))
    };
    vec![
        row("another option of a transform", option),
        row("a sink behind a transform, and beside it again", edge),
        row("another file of the plugin of all three components", file),
    ]
}
