//! Counters, gauges and histograms, as `/metrics` shows them.
//!
//! One registry a host, so that two hosts in one process do not mix. A component looks its own
//! metrics up once, at its start, and updates them once a batch.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use plugin_api::{ErrorKind, RoleKind};

type Labels = Vec<(String, String)>;
type Seconds = Counter<f64, AtomicU64>;
type Level = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Component {
    component: String,
    kind: String,
    plugin: String,
}

macro_rules! labels_with {
    ($name:ident, $label:ident) => {
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name {
            component: String,
            kind: String,
            plugin: String,
            $label: String,
        }

        impl Component {
            #[allow(non_snake_case)]
            fn $name(&self, $label: &str) -> $name {
                let Self { component, kind, plugin } = self.clone();
                $name { component, kind, plugin, $label: $label.to_owned() }
            }
        }
    };
}

labels_with!(WithReason, reason);
labels_with!(WithClass, class);
labels_with!(WithBlocker, by);

/// Buckets of `latency_seconds`, from 50 µs to about 100 s.
fn latency_histogram() -> Histogram {
    Histogram::new([
        50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3,
        500e-3, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0,
    ])
}

/// All metrics of a host.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    records_in: Family<Component, Counter>,
    records_out: Family<Component, Counter>,
    bytes_out: Family<Component, Counter>,
    records_dropped: Family<WithReason, Counter>,
    errors: Family<WithClass, Counter>,
    restarts: Family<Component, Counter>,
    buffer_records: Family<Component, Level>,
    buffer_bytes: Family<Component, Level>,
    buffer_fill_ratio: Family<Component, Level>,
    blocked_seconds: Family<WithBlocker, Seconds>,
    latency_seconds: Family<Component, Histogram, fn() -> Histogram>,
    source_last_record: Family<Component, Level>,
    source_silent: Family<Component, Level>,
    spool_damaged: Family<Component, Counter>,
    spool_records_lost: Family<Component, Counter>,
    spool_unacknowledged: Family<Component, Level>,
    /// Metrics that plugins made up, by name.
    of_plugins: Mutex<HashMap<String, PluginMetric>>,
}

#[derive(Debug, Clone)]
enum PluginMetric {
    Counter(Family<Labels, Counter>),
    Gauge(Family<Labels, Level>),
}

