//! What a host shows of itself over time.

use std::collections::BTreeMap;

use harness::{Host, HostClock, kernel};

/// Counts of a histogram: at most so many seconds, so many.
type Buckets = Vec<(f64, f64)>;

/// A host at one moment.
pub struct Look {
    /// Latencies of each sink since the start.
    latencies: BTreeMap<&'static str, Buckets>,
    /// Memory that it holds, bytes.
    pub memory: u64,
    /// Of the heap, bytes in use.
    pub heap: u64,
    /// Files that it has open.
    pub files: usize,
    /// Its threads.
    pub threads: usize,
}

impl Look {
    /// Looks at a host with those sinks.
    pub fn at(host: &Host, http: u16, clock: &HostClock, sinks: &[&'static str]) -> Self {
        let (code, metrics) = host.get(http, "/metrics", "");
        assert!(code == 200, "{code} {metrics}");
        Self {
            latencies: sinks.iter().map(|sink| (*sink, buckets(&metrics, sink))).collect(),
            memory: host.memory(),
            heap: clock.heap(),
            files: kernel::open_files(host.pid()).len(),
            threads: kernel::threads(host.pid()),
        }
    }

    /// The latency, in milliseconds, that this share of a sink's batches since an earlier look had
    /// at most.
    pub fn latency_ms(&self, since: &Self, sink: &str, share: f64) -> f64 {
        let before = &since.latencies[sink];
        let counts: Buckets = self.latencies[sink]
            .iter()
            .enumerate()
            .map(|(at, (most, count))| (*most, count - before.get(at).map_or(0.0, |it| it.1)))
            .collect();
        let wanted = counts.last().map_or(0.0, |last| last.1) * share;
        let mut below = (0.0, 0.0);
        for (most, count) in counts {
            if count >= wanted && count > below.1 {
                let within = (wanted - below.1) / (count - below.1);
                return 1e3 * (below.0 + (most - below.0) * within);
            }
            below = (most, count);
        }
        1e3 * below.0
    }
}

fn buckets(metrics: &str, sink: &str) -> Buckets {
    let of_sink = metrics.lines().filter(|line| {
        line.starts_with("dataserver_latency_seconds_bucket{")
            && line.contains(&format!("component=\"{sink}\""))
    });
    let counted = of_sink.filter_map(|line| {
        let most = line.split("le=\"").nth(1)?.split('"').next()?.parse().ok()?;
        Some((most, line.rsplit(' ').next()?.parse().ok()?))
    });
    // what is slower than the last bucket counts as that slow
    let buckets: Buckets = counted.filter(|(most, _): &(f64, f64)| most.is_finite()).collect();
    assert!(!buckets.is_empty(), "no latencies of {sink} in\n{metrics}");
    buckets
}
