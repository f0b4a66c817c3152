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
enum Leave {
    /// Nobody asked for it.
    #[default]
    Stays,
    /// It should leave at the next boundary between two calls.
    Asked,
    /// It is on its way out: that cannot be taken back.
    Goes,
}

/// How a component is to leave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Farewell {
    /// Whether an instance of the same plugin comes after it, which gets its state.
    pub hand_over: bool,
    /// Longest time that a source waits for the sinks before it is closed.
    pub linger: Duration,
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
    leave: Leave,
    farewell: Farewell,
    /// Nobody wants the component any more, and no source waits for what it has not done.
    dismissed: bool,
    at_work: usize,
    /// Those of the components.
    children: Vec<Weak<Shutdown>>,
}

/// A thread that is at work until this is dropped.
#[derive(Debug)]
pub struct AtWork(Arc<Shutdown>);

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
    pub fn ask_to_leave(&self, farewell: Farewell) {
        let mut state = self.lock();
        if state.leave == Leave::Stays {
            state.leave = Leave::Asked;
            state.farewell = farewell;
            self.changed.notify_all();
        }
    }

    /// Takes that back from within the component; false when it was taken back already, or the
    /// component is on its way out.
    pub fn refuse_to_leave(&self) -> bool {
        let mut state = self.lock();
        let was_asked = state.leave == Leave::Asked;
        if was_asked {
            state.leave = Leave::Stays;
        }
        was_asked
    }

    /// Takes that back; false when the component is on its way out already.
    pub fn let_stay(&self) -> bool {
        let mut state = self.lock();
        if state.leave == Leave::Asked {
            state.leave = Leave::Stays;
        }
        state.leave == Leave::Stays
    }

    /// Whether the component was asked to leave.
    pub fn should_leave(&self) -> bool {
        self.lock().leave != Leave::Stays
    }

    /// How the component is to leave.
    pub fn farewell(&self) -> Farewell {
        self.lock().farewell
    }

    /// Says that nobody wants the component any more.
    pub fn dismiss(&self) {
        self.lock().dismissed = true;
    }

    /// Whether nobody wants the component any more.
    pub fn is_dismissed(&self) -> bool {
        self.lock().dismissed
    }

    /// The component goes, unless it was let stay meanwhile; tells which.
    pub fn go(&self) -> bool {
        let mut state = self.lock();
        if state.leave == Leave::Asked {
            state.leave = Leave::Goes;
        }
        state.leave == Leave::Goes
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Whether sources should stop, because the pipeline ends or a successor waits.
    pub fn is_stopping(&self) -> bool {
        let state = self.lock();
        state.phase >= Phase::Draining || state.leave != Leave::Stays
    }

    /// Counts a thread that must end before the pipeline has.
    pub fn at_work(self: &Arc<Self>) -> AtWork {
        self.lock().at_work += 1;
        if let Some(parent) = &self.parent {
            parent.lock().at_work += 1;
        }
        AtWork(Arc::clone(self))
    }

    /// Waits until that phase, until the component should leave, or as long as `timeout`; tells
    /// whether one of the first two has come.
    pub fn wait_for(&self, phase: Phase, timeout: Duration) -> bool {
        let goes_on = |state: &State| state.phase < phase && state.leave == Leave::Stays;
        !goes_on(&self.wait_while(timeout, goes_on))
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
        for shutdown in [Some(&self.0), self.0.parent.as_ref()].into_iter().flatten() {
            shutdown.lock().at_work -= 1;
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
        let at_work = component.at_work();
        assert!(!pipeline.wait_last(Duration::ZERO) && !component.wait_last(Duration::ZERO));
        drop(at_work);
        assert!(pipeline.wait_last(Duration::ZERO) && component.wait_last(Duration::ZERO));
    }

    #[test]
    fn a_component_that_goes_cannot_be_held_back() {
        let component = Shutdown::default();
        assert!(!component.go());
        component.ask_to_leave(Farewell::default());
        assert!(component.wait_for(Phase::Aborting, Duration::MAX));
        assert!(component.let_stay() && !component.go() && !component.is_stopping());
        component.ask_to_leave(Farewell::default());
        assert!(component.go() && !component.let_stay());
    }
}
