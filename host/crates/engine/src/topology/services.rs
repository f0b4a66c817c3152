//! Host services of one component.

use std::{sync::Arc, time::Duration};

use dataserver_loader::NullHost;
use plugin_api::{HostServices, Level, Report};

use crate::{
    clock::{Clock, SystemClock},
    dead_letter::DeadLetters,
    shutdown::Shutdown,
    telemetry::ComponentStatus,
};

/// Implements [`HostServices`] for a component.
#[derive(Debug)]
pub struct Services {
    /// The component.
    pub status: Arc<ComponentStatus>,
    /// Tells it to end.
    pub shutdown: Arc<Shutdown>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Its dead letters.
    pub dead_letters: Arc<DeadLetters>,
}

impl HostServices for Services {
    fn log(&self, level: Level, message: &str) {
        let component = self.status.id.as_str();
        let is_failure = matches!(level, Level::Error | Level::Warn);
        let left_out = if is_failure { self.status.admit_to_log(message) } else { Some(None) };
        let Some(left_out) = left_out else { return };
        match level {
            Level::Error => tracing::error!(component, left_out, "{message}"),
            Level::Warn => tracing::warn!(component, left_out, "{message}"),
            Level::Info => tracing::info!(component, "{message}"),
            Level::Debug => tracing::debug!(component, "{message}"),
        }
    }

    fn dropped(&self, reason: &str, records: u64) {
        self.status.note_dropped(reason, records);
    }

    fn count(&self, metric: &str, by: u64) {
        if !self.status.metrics.count(metric, by) {
            self.refuse(metric);
        }
    }

    fn gauge(&self, metric: &str, value: f64) {
        if !self.status.metrics.gauge(metric, value) {
            self.refuse(metric);
        }
    }

    fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    fn is_stopping(&self) -> bool {
        self.shutdown.is_stopping()
    }

    fn expect_records(&self, within: Option<Duration>) {
        self.status.expect_records(within);
    }

    fn dead_letter(&self, reason: &str, payload: &[u8]) {
        if let Err(error) = self.dead_letters.write(reason, payload) {
            self.status.note_dropped("dead_letter_failed", 1);
            let text = format!("a dead letter could not be written and is lost: {error}");
            self.log(Level::Error, &text);
        }
    }

    fn report(&self, report: &Report) {
        self.status.note_report(report);
    }
}

impl Services {
    fn refuse(&self, metric: &str) {
        let component = self.status.id.as_str();
        tracing::debug!(
            component,
            metric,
            "the plugin's metric has a name that is taken or invalid"
        );
    }
}

/// Host services of a component that is checked, not run: nothing but the clock.
pub fn null_host() -> Arc<NullHost> {
    Arc::new(NullHost { now_us: || SystemClock.now_us() })
}
