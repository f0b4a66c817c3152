//! What each component is doing, for `/health`, the watchdog, the summary and whoever watches.
//!
//! Threads of the component update it. What needs a look at several moments, rates and processor
//! time, is sampled once a second by the watchdog, so that a batch costs no more than its counters.

mod blocking;
mod cpu;
mod disk;
mod latency;
mod reports;
mod samples;
mod silence;
mod state;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dataserver_spool::Unacknowledged;
use plugin_api::{ErrorKind, PluginError, RoleKind};

use self::{
    blocking::Blocking,
    latency::Latencies,
    reports::Reports,
    samples::{Counters, Samples},
    silence::Silence,
    worker::Worker,
};
use super::{ComponentMetrics, throttle::Throttle};
use crate::{clock::Clock, pause::PauseSwitch};

pub use latency::Latency;
pub use reports::Deviating;
pub use samples::Rates;
pub use state::State;
pub use worker::{CallGuard, WorkerStatus};

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
    clock: Arc<dyn Clock>,
    pause: PauseSwitch,
    dropped: AtomicU64,
    errors: AtomicU64,
    /// When a sink last delivered something, microseconds since 1970 UTC; 0 before.
    last_commit_us: AtomicI64,
    blocking: Blocking,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    workers: Vec<Worker>,
    /// The state when it was last looked at, and since when, microseconds since 1970 UTC.
    shown: (State, i64),
    /// What is wrong with the disk of its queue.
    disk_fault: Option<String>,
    /// An instance has been open.
    was_open: bool,
    /// What is damaged in its queue on disk.
    damage: Unacknowledged,
    /// With its time, microseconds since 1970 UTC.
    last_error: Option<(String, i64)>,
    silence: Silence,
    reports: Reports,
    latencies: Latencies,
    samples: Samples,
    /// Processor time of its threads, those that have ended among them.
    cpu_ticks: u64,
    log: Throttle,
}

impl Inner {
    fn state(&self, is_paused: bool) -> State {
        let state = self.workers.iter().map(|worker| worker.state).max();
        let state = state.unwrap_or(State::Starting);
        if state == State::Ended {
            return state;
        }
        // what was going wrong is not tried again
        let state = if is_paused && state < State::Stuck { State::Paused } else { state };
        let is_degraded =
            self.disk_fault.is_some() || self.damage.places > 0 || self.reports.degraded.is_some();
        let degraded = is_degraded.then_some(State::Degraded);
        let silent = self.silence.is_silent.then_some(State::Silent);
        degraded.into_iter().chain(silent).fold(state, State::max)
    }
}

impl ComponentStatus {
    /// A component that starts.
    pub fn new(
        id: &str,
        kind: RoleKind,
        plugin: &str,
        metrics: ComponentMetrics,
        clock: &Arc<dyn Clock>,
        pause: PauseSwitch,
    ) -> Arc<Self> {
        metrics.paused(pause.is_on());
        Arc::new(Self {
            id: id.to_owned(),
            kind,
            plugin: plugin.to_owned(),
            metrics,
            clock: Arc::clone(clock),
            pause,
            dropped: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_commit_us: AtomicI64::new(0),
            blocking: Blocking::default(),
            inner: Mutex::new(Inner {
                workers: Vec::new(),
                shown: (State::Starting, clock.now_us()),
                disk_fault: None,
                was_open: false,
                damage: Unacknowledged::default(),
                last_error: None,
                silence: Silence::default(),
                reports: Reports::default(),
                latencies: Latencies::new(Instant::now()),
                samples: Samples::default(),
                cpu_ticks: 0,
                log: Throttle::default(),
            }),
        })
    }

    /// Adds a worker thread, until it [retires].
    ///
    /// [retires]: WorkerStatus::retire
    pub fn join(self: &Arc<Self>) -> WorkerStatus {
        let worker = self.change(|inner| {
            let free = inner.workers.iter().position(|worker| !worker.in_use);
            let worker = free.unwrap_or(inner.workers.len());
            match inner.workers.get_mut(worker) {
                Some(slot) => *slot = Worker::default(),
                None => inner.workers.push(Worker::default()),
            }
            worker
        });
        WorkerStatus::new(Arc::clone(self), worker)
    }

    /// What the component is doing.
    pub fn state(&self) -> State {
        self.lock().state(self.is_paused())
    }

    /// What the component is doing, and since when, microseconds since 1970 UTC.
    pub fn state_since(&self) -> (State, i64) {
        self.refresh();
        self.lock().shown
    }

    /// Whether its plugin is being opened for the first time.
    pub fn is_new(&self) -> bool {
        let was_open = self.lock().was_open;
        !was_open && self.state() == State::Starting
    }

    /// Whether somebody paused it.
    pub fn is_paused(&self) -> bool {
        self.pause.is_on()
    }

    /// Notes that it was paused or resumed.
    pub fn note_paused(&self) {
        self.metrics.paused(self.is_paused());
        self.change(|inner| inner.silence.begin_anew());
    }

    /// The last error, if there was one.
    pub fn last_error(&self) -> Option<String> {
        self.lock().last_error.as_ref().map(|(text, _)| text.clone())
    }

