//! What one worker thread of a component is doing.

use std::{ops::Deref, sync::Arc, time::Instant};

use super::{ComponentStatus, cpu, state::State};

/// A worker thread of a component.
#[derive(Debug)]
pub(super) struct Worker {
    /// A thread updates it.
    pub in_use: bool,
    pub state: State,
    /// What it was doing when the call that is stuck began.
    pub before_stuck: State,
    pub call: Option<(&'static str, Instant)>,
    /// Its number among the system's threads.
    pub thread: Option<u32>,
    /// Processor time that it had when it was last looked at.
    pub cpu_ticks: u64,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            in_use: true,
            state: State::Starting,
            before_stuck: State::Starting,
            call: None,
            thread: None,
            cpu_ticks: 0,
        }
    }
}

/// The part of a component's status that one worker thread updates.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    component: Arc<ComponentStatus>,
    worker: usize,
}

impl WorkerStatus {
    pub(super) fn new(component: Arc<ComponentStatus>, worker: usize) -> Self {
        Self { component, worker }
    }

    /// Counts the processor time of the thread that calls this for the component.
    pub fn note_thread(&self) {
        let thread = cpu::this_thread();
        self.with(|worker| worker.thread = thread);
    }

    /// The thread ends; a failed state stays.
    pub fn retire(&self) {
        self.with(|worker| {
            worker.in_use = false;
            worker.thread = None;
            if worker.state != State::Failed {
                worker.state = State::Ended;
            }
        });
        self.component.refresh();
    }

    /// Moves to another state.
    pub fn set_state(&self, state: State) {
        self.component.change(|inner| {
            if let Some(worker) = inner.workers.get_mut(self.worker) {
                worker.state = state;
            }
            inner.was_open |= state == State::Running;
            if state == State::Restarting {
                // it was said by the instance that failed
                inner.reports.degraded = None;
            }
        });
    }

    /// Notes that a call into the plugin runs, until the guard is dropped.
    pub fn enter(&self, call: &'static str) -> CallGuard {
        self.with(|worker| worker.call = Some((call, Instant::now())));
        CallGuard(self.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        self.component.lock().workers.get_mut(self.worker).map(change)
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
        let was_stuck = self.0.with(|worker| {
            worker.call = None;
            let was_stuck = worker.state == State::Stuck;
            if was_stuck {
                worker.state = worker.before_stuck;
            }
            was_stuck
        });
        if was_stuck == Some(true) {
            self.0.component.refresh();
        }
    }
}
