//! What the metrics of a component stand at, for the host itself to read.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use plugin_api::ErrorKind;

use super::{ComponentMetrics, PluginMetric, lock};
use crate::telemetry::labels::{WithClass, WithReason};

impl ComponentMetrics {
    /// Batches with records that a source gave.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Records that were dropped, by reason.
    pub fn dropped_by(&self) -> BTreeMap<String, u64> {
        let reasons = lock(&self.dynamic_labels).reasons.clone();
        let count = |reason: String| {
            let labels = WithReason::of(&self.labels, &reason);
            let records = self.all.families.records_dropped.get(&labels)?.get();
            Some((reason, records))
        };
        reasons.into_iter().filter_map(count).collect()
    }

    /// Failed calls so far, by class.
    pub fn errors_by(&self) -> BTreeMap<&'static str, u64> {
        let count = |kind: ErrorKind| {
            let labels = WithClass::of(&self.labels, kind.class());
            let errors = self.all.families.errors.get(&labels)?.get();
            Some((kind.class(), errors))
        };
        let kinds = [ErrorKind::Retry, ErrorKind::BadData, ErrorKind::Fatal];
        kinds.into_iter().filter_map(count).collect()
    }

    /// Failed calls of that kind's class.
    pub fn errors_of(&self, kind: ErrorKind) -> u64 {
        let labels = WithClass::of(&self.labels, kind.class());
        self.all.families.errors.get(&labels).map_or(0, |errors| errors.get())
    }

    /// Whether a source is silent although it should not be.
    pub fn is_silent(&self) -> bool {
        let silent = self.all.families.source_silent.get(&self.labels);
        silent.is_some_and(|silent| silent.get() > 0.5)
    }

    /// What a counter of the plugin's own stands at, by its name without `_total`.
    pub fn counted(&self, name: &str) -> u64 {
        match lock(&self.all.of_plugins).get(name) {
            Some(PluginMetric::Counter(family)) => {
                family.get(&self.plugin_labels()).map_or(0, |counter| counter.get())
            }
            _ => 0,
        }
    }

    /// What a gauge of the plugin's own stands at, if it was ever set.
    pub fn measured(&self, name: &str) -> Option<f64> {
        match lock(&self.all.of_plugins).get(name) {
            Some(PluginMetric::Gauge(family)) => {
                family.get(&self.plugin_labels()).map(|gauge| gauge.get())
            }
            _ => None,
        }
    }
}
