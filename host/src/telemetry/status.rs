//! What each component is doing, for `/health`, the watchdog and the summary.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use plugin_api::{ErrorKind, PluginError, RoleKind};

use super::{ComponentMetrics, throttle::Throttle};

/// What a component is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its plugin is being opened, or the server it needs is away.
    Starting,
    /// It works.
    Running,
    /// It waits before it tries a failed call again.
    Retrying,
    /// Its instance failed; a new one is opened after a pause.
    Restarting,
    /// A call into the plugin does not come back.
    Stuck,
    /// It gave up.
    Failed,
    /// It has ended in order.
    Ended,
}

impl State {
    /// The name that `/health` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Restarting => "restarting",
            Self::Stuck => "stuck",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }

    /// Whether the component does its work.
    pub fn is_healthy(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Ended)
    }
}

/// Latencies above count as this: a day.
const LONGEST_LATENCY_US: u64 = 86_400_000_000;

/// What is known of one component.
#[derive(Debug)]
pub struct ComponentStatus {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: RoleKind,
    /// Its plugin's id.
    pub plugin: String,
    /// Its metrics.
    pub metrics: ComponentMetrics,
    dropped: AtomicU64,
    errors: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// What it was doing when the call that is stuck began.
    before_stuck: State,
    last_error: Option<String>,
    call: Option<(&'static str, Instant)>,
    latency_us: Histogram<u64>,
    log: Throttle,
}

impl ComponentStatus {
    /// A component that starts.
    pub fn new(id: &str, kind: RoleKind, plugin: &str, metrics: ComponentMetrics) -> Arc<Self> {
        let latency_us = Histogram::new_with_bounds(1, LONGEST_LATENCY_US, 2)
            .unwrap_or_else(|_| unreachable!("the bounds and digits are constants in range"));
        Arc::new(Self {
            id: id.to_owned(),
            kind,
            plugin: plugin.to_owned(),
            metrics,
            dropped: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                state: State::Starting,
                before_stuck: State::Starting,
                last_error: None,
                call: None,
                latency_us,
                log: Throttle::default(),
            }),
        })
    }

    /// What the component is doing.
    pub fn state(&self) -> State {
        self.lock().state
    }

    /// Moves to another state.
    pub fn set_state(&self, state: State) {
        self.lock().state = state;
    }

    /// The last error, if there was one.
    pub fn last_error(&self) -> Option<String> {
        self.lock().last_error.clone()
    }

    /// Counts a failed call and keeps its text.
    pub fn note_error(&self, error: &PluginError) {
        self.note_error_kind(error.kind, error.to_string());
    }

    /// Counts a failure that did not come from a call.
    pub fn note_error_kind(&self, kind: ErrorKind, text: String) {
        self.metrics.error(kind);
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.lock().last_error = Some(text);
    }

    /// Whether a warning or error is worth a line in the log; if so, how many were left out since
    /// the last one, unless none was.
    pub fn admit_to_log(&self, text: &str) -> Option<Option<u64>> {
        let left_out = self.lock().log.admit(text, Instant::now())?;
        Some((left_out > 0).then_some(left_out))
    }

    /// Counts records that were dropped.
    pub fn note_dropped(&self, reason: &str, records: u64) {
        if records > 0 {
            self.metrics.dropped(reason, records);
            self.dropped.fetch_add(records, Ordering::Relaxed);
        }
    }

    /// Notes how long a batch took from its source to here, both microseconds since 1970 UTC.
    ///
    /// One that no source received, because a transform's clock made it, has no latency.
    pub fn note_latency(&self, received_at_us: i64, now_us: i64) {
        if received_at_us <= 0 {
            return;
        }
        let latency_us = u64::try_from(now_us.saturating_sub(received_at_us)).unwrap_or(0);
        #[allow(clippy::cast_precision_loss)]
        self.metrics.latency(latency_us as f64 / 1e6);
        self.lock().latency_us.saturating_record(latency_us);
    }

    /// Records dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Failed calls so far.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Latency in microseconds below which that share of batches stayed; `None` without a batch.
    pub fn latency_us(&self, quantile: f64) -> Option<u64> {
        let inner = self.lock();
        (!inner.latency_us.is_empty()).then(|| inner.latency_us.value_at_quantile(quantile))
    }

    /// Notes that a call into the plugin runs, until the guard is dropped.
    pub fn enter(self: &Arc<Self>, call: &'static str) -> CallGuard {
        self.lock().call = Some((call, Instant::now()));
        CallGuard(Arc::clone(self))
    }

    /// Calls the component stuck when the call that runs has taken longer than `limit`; the first
    /// time, which call it is and for how long it has run.
    pub fn find_stuck(&self, limit: Duration) -> Option<(&'static str, Duration)> {
        let mut inner = self.lock();
        let (call, running) = inner.call.map(|(call, since)| (call, since.elapsed()))?;
        if running <= limit || inner.state == State::Stuck {
            return None;
        }
        inner.before_stuck = inner.state;
        inner.state = State::Stuck;
        Some((call, running))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call into a plugin that runs.
#[derive(Debug)]
pub struct CallGuard(Arc<ComponentStatus>);

impl Drop for CallGuard {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.call = None;
        if inner.state == State::Stuck {
            inner.state = inner.before_stuck;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn latencies_keep_their_size_from_microseconds_to_a_day() {
        let metrics = Arc::new(Metrics::default());
        let of_component = metrics.component("lake", RoleKind::Sink, "parquet");
        let status = ComponentStatus::new("lake", RoleKind::Sink, "parquet", of_component);
        assert_eq!(status.latency_us(0.5), None);
        for latency_us in [10, 100_000, 200_000, 90 * 86_400_000_000] {
            status.note_latency(1, 1 + latency_us);
        }
        let near = |found: Option<u64>, wanted: u64| {
            found.is_some_and(|it| it.abs_diff(wanted) <= wanted / 50)
        };
        assert!(near(status.latency_us(0.25), 10));
        assert!(near(status.latency_us(0.5), 100_000));
        assert!(near(status.latency_us(1.0), LONGEST_LATENCY_US));
    }
}
