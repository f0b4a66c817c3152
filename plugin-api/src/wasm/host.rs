//! The lent host behind the author's [`Context`].

use std::{sync::Arc, time::Duration};

use super::bindings::{clock, host, log, metrics, reports, types::Instance};
use crate::{Context, HostServices, Level, Report, export};

struct LentHost;

impl HostServices for LentHost {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Error => log::Level::Error,
            Level::Warn => log::Level::Warn,
            Level::Info => log::Level::Info,
            Level::Debug => log::Level::Debug,
        };
        log::write(level, message);
    }

    fn dropped(&self, reason: &str, records: u64) {
        metrics::dropped(reason, records);
    }

    fn count(&self, metric: &str, by: u64) {
        metrics::count(metric, by);
    }

    fn gauge(&self, metric: &str, value: f64) {
        metrics::gauge(metric, value);
    }

    fn now_us(&self) -> i64 {
        clock::now_us()
    }

    fn is_stopping(&self) -> bool {
        host::is_stopping()
    }

    fn expect_records(&self, within: Option<Duration>) {
        let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
        host::expect_records(within.map(micros));
    }

    fn dead_letter(&self, reason: &str, payload: &[u8]) {
        host::dead_letter(reason, payload);
    }

    fn report(&self, report: &Report) {
        reports::report(&export::report(report));
    }
}

impl From<Instance> for Context {
    /// Relative paths stay as they are: granted folders carry the names under which they stand in
    /// the pipeline file.
    fn from(instance: Instance) -> Self {
        Self::new(instance.id, "", instance.state_dir.unwrap_or_default(), Arc::new(LentHost))
    }
}
