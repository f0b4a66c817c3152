//! What it costs that somebody can look on.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use dataserver::{
    config::{self, ProcessEnvironment},
    embed::Checked,
    loader::PluginCatalog,
    reload::ReloadHandle,
};

use super::{measure::Row, payload::SPOTS};

/// Enough that what may be used up at once at the beginning is little of it.
const BATCHES: u64 = 4_000_000;
/// Who watches everything that the source gives.
const WATCHERS: usize = 10;
const RUNS: usize = 3;

/// Time of a whole run through the host; without `[host] http`, or with so many watchers.
fn run(watchers: Option<usize>) -> Duration {
    let bench = harness::Bench::new(&["faulty", "null"]);
    let http = watchers.map_or("", |_| "http = \"127.0.0.1:0\"");
    bench.pipeline(&format!(
        "[host]\nwatch = false\n{http}\n[sources.day]\nplugin = \"faulty\"\nbatches = {BATCHES}\n\
         records = {SPOTS}\nsymbols = {SPOTS}\nrepeat = true\n\
         [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n"
    ));
    let draft = config::load(&bench.path("pipeline.toml"), &ProcessEnvironment).unwrap();
    let catalog = PluginCatalog::scan(&draft.host().plugins, &bench.path("data"));
    let checked = Checked::new(draft, catalog).unwrap_or_else(|_| panic!("the pipeline is wrong"));
    let started = Instant::now();
    let host = checked.start(Arc::default(), ReloadHandle::new()).unwrap();
    let address = host.control().map(|control| control.address());
    thread::scope(|scope| {
        for _ in 0..watchers.unwrap_or_default() {
            scope.spawn(move || watch(address.unwrap()));
        }
        assert!(host.wait().is_success());
        let took = started.elapsed();
        // ends the watchers
        host.close();
        took
    })
}

/// Reads all that comes.
fn watch(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /api/tap/day HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut buffer = vec![0; 1 << 16];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

pub fn rows() -> Vec<Row> {
    let variants = [None, Some(0), Some(WATCHERS)];
    let mut times = [Duration::MAX; 3];
    // in turn, so that a slow minute of the machine hits all of them
    for _ in 0..RUNS {
        for (time, watchers) in times.iter_mut().zip(variants) {
            *time = (*time).min(run(watchers));
        }
    }
    let [off, nobody, watched] = times;
    let per_batch =
        |time: Duration| format!("{:.3} µs a batch", time.as_secs_f64() * 1e6 / BATCHES as f64);
    let cost = |time: Duration| {
        let lost = 1.0 - off.as_secs_f64() / time.as_secs_f64();
        format!("{:+.2} % of the throughput without", lost * 100.0)
    };
    vec![
        Row::new("`[host] http` off", per_batch(off)),
        Row::new("on, and nobody watches", per_batch(nobody)).against(cost(nobody)),
        Row::new("on, with ten who `tap` the source", per_batch(watched)).against(cost(watched)),
    ]
}
