//! What each component is doing, for `/health`, the watchdog and the summary.

use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dataserver_spool::{Finding, Unacknowledged};
use hdrhistogram::Histogram;
use plugin_api::{ErrorKind, PluginError, RoleKind};

use super::{ComponentMetrics, throttle::Throttle};

/// What a component is doing.
///
/// Of several workers the component shows the last in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It ended normally.
    Ended,
    /// Its plugin is being opened, or the server it needs is away.
    Starting,
    /// It works.
    Running,
    /// It works, but the disk of its queue fails and writers wait, or damage there lost records and
    /// is not acknowledged.
    Degraded,
    /// It gives no records although it should.
    Silent,
    /// It waits before it tries a failed call again.
    Retrying,
    /// Its instance failed; a new one is opened after a pause.
    Restarting,
    /// A call into the plugin does not return.
    Stuck,
    /// It gave up.
    Failed,
}

impl State {
    /// The name that `/health` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Silent => "silent",
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

/// A worker thread of a component.
#[derive(Debug)]
struct Worker {
    /// A thread updates it.
    in_use: bool,
    state: State,
    /// What it was doing when the call that is stuck began.
    before_stuck: State,
    call: Option<(&'static str, Instant)>,
}

impl Default for Worker {
    fn default() -> Self {
        Self { in_use: true, state: State::Starting, before_stuck: State::Starting, call: None }
    }
}

/// The part of a component's status that one worker thread updates.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    component: Arc<ComponentStatus>,
    worker: usize,
}

/// Latencies above count as this: a day.
const MAX_LATENCY_US: u64 = 86_400_000_000;

/// Status of one component.
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
    workers: Vec<Worker>,
    /// What is wrong with the disk of its queue.
    disk_fault: Option<String>,
    /// An instance has been open.
    was_open: bool,
    /// What is damaged in its queue on disk.
    damage: Unacknowledged,
    last_error: Option<String>,
    /// How long a source may be silent, and since when that holds.
    expected: Option<(Duration, Instant)>,
    last_record: Option<Instant>,
    is_silent: bool,
    latency_us: Histogram<u64>,
    log: Throttle,
}