/// Names that belong to the host, without `dataserver_`.
const HOST_METRICS: [&str; 16] = [
    "records_in",
    "records_out",
    "bytes_out",
    "records_dropped",
    "errors",
    "restarts",
    "buffer_records",
    "buffer_bytes",
    "buffer_fill_ratio",
    "blocked_seconds",
    "latency_seconds",
    "source_last_record_timestamp_seconds",
    "source_silent",
    "spool_damaged",
    "spool_records_lost",
    "spool_unacknowledged",
];

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("dataserver")),
            records_in: Family::default(),
            records_out: Family::default(),
            bytes_out: Family::default(),
            records_dropped: Family::default(),
            errors: Family::default(),
            restarts: Family::default(),
            buffer_records: Family::default(),
            buffer_bytes: Family::default(),
            buffer_fill_ratio: Family::default(),
            blocked_seconds: Family::default(),
            latency_seconds: Family::new_with_constructor(latency_histogram as fn() -> Histogram),
            source_last_record: Family::default(),
            source_silent: Family::default(),
            spool_damaged: Family::default(),
            spool_records_lost: Family::default(),
            spool_unacknowledged: Family::default(),
            of_plugins: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// The text that Prometheus reads.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = lock(&self.registry);
        // writing to a String cannot fail
        let _ = text::encode(&mut text, &registry);
        text
    }

    fn register(&self) {
        let mut registry = lock(&self.registry);
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "version of the host", Info::new(version));
        registry.register("records_in", "records taken in", self.records_in.clone());
        registry.register(
            "records_out",
            "records passed on or delivered",
            self.records_out.clone(),
        );
        registry.register("bytes_out", "payload passed on or delivered", self.bytes_out.clone());
        registry.register(
            "records_dropped",
            "records lost on purpose, by the rule that lost them",
            self.records_dropped.clone(),
        );
        registry.register("errors", "failed calls, by what follows from them", self.errors.clone());
        registry.register("restarts", "instances opened after a failure", self.restarts.clone());
        registry.register("buffer_records", "records in the queue", self.buffer_records.clone());
        registry.register("buffer_bytes", "payload in the queue", self.buffer_bytes.clone());
        registry.register(
            "buffer_fill_ratio",
            "payload in the queue against its bound",
            self.buffer_fill_ratio.clone(),
        );
        registry.register(
            "blocked_seconds",
            "time a component waited for room in the queue of another",
            self.blocked_seconds.clone(),
        );
        registry.register(
            "latency_seconds",
            "time from receipt at the source to delivery",
            self.latency_seconds.clone(),
        );
        registry.register(
            "source_last_record_timestamp_seconds",
            "when the source gave its last record",
            self.source_last_record.clone(),
        );
        registry.register(
            "source_silent",
            "1 while a source gives no records although it should",
            self.source_silent.clone(),
        );
        registry.register(
            "spool_damaged",
            "damaged places found in the buffer on disk",
            self.spool_damaged.clone(),
        );
        registry.register(
            "spool_records_lost",
            "records that damage of the buffer on disk has cost, as far as that is known",
            self.spool_records_lost.clone(),
        );
        registry.register(
            "spool_unacknowledged",
            "damaged places of the buffer on disk that nobody has acknowledged",
            self.spool_unacknowledged.clone(),
        );
    }

    /// The metrics of one component.
    pub fn component(self: &Arc<Self>, id: &str, kind: RoleKind, plugin: &str) -> ComponentMetrics {
        let labels = Component {
            component: id.to_owned(),
            kind: kind.as_str().to_owned(),
            plugin: plugin.to_owned(),
        };
        ComponentMetrics {
            records_in: self.records_in.get_or_create_owned(&labels),
            records_out: self.records_out.get_or_create_owned(&labels),
            bytes_out: self.bytes_out.get_or_create_owned(&labels),
            restarts: self.restarts.get_or_create_owned(&labels),
            buffer_records: self.buffer_records.get_or_create_owned(&labels),
            buffer_bytes: self.buffer_bytes.get_or_create_owned(&labels),
            buffer_fill_ratio: self.buffer_fill_ratio.get_or_create_owned(&labels),
            latency_seconds: self.latency_seconds.get_or_create_owned(&labels),
            source_last_record: self.source_last_record.get_or_create_owned(&labels),
            dynamic_labels: Arc::default(),
            labels,
            all: Arc::clone(self),
        }
    }
}

/// The metrics of one component.
#[derive(Debug, Clone)]
pub struct ComponentMetrics {
    /// Records taken in.
    pub records_in: Counter,
    /// Records passed on or delivered.
    pub records_out: Counter,
    /// Payload passed on or delivered.
    pub bytes_out: Counter,
    /// Instances opened after a failure.
    pub restarts: Counter,
    buffer_records: Level,
    buffer_bytes: Level,
    buffer_fill_ratio: Level,
    latency_seconds: Histogram,
    source_last_record: Level,
    dynamic_labels: Arc<Mutex<DynamicLabels>>,
    labels: Component,
    all: Arc<Metrics>,
}

/// Values of labels that are known only at run time.
#[derive(Debug, Default)]
struct DynamicLabels {
    reasons: BTreeSet<String>,
    blockers: BTreeSet<String>,
}

