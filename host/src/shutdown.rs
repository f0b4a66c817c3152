//! How a running pipeline learns that it should end, and who is still at work.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// Everything runs.
    #[default]
    Running,
    /// Sources stop, what is under way is delivered.
    Draining,
    /// Time is up: whoever waits returns at once.
    Aborting,
}

/// Shared by every thread of a pipeline.
#[derive(Debug, Default)]
pub struct Shutdown {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    at_work: usize,
}

/// A thread that is at work until this is dropped.
#[derive(Debug)]
pub struct AtWork(Arc<Shutdown>);

impl Shutdown {
    /// Moves on to a later phase; an earlier one changes nothing.
    pub fn advance(&self, phase: Phase) {
        let mut state = self.lock();
        if phase > state.phase {
            state.phase = phase;
            self.changed.notify_all();
        }
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Whether sources should stop.
    pub fn is_stopping(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Counts a thread that must end before the pipeline has.
    pub fn at_work(self: &Arc<Self>) -> AtWork {
        self.lock().at_work += 1;
        AtWork(Arc::clone(self))
    }

    /// Waits until that phase, or as long as `timeout`; tells whether the phase has come.
    pub fn wait_for(&self, phase: Phase, timeout: Duration) -> bool {
        self.wait_while(timeout, |state| state.phase < phase).phase >= phase
    }

    /// Waits until every thread has ended, or until a shutdown begins; tells whether all ended.
    pub fn wait_ended_or_stopping(&self) -> bool {
        let state = self.lock();
        let state = self
            .changed
            .wait_while(state, |state| state.at_work > 0 && state.phase == Phase::Running)
            .unwrap_or_else(PoisonError::into_inner);
        state.at_work == 0
    }

    /// Waits until every thread has ended, or until time is up; tells whether all ended.
    pub fn wait_ended(&self, timeout: Duration) -> bool {
        let waited =
            self.wait_while(timeout, |state| state.at_work > 0 && state.phase < Phase::Aborting);
        waited.at_work == 0
    }

    /// As [`wait_ended`](Self::wait_ended), also after time is up.
    pub fn wait_last(&self, timeout: Duration) -> bool {
        self.wait_while(timeout, |state| state.at_work > 0).at_work == 0
    }

    fn wait_while(
        &self,
        timeout: Duration,
        condition: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, timeout, |state| condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.lock().at_work -= 1;
        self.0.changed.notify_all();
    }
}
