//! The metrics of the host, one entry each.
//!
//! An entry gives the family of a metric, its name and help, whether it is there from a
//! component's start, what is removed with the component, and its row in docs/METRICS.md.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use super::labels::{Component, DynamicLabels, LabelSet, WithBlocker, WithClass, WithReason};

type Seconds = Counter<f64, AtomicU64>;
/// A gauge of any unit.
pub(super) type Level = Gauge<f64, AtomicU64>;

/// What the reference says of a metric.
#[derive(Debug)]
pub(super) struct Row {
    /// Without `dataserver_` and without the suffix that its type adds.
    pub name: &'static str,
    /// As OpenMetrics calls it: `counter`, `gauge`, `histogram`, `info`.
    pub metric_type: &'static str,
    pub unit: &'static str,
    /// Labels besides those of its component.
    pub further_labels: &'static str,
    pub meaning: &'static str,
    /// What can be told from it.
    pub use_of_it: &'static str,
}

/// The one metric that is of no component.
pub(super) const BUILD: Row = Row {
    name: "build",
    metric_type: "info",
    unit: "always 1",
    further_labels: "`version`, alone",
    meaning: "version of the host",
    use_of_it: "which version runs, e.g. after an update",
};

/// A type that a metric in the table has.
trait MetricType: Sized {
    /// As OpenMetrics calls it.
    const NAME: &'static str;

    fn empty() -> Self;
}

impl MetricType for Counter {
    const NAME: &'static str = "counter";

    fn empty() -> Self {
        Self::default()
    }
}

impl MetricType for Seconds {
    const NAME: &'static str = "counter";

    fn empty() -> Self {
        Self::default()
    }
}

impl MetricType for Level {
    const NAME: &'static str = "gauge";

    fn empty() -> Self {
        Self::default()
    }
}

impl MetricType for Histogram {
    const NAME: &'static str = "histogram";

    /// With buckets from 50 µs to about 100 s.
    fn empty() -> Self {
        Histogram::new([
            50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3,
            500e-3, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0,
        ])
    }
}

/// An entry: name, type, labels, help, and the rest of its row. One with `as` is there from a
/// component's start, as that field of its [`Series`].
macro_rules! host_metrics {
    ($(
        $name:ident $(as $vis:vis $field:ident)?, $metric:ty, $labels:ty, $help:literal,
        $unit:literal, $further_labels:literal, $meaning:literal, $use_of_it:literal;
    )*) => {
        /// The families of all components.
        #[derive(Debug)]
        pub(super) struct Families {
            $(pub $name: Family<$labels, $metric>,)*
        }

        /// The metrics of a component that are there from its start.
        #[derive(Debug, Clone)]
        pub struct Series {
            $($(
                #[doc = $help]
                $vis $field: $metric,
            )?)*
        }

        /// All metrics of components, in order.
        pub(super) const ROWS: &[Row] = &[$(
            Row {
                name: stringify!($name),
                metric_type: <$metric as MetricType>::NAME,
                unit: $unit,
                further_labels: $further_labels,
                meaning: $meaning,
                use_of_it: $use_of_it,
            },
        )*];

        impl Default for Families {
            fn default() -> Self {
                Self {
                    $($name: Family::new_with_constructor(
                        <$metric as MetricType>::empty as fn() -> $metric,
                    ),)*
                }
            }
        }

        impl Families {
            /// Registers all of them, and the version of the host.
            pub fn register(&self, registry: &mut Registry) {
                let version = vec![("version", env!("CARGO_PKG_VERSION"))];
                registry.register(BUILD.name, BUILD.meaning, Info::new(version));
                $(registry.register(stringify!($name), $help, self.$name.clone());)*
            }

            /// The series of a component, made where they are not there yet.
            pub fn series(&self, component: &Component) -> Series {
                Series { $($($field: self.$name.get_or_create_owned(component),)?)* }
            }

            /// Removes all series of a component.
            pub fn forget(&self, component: &Component, dynamic: &DynamicLabels) {
                $(for labels in <$labels as LabelSet>::all_of(component, dynamic) {
                    self.$name.remove(&labels);
                })*
            }
        }
    };
}

