//! How a running pipeline, or one component of it, learns that it should end, and who is still at
//! work.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
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

/// How far a component is with making room for a successor on the same queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum StopState {
    /// Nobody asked for it.
    #[default]
    NotRequested,
    /// It should leave at the next boundary between two calls.
    Requested,
    /// It is on its way out: that cannot be taken back.
    Committed,
}

/// How a component is to leave.
#[derive(Debug, Clone, Copy, Default)]
pub struct StopRequest {
    /// Whether an instance of the same plugin comes after it, which gets its state.
    pub transfer_state: bool,
    /// Longest time that a source waits for the sinks before it is closed.
    pub grace: Duration,
}

/// Shared by every thread of a pipeline, or of one component.
#[derive(Debug, Default)]
pub struct Shutdown {
    state: Mutex<State>,
    changed: Condvar,
    /// That of the pipeline, for a component's.
    parent: Option<Arc<Shutdown>>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    stop: StopState,
    request: StopRequest,
    /// Nobody wants the component any more, and no source waits for what it has not done.
    cancelled: bool,
    active: usize,
    /// Those of the components.
    children: Vec<Weak<Shutdown>>,
}

/// A thread that is at work until this is dropped.
#[derive(Debug)]
pub struct ActiveGuard(Arc<Shutdown>);

impl Shutdown {
    /// That of one component, which ends with the pipeline or before it.
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

    /// Moves on to a later phase, with all components; an earlier one changes nothing.
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

    /// Moves the whole pipeline on, also from within a component.
    pub fn advance_pipeline(&self, phase: Phase) {
        self.parent.as_deref().unwrap_or(self).advance(phase);
    }

    /// Asks a component to make room for a successor at the next boundary between two calls.
    pub fn request_stop(&self, request: StopRequest) {
        let mut state = self.lock();
        if state.stop == StopState::NotRequested {
            state.stop = StopState::Requested;
            state.request = request;
            self.changed.notify_all();
        }
    }

    /// Takes that back from within the component; false when it was taken back already, or the
    /// component is on its way out.
    pub fn decline_stop(&self) -> bool {
        let mut state = self.lock();
        let was_asked = state.stop == StopState::Requested;
        if was_asked {
            state.stop = StopState::NotRequested;
        }
        was_asked
    }

    /// Takes that back; false when the component is on its way out already.
    pub fn withdraw_stop(&self) -> bool {
        let mut state = self.lock();
        if state.stop == StopState::Requested {
            state.stop = StopState::NotRequested;
        }
        state.stop == StopState::NotRequested
    }

    /// Whether the component was asked to leave.
    pub fn stop_requested(&self) -> bool {
        self.lock().stop != StopState::NotRequested
    }

    /// How the component is to leave.
    pub fn stop_request(&self) -> StopRequest {
        self.lock().request
    }

    /// Says that nobody wants the component any more.
    pub fn cancel(&self) {
        self.lock().cancelled = true;
    }

    /// Whether nobody wants the component any more.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// The component goes, unless it was let stay meanwhile; tells which.
    pub fn commit_stop(&self) -> bool {
        let mut state = self.lock();
        if state.stop == StopState::Requested {
            state.stop = StopState::Committed;
        }
        state.stop == StopState::Committed
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Whether sources should stop, because the pipeline ends or a successor waits.
    pub fn is_stopping(&self) -> bool {
        let state = self.lock();
        state.phase >= Phase::Draining || state.stop != StopState::NotRequested
    }

    /// Counts a thread that must end before the pipeline has.
    pub fn active_guard(self: &Arc<Self>) -> ActiveGuard {
        self.lock().active += 1;
        if let Some(parent) = &self.parent {
            parent.lock().active += 1;
        }
        ActiveGuard(Arc::clone(self))
    }

    /// Waits until that phase, until the component should leave, or as long as `timeout`; tells
    /// whether one of the first two has come.
    pub fn wait_for(&self, phase: Phase, timeout: Duration) -> bool {
        let goes_on = |state: &State| state.phase < phase && state.stop == StopState::NotRequested;
        !goes_on(&self.wait_while(timeout, goes_on))
    }

    /// Waits until every thread has ended, or until a shutdown begins; tells whether all ended.
    pub fn wait_ended_or_stopping(&self) -> bool {
        let state = self.lock();
        let state = self
            .changed
            .wait_while(state, |state| state.active > 0 && state.phase == Phase::Running)
            .unwrap_or_else(PoisonError::into_inner);
        state.active == 0
    }

    /// Waits until every thread has ended, or until time is up; tells whether all ended.
    pub fn wait_ended(&self, timeout: Duration) -> bool {
        let waited =
            self.wait_while(timeout, |state| state.active > 0 && state.phase < Phase::Aborting);
        waited.active == 0
    }

    /// As [`wait_ended`](Self::wait_ended), also after time is up.
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