impl ComponentMetrics {
    /// Removes the component's metrics.
    pub fn forget(&self) {
        let Metrics { records_in, records_out, bytes_out, restarts, .. } = self.all.as_ref();
        let Metrics { spool_damaged, spool_records_lost, .. } = self.all.as_ref();
        for counters in
            [records_in, records_out, bytes_out, restarts, spool_damaged, spool_records_lost]
        {
            counters.remove(&self.labels);
        }
        let Metrics { buffer_records, buffer_bytes, buffer_fill_ratio, .. } = self.all.as_ref();
        let Metrics { source_last_record, source_silent, .. } = self.all.as_ref();
        for levels in [
            buffer_records,
            buffer_bytes,
            buffer_fill_ratio,
            source_last_record,
            source_silent,
            &self.all.spool_unacknowledged,
        ] {
            levels.remove(&self.labels);
        }
        self.all.latency_seconds.remove(&self.labels);
        for kind in [ErrorKind::Retry, ErrorKind::BadData, ErrorKind::Fatal] {
            self.all.errors.remove(&self.labels.WithClass(kind.class()));
        }
        let dynamic_labels = std::mem::take(&mut *lock(&self.dynamic_labels));
        for reason in &dynamic_labels.reasons {
            self.all.records_dropped.remove(&self.labels.WithReason(reason));
        }
        for by in &dynamic_labels.blockers {
            self.all.blocked_seconds.remove(&self.labels.WithBlocker(by));
        }
        for metric in lock(&self.all.of_plugins).values() {
            match metric {
                PluginMetric::Counter(family) => family.remove(&self.plugin_labels()),
                PluginMetric::Gauge(family) => family.remove(&self.plugin_labels()),
            };
        }
    }

    /// Counts records that a rule dropped.
    pub fn dropped(&self, reason: &str, records: u64) {
        lock(&self.dynamic_labels).reasons.insert(reason.to_owned());
        self.all.records_dropped.get_or_create(&self.labels.WithReason(reason)).inc_by(records);
    }

    /// Counts a failed call.
    pub fn error(&self, kind: ErrorKind) {
        self.all.errors.get_or_create(&self.labels.WithClass(kind.class())).inc();
    }

    /// Adds to the time that this component waited for another.
    pub fn blocked(&self, by: &str, seconds: f64) {
        lock(&self.dynamic_labels).blockers.insert(by.to_owned());
        self.all.blocked_seconds.get_or_create(&self.labels.WithBlocker(by)).inc_by(seconds);
    }

    /// Notes how long a batch took from its source to here.
    pub fn latency(&self, seconds: f64) {
        self.latency_seconds.observe(seconds);
    }

    /// Notes when the source gave a record, microseconds since 1970 UTC.
    #[allow(clippy::cast_precision_loss)]
    pub fn last_record(&self, now_us: i64) {
        self.source_last_record.set(now_us as f64 / 1e6);
    }

    /// Shows whether a source is silent although it should not be.
    pub fn silent(&self, is_silent: bool) {
        let silent = self.all.source_silent.get_or_create(&self.labels);
        silent.set(f64::from(u8::from(is_silent)));
    }

    /// Counts a damaged place of the buffer on disk, and the records that are lost with it.
    pub fn spool_damaged(&self, records: u64) {
        self.all.spool_damaged.get_or_create(&self.labels).inc();
        self.all.spool_records_lost.get_or_create(&self.labels).inc_by(records);
    }

    /// Sets the number of damaged places of the buffer on disk that are not acknowledged.
    #[allow(clippy::cast_precision_loss)]
    pub fn spool_unacknowledged(&self, places: u64) {
        self.all.spool_unacknowledged.get_or_create(&self.labels).set(places as f64);
    }

    /// Shows how full the component's queue is.
    #[allow(clippy::cast_precision_loss)]
    pub fn buffer(&self, records: u64, bytes: u64, max_bytes: u64) {
        self.buffer_records.set(records as f64);
        self.buffer_bytes.set(bytes as f64);
        self.buffer_fill_ratio.set(bytes as f64 / max_bytes.max(1) as f64);
    }

    /// Adds to a counter of the plugin's own; false when the name is taken by something else.
    pub fn count(&self, name: &str, by: u64) -> bool {
        let name = name.strip_suffix("_total").unwrap_or(name);
        let make = || PluginMetric::Counter(Family::default());
        match self.of_plugin(name, make) {
            Some(PluginMetric::Counter(family)) => {
                family.get_or_create(&self.plugin_labels()).inc_by(by);
                true
            }
            _ => false,
        }
    }

