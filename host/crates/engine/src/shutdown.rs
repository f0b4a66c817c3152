//! Shutdown of a pipeline or of one component, and the count of threads that still run.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

/// Phases of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// Everything runs.
    #[default]
    Running,
    /// Sources stop, what is in flight is delivered.
    Draining,
    /// Every wait returns at once.
    Aborting,
}

/// State of a request to hand off to a successor on the same queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum StopState {
    /// Not requested.
    #[default]
    NotRequested,
    /// Requested: the component stops between two calls.
    Requested,
    /// Committed: it cannot be withdrawn any more.
    Committed,
}

/// How a component is to stop.
#[derive(Debug, Clone, Copy, Default)]
pub struct StopRequest {
    /// The successor runs the same plugin and takes its state.
    pub transfer_state: bool,
    /// Longest time that a source waits for acknowledgements before it is closed.
    pub grace: Duration,
}

/// Shutdown shared by all threads of a pipeline, or of one component.
#[derive(Debug, Default)]
pub struct Shutdown {
    state: Mutex<State>,
    changed: Condvar,
    /// The pipeline's, in that of a component.
    parent: Option<Arc<Shutdown>>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    stop: StopState,
    request: StopRequest,
    /// The component is removed: what it has not finished is acknowledged and dropped.
    cancelled: bool,
    active: usize,
    /// The components'.
    children: Vec<Weak<Shutdown>>,
}

/// Counts a thread as running while this exists.
#[derive(Debug)]
pub struct ActiveGuard(Arc<Shutdown>);

impl Shutdown {
    /// A component's shutdown, which follows the pipeline's or precedes it.
    pub fn child(self: &Arc<Self>) -> Arc<Self> {
        let mut state = self.lock();
        state.children.retain(|child| child.strong_count() > 0);
        let of_child = State { phase: state.phase, ..State::default() };
        let child = Arc::new(Self {
            state: Mutex::new(of_child),
            changed: Condvar::new(),
            parent: Some(Arc::clone(self)),
        });
        state.children.push(Arc::downgrade(&child));
        child
    }

    /// Advances to a later phase, with all components; an earlier one changes nothing.
    pub fn advance(&self, phase: Phase) {
        let mut state = self.lock();
        if phase > state.phase {
            state.phase = phase;
            self.changed.notify_all();
            let children: Vec<_> = state.children.iter().filter_map(Weak::upgrade).collect();
            drop(state);
            children.iter().for_each(|child| child.advance(phase));
        }
    }

    /// Advances the whole pipeline, also from a component.
    pub fn advance_pipeline(&self, phase: Phase) {
        self.parent.as_deref().unwrap_or(self).advance(phase);
    }

    /// Requests a handoff at the next boundary between two calls.
    pub fn request_stop(&self, request: StopRequest) {
        let mut state = self.lock();
        if state.stop == StopState::NotRequested {
            state.stop = StopState::Requested;
            state.request = request;
            self.changed.notify_all();
        }
    }

    /// Declines the request from within the component; false when it was withdrawn or committed
    /// already.
    pub fn decline_stop(&self) -> bool {
        let mut state = self.lock();
        let was_asked = state.stop == StopState::Requested;
        if was_asked {
            state.stop = StopState::NotRequested;
        }
        was_asked
    }

    /// Withdraws the request; false when it is committed already.
    pub fn withdraw_stop(&self) -> bool {
        let mut state = self.lock();
        if state.stop == StopState::Requested {
            state.stop = StopState::NotRequested;
        }
        state.stop == StopState::NotRequested
    }

    /// Whether a handoff is requested or committed.
    pub fn stop_requested(&self) -> bool {
        self.lock().stop != StopState::NotRequested
    }

    /// How the component is to leave.
    pub fn stop_request(&self) -> StopRequest {
        self.lock().request
    }

    /// Marks the component as removed.
    pub fn cancel(&self) {
        self.lock().cancelled = true;
    }

    /// Whether the component is removed.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Commits the handoff; false when there is no request, or it was withdrawn.
    pub fn commit_stop(&self) -> bool {
        let mut state = self.lock();
        if state.stop == StopState::Requested {
            state.stop = StopState::Committed;
        }
        state.stop == StopState::Committed
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Whether sources should stop, for a shutdown or a handoff.
    pub fn is_stopping(&self) -> bool {
        let state = self.lock();
        state.phase >= Phase::Draining || state.stop != StopState::NotRequested
    }

    /// Counts a thread that the end of the pipeline waits for.
    pub fn active_guard(self: &Arc<Self>) -> ActiveGuard {
        self.lock().active += 1;
        if let Some(parent) = &self.parent {
            parent.lock().active += 1;
        }
        ActiveGuard(Arc::clone(self))
    }

    /// Waits for that phase, a stop request, or `timeout`; true for one of the first two.
    pub fn wait_for(&self, phase: Phase, timeout: Duration) -> bool {
        let goes_on = |state: &State| state.phase < phase && state.stop == StopState::NotRequested;
        !goes_on(&self.wait_while(timeout, goes_on))
    }

    /// Waits until every thread has ended, or a shutdown begins; true when all ended.
    pub fn wait_ended_or_stopping(&self) -> bool {
        let state = self.lock();
        let state = self
            .changed
            .wait_while(state, |state| state.active > 0 && state.phase == Phase::Running)
            .unwrap_or_else(PoisonError::into_inner);
        state.active == 0
    }

    /// Waits until every thread has ended, an abort, or `timeout`; true when all ended.
    pub fn wait_ended(&self, timeout: Duration) -> bool {
        let waited =
            self.wait_while(timeout, |state| state.active > 0 && state.phase < Phase::Aborting);
        waited.active == 0
    }

    /// As [`wait_ended`](Self::wait_ended), also after an abort.
    pub fn wait_last(&self, timeout: Duration) -> bool {
        self.wait_while(timeout, |state| state.active > 0).active == 0
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

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        for shutdown in [Some(&self.0), self.0.parent.as_ref()].into_iter().flatten() {
            shutdown.lock().active -= 1;
            shutdown.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_ends_with_its_pipeline_and_also_before_it() {
        let pipeline = Arc::new(Shutdown::default());
        let (first, second) = (pipeline.child(), pipeline.child());
        first.advance(Phase::Draining);
        assert!(first.is_stopping() && !second.is_stopping() && !pipeline.is_stopping());
        pipeline.advance(Phase::Aborting);
        assert_eq!((first.phase(), second.phase()), (Phase::Aborting, Phase::Aborting));
        assert_eq!(pipeline.child().phase(), Phase::Aborting);
    }

    #[test]
    fn a_thread_of_a_component_counts_for_the_pipeline_too() {
        let pipeline = Arc::new(Shutdown::default());
        let component = pipeline.child();
        let active = component.active_guard();
        assert!(!pipeline.wait_last(Duration::ZERO) && !component.wait_last(Duration::ZERO));
        drop(active);
        assert!(pipeline.wait_last(Duration::ZERO) && component.wait_last(Duration::ZERO));
    }

    #[test]
    fn a_component_that_goes_cannot_be_held_back() {
        let component = Shutdown::default();
        assert!(!component.commit_stop());
        component.request_stop(StopRequest::default());
        assert!(component.wait_for(Phase::Aborting, Duration::MAX));
        assert!(component.withdraw_stop() && !component.commit_stop() && !component.is_stopping());
        component.request_stop(StopRequest::default());
        assert!(component.commit_stop() && !component.withdraw_stop());
    }
}