impl ComponentStatus {
    /// A component that starts.
    pub fn new(id: &str, kind: RoleKind, plugin: &str, metrics: ComponentMetrics) -> Arc<Self> {
        let latency_us = Histogram::new_with_bounds(1, MAX_LATENCY_US, 2)
            .unwrap_or_else(|_| unreachable!("the bounds and digits are constants in range"));
        Arc::new(Self {
            id: id.to_owned(),
            kind,
            plugin: plugin.to_owned(),
            metrics,
            dropped: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                workers: Vec::new(),
                disk_fault: None,
                was_open: false,
                damage: Unacknowledged::default(),
                last_error: None,
                expected: None,
                last_record: None,
                is_silent: false,
                latency_us,
                log: Throttle::default(),
            }),
        })
    }

    /// Adds a worker thread, until it [retires].
    ///
    /// [retires]: WorkerStatus::retire
    pub fn join(self: &Arc<Self>) -> WorkerStatus {
        let mut inner = self.lock();
        let free = inner.workers.iter().position(|worker| !worker.in_use);
        let worker = free.unwrap_or(inner.workers.len());
        match inner.workers.get_mut(worker) {
            Some(slot) => *slot = Worker::default(),
            None => inner.workers.push(Worker::default()),
        }
        WorkerStatus { component: Arc::clone(self), worker }
    }

    /// What the component is doing.
    pub fn state(&self) -> State {
        let inner = self.lock();
        let state = inner.workers.iter().map(|worker| worker.state).max();
        let state = state.unwrap_or(State::Starting);
        if state == State::Ended {
            return state;
        }
        let is_degraded = inner.disk_fault.is_some() || inner.damage.places > 0;
        let degraded = is_degraded.then_some(State::Degraded);
        let silent = inner.is_silent.then_some(State::Silent);
        degraded.into_iter().chain(silent).fold(state, State::max)
    }

    /// Whether its plugin is being opened for the first time.
    pub fn is_new(&self) -> bool {
        let was_open = self.lock().was_open;
        !was_open && self.state() == State::Starting
    }

    /// Notes what is wrong with the disk of the component's queue, or that it works again.
    pub fn note_disk(&self, fault: Option<&str>) {
        let was = std::mem::replace(&mut self.lock().disk_fault, fault.map(str::to_owned));
        let component = self.id.as_str();
        match fault {
            Some(fault) => {
                self.note_error_kind(ErrorKind::Retry, format!("buffer on disk: {fault}"));
                let Some(left_out) = self.admit_to_log(fault) else { return };
                tracing::error!(
                    component,
                    left_out,
                    "buffer on disk: {fault}; writers wait: free space or mend the disk of data_dir"
                );
            }
            None if was.is_some() => tracing::info!(component, "the buffer on disk works again"),
            None => {}
        }
    }

    /// Logs damage in the component's queue on disk, and counts it.
    pub fn note_damage(&self, finding: &Finding) {
        let Finding { file, stretch, note, kept } = finding;
        self.metrics.spool_damaged(stretch.records);
        let kept = match kept {
            Ok(path) => path.display().to_string(),
            Err(why) => format!("not kept: {why}"),
        };
        let text = finding.text();
        self.note_error_kind(ErrorKind::BadData, format!("buffer on disk: {text}"));
        tracing::error!(
            component = self.id,
            file = %file.display(),
            at = stretch.at,
            bytes = stretch.bytes,
            batches_lost = stretch.batches,
            records_lost = stretch.records,
            is_exact = stretch.is_exact,
            note = (!note.is_empty()).then_some(note.as_str()),
            kept,
            "the buffer on disk is damaged: {text}; `dataserver spool acknowledge` says that it is \
             known"
        );
    }

    /// Sets the unacknowledged damage of the component's queue on disk.
    pub fn set_damage(&self, damage: Unacknowledged) {
        self.metrics.spool_unacknowledged(damage.places);
        self.lock().damage = damage;
    }

    /// What is damaged in the component's queue on disk and not acknowledged.
    pub fn damage(&self) -> Unacknowledged {
        self.lock().damage
    }

    /// Notes how long a source may be silent from now on; `None` when silence is normal.
    pub fn expect_records(&self, within: Option<Duration>) {
        let mut inner = self.lock();
        let since = inner.expected.map_or_else(Instant::now, |(_, since)| since);
        inner.expected = within.map(|within| (within, since));
    }

    /// Notes that a source gave a record.
    pub fn note_record(&self, received_at_us: i64) {
        self.metrics.last_record(received_at_us);
        self.lock().last_record = Some(Instant::now());
    }

    /// Checks whether a source is silent against its expectation; on a change, how long it has been
    /// silent, or `None` when it is no longer.
    pub fn check_silence(&self) -> Option<Option<Duration>> {
        let mut inner = self.lock();
        let silent = inner.expected.and_then(|(within, since)| {
            let silent = inner.last_record.map_or(since, |last| last.max(since)).elapsed();
            (silent > within).then_some(silent)
        });
        if std::mem::replace(&mut inner.is_silent, silent.is_some()) == silent.is_some() {
            return None;
        }
        drop(inner);
        self.metrics.silent(silent.is_some());
        Some(silent)
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

    /// Whether a warning or error is logged; if so, how many were left out since the last one,
    /// unless none was.
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

    /// Marks the component stuck when a call has run longer than `limit`; returns the call and its
    /// time once.
    pub fn find_stuck(&self, limit: Duration) -> Option<(&'static str, Duration)> {
        let mut inner = self.lock();
        let stuck = inner.workers.iter_mut().find_map(|worker| {
            let (call, running) = worker.call.map(|(call, since)| (call, since.elapsed()))?;
            (running > limit && worker.state != State::Stuck).then_some((worker, call, running))
        });
        let (worker, call, running) = stuck?;
        worker.before_stuck = worker.state;
        worker.state = State::Stuck;
        Some((call, running))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkerStatus {
    /// The thread ends; a failed state stays.
    pub fn retire(&self) {
        self.with(|worker| {
            worker.in_use = false;
            if worker.state != State::Failed {
                worker.state = State::Ended;
            }
        });
    }

    /// Moves to another state.
    pub fn set_state(&self, state: State) {
        self.with(|worker| worker.state = state);
        self.component.lock().was_open |= state == State::Running;
    }

    /// Notes that a call into the plugin runs, until the guard is dropped.
    pub fn enter(&self, call: &'static str) -> CallGuard {
        self.with(|worker| worker.call = Some((call, Instant::now())));
        CallGuard(self.clone())
    }

    fn with(&self, change: impl FnOnce(&mut Worker)) {
        if let Some(worker) = self.component.lock().workers.get_mut(self.worker) {
            change(worker);
        }
    }
}

impl Deref for WorkerStatus {
    type Target = ComponentStatus;

    fn deref(&self) -> &ComponentStatus {
        &self.component
    }
}

/// A call into a plugin that runs.
#[derive(Debug)]
pub struct CallGuard(WorkerStatus);

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.0.with(|worker| {
            worker.call = None;
            if worker.state == State::Stuck {
                worker.state = worker.before_stuck;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn a_source_is_silent_when_records_that_it_promised_do_not_come() {
        let metrics = Arc::new(Metrics::default());
        let of_component = metrics.component("day", RoleKind::Source, "qq");
        let status = ComponentStatus::new("day", RoleKind::Source, "qq", of_component);
        status.join().set_state(State::Running);
        assert_eq!(status.check_silence(), None, "it has promised nothing");
        status.expect_records(Some(Duration::from_secs(3600)));
        assert_eq!((status.check_silence(), status.state()), (None, State::Running));
        status.expect_records(Some(Duration::ZERO));
        assert!(matches!(status.check_silence(), Some(Some(_))));
        assert_eq!((status.check_silence(), status.state()), (None, State::Silent), "told once");
        assert!(metrics.encode().contains(
            "dataserver_source_silent{component=\"day\",kind=\"source\",plugin=\"qq\"} 1"
        ));
        status.expect_records(None);
        assert_eq!((status.check_silence(), status.state()), (Some(None), State::Running));
        status.expect_records(Some(Duration::from_secs(3600)));
        status.note_record(1);
        assert_eq!(status.check_silence(), None);
    }

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
        assert!(near(status.latency_us(1.0), MAX_LATENCY_US));
    }
}
