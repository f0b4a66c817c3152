//! Counters, gauges and histograms, as `/metrics` shows them.
//!
//! One registry a host, so that two hosts in one process do not mix. A component looks its own
//! metrics up once, at its start, and updates them once a batch.

mod counted;

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use plugin_api::{ErrorKind, RoleKind};

use super::{
    labels::{Component, DynamicLabels, WithBlocker, WithClass, WithReason},
    table::{Families, Level, ROWS, Series},
};

type Labels = Vec<(String, String)>;

/// All metrics of a host.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    families: Families,
    /// Metrics that plugins made up, by name.
    of_plugins: Mutex<HashMap<String, PluginMetric>>,
}

#[derive(Debug, Clone)]
enum PluginMetric {
    Counter(Family<Labels, Counter>),
    Gauge(Family<Labels, Level>),
}

impl Default for Metrics {
    fn default() -> Self {
        let (mut registry, families) = (Registry::with_prefix("dataserver"), Families::default());
        families.register(&mut registry);
        Self { registry: Mutex::new(registry), families, of_plugins: Mutex::default() }
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

    /// The metrics of one component.
    pub fn component(self: &Arc<Self>, id: &str, kind: RoleKind, plugin: &str) -> ComponentMetrics {
        let labels = Component {
            component: id.to_owned(),
            kind: kind.as_str().to_owned(),
            plugin: plugin.to_owned(),
        };
        ComponentMetrics {
            series: self.families.series(&labels),
            dynamic_labels: Arc::default(),
            batches: Arc::default(),
            labels,
            all: Arc::clone(self),
        }
    }
}

/// The metrics of one component.
#[derive(Debug, Clone)]
pub struct ComponentMetrics {
    series: Series,
    dynamic_labels: Arc<Mutex<DynamicLabels>>,
    /// Batches with records that a source gave.
    batches: Arc<AtomicU64>,
    labels: Component,
    all: Arc<Metrics>,
}

impl Deref for ComponentMetrics {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.series
    }
}

impl ComponentMetrics {
    /// Removes the component's metrics.
    pub fn forget(&self) {
        let dynamic_labels = std::mem::take(&mut *lock(&self.dynamic_labels));
        self.all.families.forget(&self.labels, &dynamic_labels);
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
        let labels = WithReason::of(&self.labels, reason);
        self.all.families.records_dropped.get_or_create(&labels).inc_by(records);
    }

    /// Shows whether the component is paused.
    pub fn paused(&self, is_paused: bool) {
        self.component_paused.set(f64::from(u8::from(is_paused)));
    }

    /// Counts a failed call.
    pub fn error(&self, kind: ErrorKind) {
        let labels = WithClass::of(&self.labels, kind.class());
        self.all.families.errors.get_or_create(&labels).inc();
    }

    /// Adds to the time that this component waited for another.
    pub fn blocked(&self, by: &str, seconds: f64) {
        lock(&self.dynamic_labels).blockers.insert(by.to_owned());
        let labels = WithBlocker::of(&self.labels, by);
        self.all.families.blocked_seconds.get_or_create(&labels).inc_by(seconds);
    }

    /// Notes how long a batch took from its source to here.
    pub fn latency(&self, seconds: f64) {
        self.latency_seconds.observe(seconds);
    }

    /// Notes when the source gave a batch with records, microseconds since 1970 UTC.
    #[allow(clippy::cast_precision_loss)]
    pub fn last_record(&self, now_us: i64) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.source_last_record.set(now_us as f64 / 1e6);
    }

    /// Shows whether a source is silent although it should not be.
    pub fn silent(&self, is_silent: bool) {
        let silent = self.all.families.source_silent.get_or_create(&self.labels);
        silent.set(f64::from(u8::from(is_silent)));
    }

    /// Shows how much of the last day that is over is complete, from 0 to 1.
    pub fn day_completeness(&self, ratio: f64) {
        self.all.families.day_completeness_ratio.get_or_create(&self.labels).set(ratio);
    }

    /// Counts records that passed the observer unseen.
    pub fn unseen(&self, records: u64) {
        self.all.families.records_unseen.get_or_create(&self.labels).inc_by(records);
    }

    /// Counts a damaged place of the buffer on disk, and the records that are lost with it.
    pub fn spool_damaged(&self, records: u64) {
        self.all.families.spool_damaged.get_or_create(&self.labels).inc();
        self.all.families.spool_records_lost.get_or_create(&self.labels).inc_by(records);
    }

    /// Sets the number of damaged places of the buffer on disk that are not acknowledged.
    #[allow(clippy::cast_precision_loss)]
    pub fn spool_unacknowledged(&self, places: u64) {
        self.all.families.spool_unacknowledged.get_or_create(&self.labels).set(places as f64);
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
        if !valid || ROWS.iter().any(|row| row.name == name) {
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
    use std::collections::BTreeMap;

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
    fn the_host_reads_what_was_counted_and_shows_nothing_more_by_that() {
        let metrics = Arc::new(Metrics::default());
        let day = metrics.component("day", RoleKind::Source, "qq");
        let before = metrics.encode();
        assert_eq!((day.errors_of(ErrorKind::Fatal), day.counted("denied")), (0, 0));
        assert_eq!((day.batches(), day.measured("expected"), day.is_silent()), (0, None, false));
        assert!(day.dropped_by().is_empty());
        assert_eq!(metrics.encode(), before);
        day.dropped("latest", 2);
        day.dropped("gave_up", 3);
        day.error(ErrorKind::Panic);
        day.last_record(1);
        day.silent(true);
        assert!(day.count("denied_total", 4) && day.gauge("expected", 5.0));
        let dropped = BTreeMap::from([("gave_up".to_owned(), 3), ("latest".to_owned(), 2)]);
        assert_eq!(day.dropped_by(), dropped);
        assert_eq!((day.errors_of(ErrorKind::Fatal), day.counted("denied")), (1, 4));
        assert_eq!(
            (day.batches(), day.measured("expected"), day.is_silent()),
            (1, Some(5.0), true)
        );
        // of another component, and as another type
        let lake = metrics.component("lake", RoleKind::Sink, "parquet");
        assert_eq!((lake.counted("denied"), lake.measured("denied")), (0, None));
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