    /// Sets a gauge of the plugin's own; false when the name is taken by something else.
    pub fn gauge(&self, name: &str, value: f64) -> bool {
        // as which counters and histograms are shown
        let is_part = ["_total", "_bucket", "_sum", "_count", "_info", "_created"];
        if is_part.iter().any(|suffix| name.ends_with(suffix)) {
            return false;
        }
        match self.of_plugin(name, || PluginMetric::Gauge(Family::default())) {
            Some(PluginMetric::Gauge(family)) => {
                family.get_or_create(&self.plugin_labels()).set(value);
                true
            }
            _ => false,
        }
    }

    fn of_plugin(&self, name: &str, make: impl FnOnce() -> PluginMetric) -> Option<PluginMetric> {
        let valid = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !valid || HOST_METRICS.contains(&name) {
            return None;
        }
        let mut metrics = lock(&self.all.of_plugins);
        let metric = metrics.entry(name.to_owned()).or_insert_with(|| {
            let metric = make();
            let mut registry = lock(&self.all.registry);
            match &metric {
                PluginMetric::Counter(family) => {
                    registry.register(name, "counted by a plugin", family.clone());
                }
                PluginMetric::Gauge(family) => {
                    registry.register(name, "measured by a plugin", family.clone());
                }
            }
            metric
        });
        Some(metric.clone())
    }

    fn plugin_labels(&self) -> Labels {
        let Component { component, kind, plugin } = self.labels.clone();
        [("component", component), ("kind", kind), ("plugin", plugin)]
            .map(|(label, value)| (label.to_owned(), value))
            .to_vec()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_names_and_labels_that_dashboards_know() {
        let metrics = Arc::new(Metrics::default());
        let lake = metrics.component("lake", RoleKind::Sink, "parquet");
        lake.records_in.inc_by(3);
        lake.dropped("drop_oldest", 2);
        lake.error(ErrorKind::Retry);
        lake.blocked("feed", 0.5);
        lake.latency(0.001);
        lake.buffer(1, 50, 100);
        assert!(lake.count("files_closed_total", 4));
        assert!(lake.gauge("open_files", 2.0));
        let text = metrics.encode();
        let labels = r#"component="lake",kind="sink",plugin="parquet""#;
        for line in [
            format!("dataserver_records_in_total{{{labels}}} 3"),
            format!("dataserver_records_dropped_total{{{labels},reason=\"drop_oldest\"}} 2"),
            format!("dataserver_errors_total{{{labels},class=\"retryable\"}} 1"),
            format!("dataserver_blocked_seconds_total{{{labels},by=\"feed\"}} 0.5"),
            format!("dataserver_latency_seconds_bucket{{le=\"0.001\",{labels}}} 1"),
            format!("dataserver_buffer_fill_ratio{{{labels}}} 0.5"),
            format!("dataserver_files_closed_total{{{labels}}} 4"),
            format!("dataserver_open_files{{{labels}}} 2.0"),
            format!("dataserver_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        ] {
            assert!(text.contains(&line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_component_that_is_gone_is_shown_no_more() {
        let metrics = Arc::new(Metrics::default());
        let stays = metrics.component("stays", RoleKind::Sink, "null");
        let goes = metrics.component("goes", RoleKind::Sink, "null");
        for component in [&stays, &goes] {
            component.records_in.inc();
            component.dropped("latest", 2);
            component.error(ErrorKind::Fatal);
            component.blocked("feed", 0.5);
            component.latency(0.001);
            component.buffer(1, 50, 100);
            component.last_record(1);
            assert!(component.count("rows", 4) && component.gauge("open_files", 2.0));
        }
        goes.forget();
        let text = metrics.encode();
        assert!(!text.contains("\"goes\""), "{text}");
        assert_eq!(text.matches("_total{component=\"stays\"").count(), 8, "{text}");
    }

    #[test]
    fn a_plugin_cannot_take_a_name_of_the_host() {
        let metrics = Arc::new(Metrics::default());
        let sink = metrics.component("lake", RoleKind::Sink, "parquet");
        assert!(!sink.count("records_in_total", 1));
        assert!(!sink.gauge("no spaces", 1.0));
        for shown in ["records_in_total", "latency_seconds_count", "build_info"] {
            assert!(!sink.gauge(shown, 1.0), "{shown} would be there twice");
        }
        assert!(sink.count("rows_total", 1) && !sink.gauge("rows", 1.0));
    }
}