    /// When the last error was, microseconds since 1970 UTC.
    pub fn last_error_us(&self) -> Option<i64> {
        self.lock().last_error.as_ref().map(|(_, at_us)| *at_us)
    }

    /// Counts a failed call and keeps its text.
    pub fn note_error(&self, error: &PluginError) {
        self.note_error_kind(error.kind, error.to_string());
    }

    /// Counts a failure that did not come from a call.
    pub fn note_error_kind(&self, kind: ErrorKind, text: String) {
        self.metrics.error(kind);
        self.errors.fetch_add(1, Ordering::Relaxed);
        let now_us = self.clock.now_us();
        self.lock().last_error = Some((text, now_us));
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

    /// Notes when a sink delivered something, microseconds since 1970 UTC.
    pub fn note_commit(&self, now_us: i64) {
        self.last_commit_us.store(now_us, Ordering::Relaxed);
    }

    /// When a sink last delivered something, microseconds since 1970 UTC.
    pub fn last_commit_us(&self) -> Option<i64> {
        Some(self.last_commit_us.load(Ordering::Relaxed)).filter(|at| *at > 0)
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
        self.lock().latencies.record(latency_us, Instant::now());
    }

    /// Notes that the component waits for another one, and has waited so long since it last said so.
    pub fn note_blocked(&self, by: &str, waited: Duration) {
        if !waited.is_zero() {
            self.metrics.blocked(by, waited.as_secs_f64());
        }
        self.blocking.note(by, waited);
    }

    /// Notes that the component waits for nobody.
    pub fn note_unblocked(&self) {
        self.blocking.end();
    }

    /// The component that holds this one up, if one does.
    pub fn blocked_by(&self) -> Option<String> {
        self.blocking.by(self.rates().blocked)
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
        self.lock().latencies.quantile_us(quantile)
    }

    /// Latencies of the last minute; `None` without a batch in that time.
    pub fn latency(&self) -> Option<Latency> {
        self.lock().latencies.last_minute(Instant::now())
    }

    /// What happened each second, over the last ten.
    pub fn rates(&self) -> Rates {
        self.lock().samples.rates()
    }

    /// Notes its counters and the processor time of its threads, once a second however often this
    /// is called.
    pub fn sample(&self, now: Instant) {
        let threads: Vec<_> = {
            let inner = self.lock();
            if !inner.samples.is_due(now) {
                return;
            }
            let workers = inner.workers.iter().enumerate();
            workers.filter_map(|(worker, it)| Some((worker, it.thread?))).collect()
        };
        self.metrics.paused(self.is_paused());
        // the system is asked while nobody waits for the lock
        let ticks: Vec<_> = threads
            .iter()
            .map(|(worker, thread)| (*worker, *thread, cpu::ticks(*thread)))
            .collect();
        let mut counters = Counters {
            records_in: self.metrics.records_in.get(),
            records_out: self.metrics.records_out.get(),
            dropped: self.dropped(),
            errors: self.errors(),
            blocked_us: self.blocking.total_us(),
            cpu_ticks: 0,
        };
        self.change(|inner| {
            for (worker, thread, ticks) in ticks {
                let worker = inner.workers.get_mut(worker);
                // another thread may have its place by now
                if let Some(worker) = worker.filter(|it| it.thread == Some(thread))
                    && let Some(ticks) = ticks
                {
                    inner.cpu_ticks += ticks.saturating_sub(worker.cpu_ticks);
                    worker.cpu_ticks = ticks;
                }
            }
            counters.cpu_ticks = inner.cpu_ticks;
            inner.samples.add(now, counters);
        });
    }

    /// How long the call into its plugin runs that has run longest; nothing when none does.
    pub fn in_call(&self) -> Duration {
        let inner = self.lock();
        let calls = inner.workers.iter().filter_map(|worker| worker.call);
        calls.map(|(_, since)| since.elapsed()).max().unwrap_or_default()
    }

    /// Marks the component stuck when a call has run longer than `limit`; returns the call and its
    /// time once.
    pub fn find_stuck(&self, limit: Duration) -> Option<(&'static str, Duration)> {
        self.change(|inner| {
            let stuck = inner.workers.iter_mut().find_map(|worker| {
                let (call, running) = worker.call.map(|(call, since)| (call, since.elapsed()))?;
                (running > limit && worker.state != State::Stuck).then_some((worker, call, running))
            });
            let (worker, call, running) = stuck?;
            worker.before_stuck = worker.state;
            worker.state = State::Stuck;
            Some((call, running))
        })
    }

    /// Changes something that may tell in its state.
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let is_paused = self.is_paused();
        let mut inner = self.lock();
        let result = change(&mut inner);
        let state = inner.state(is_paused);
        if state != inner.shown.0 {
            inner.shown = (state, self.clock.now_us());
        }
        result
    }

    /// Notes since when its state is what it is.
    fn refresh(&self) {
        self.change(|_| ());
    }

    #[cfg(test)]
    fn pause_switch(&self) -> &PauseSwitch {
        &self.pause
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