host_metrics! {
    records_in as pub records_in, Counter, Component, "records taken in", "records", "", "what a source gave, what a transform or sink took from its queue", "a source at a standstill; a sink that falls behind the others of the same input";
    records_out as pub records_out, Counter, Component, "records passed on or delivered", "records", "", "what a source or transform passed on, once whatever the number of readers; what a sink has delivered", "against `records_in_total`: what a transform filters, what a sink holds back or could not deliver yet";
    bytes_out as pub bytes_out, Counter, Component, "payload passed on or delivered", "bytes of payload", "", "the same in bytes", "volume, for the size of disks and networks";
    records_dropped, Counter, WithReason, "records lost on purpose, by the rule that lost them", "records; *later*", "`reason`", "records that are lost on purpose, at the component that dropped them or before which they were dropped; reasons below and with the plugins", "anything but `latest` is worth a look";
    errors, Counter, WithClass, "failed calls, by what follows from them", "failed calls; *later*", "`class`: `retryable`, `bad_data`, `fatal`", "calls into the plugin that failed, faults and damage of the queue on disk among them", "`retryable` that grows: a server is away; `bad_data`: records were refused; `fatal`: the instance is replaced";
    restarts as pub restarts, Counter, Component, "instances opened after a failure", "instances", "", "instances that were given up after a fatal error or panic, and replaced after a pause", "a plugin that fails again and again; the log has the cause";
    component_paused as pub(super) component_paused, Level, Component, "1 while somebody has paused the component", "0 or 1", "", "1 while the component is paused: a source is not asked, others take nothing from their queue", "a pause that somebody forgot";
    buffer_records as pub(super) buffer_records, Level, Component, "records in the queue", "records", "", "records in the queue before the component, those under way among them; 0 for a source", "backlog";
    buffer_bytes as pub(super) buffer_bytes, Level, Component, "payload in the queue", "bytes of payload", "", "the same in bytes", "backlog";
    buffer_fill_ratio as pub(super) buffer_fill_ratio, Level, Component, "payload in the queue against its bound", "0 to 1, a little more at times", "", "`buffer_bytes` against `buffer.max_bytes`", "near 1 the writers wait or records are dropped, as `when_full` says";
    blocked_seconds, Seconds, WithBlocker, "time a component waited for room in the queue of another", "seconds; *later*", "`by`: the reader with the full queue", "how long the component waited for room in the queue of another, or for its disk", "the component named in `by` is what slows the pipeline; grows at 1 a second while nothing moves";
    latency_seconds as pub(super) latency_seconds, Histogram, Component, "time from receipt at the source to delivery", "seconds; 50 µs to 100 s", "`le` of the buckets", "at sinks: from receipt at the source to delivery, one value a batch. Empty for others, and without those that no source received", "how old data is in a store; includes time in the spool, so it rises after an outage";
    source_last_record_timestamp_seconds as pub(super) source_last_record, Level, Component, "when the source gave its last record", "seconds since 1970 UTC", "", "when a source gave its last record; 0 before the first and for other kinds", "its age, with `kind=\"source\"`, is how long nothing has come";
    source_silent, Level, Component, "1 while a source gives no records although it should", "0 or 1; *later*", "", "1 while a source gives no records for longer than it has promised, in the middle of a session", "the feed is dead although nothing failed; `/health` says `silent`";
    records_unseen, Counter, Component, "records that passed the observer unseen", "records; *later*", "", "records of the component's output that `/api/quotes`, the pages or, while somebody watches it, `tap` did not see, because the observer may use little of the processors' time; sinks had them", "grows while far more passes than a market gives, as in a replay at full speed";
    spool_damaged, Counter, Component, "damaged places found in the buffer on disk", "places; *later*", "", "damaged places found in the queue on disk by this host", "the disk or the file system has a fault";
    spool_records_lost, Counter, Component, "records that damage of the buffer on disk has cost, as far as that is known", "records; *later*", "", "records that these have cost, an estimate where the log says \"about\"; what a source sends again is not taken off", "the size of the loss";
    spool_unacknowledged, Level, Component, "damaged places of the buffer on disk that nobody has acknowledged", "places; sinks with a queue on disk", "", "damaged places that nobody has acknowledged, also those of earlier hosts", "above 0 `/health` says `degraded`, until `dataserver spool acknowledge`";
    day_completeness_ratio, Level, Component, "complete securities of the last day that is over against those expected", "0 to 1; the sink that keeps account of days; *later*", "", "securities that are complete on the last trading day that is over, against those expected; a day is over a quarter of an hour after its close, and one on which no host ran is passed over", "below 1 a day has gaps, which `dataserver days` lists; rises when they are filled";
}
