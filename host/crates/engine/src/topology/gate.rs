//! Holds a component's batches back for a moment, so that its ways out can be changed.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A gate that every batch passes.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Batches on their way through.
    inside: usize,
}

/// A batch on its way through.
#[derive(Debug)]
pub struct Passage<'a>(&'a Gate);

/// The gate while it is closed; it opens when this is dropped.
#[derive(Debug)]
pub struct ClosedGate<'a>(&'a Gate);

impl Gate {
    /// Waits until the gate is open, and passes it.
    pub fn enter(&self) -> Passage<'_> {
        let waited = self.changed.wait_while(self.lock(), |state| state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).inside += 1;
        Passage(self)
    }

    /// Closes the gate and waits until nobody is inside; `None`, and open again, when that takes
    /// longer than `timeout`.
    pub fn close(&self, timeout: Duration) -> Option<ClosedGate<'_>> {
        let closed = ClosedGate(self);
        let mut state = self.lock();
        state.closed = true;
        let is_busy = |state: &mut State| state.inside > 0;
        let waited = self.changed.wait_timeout_while(state, timeout, is_busy);
        let is_empty = waited.unwrap_or_else(PoisonError::into_inner).0.inside == 0;
        is_empty.then_some(closed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.changed.notify_all();
    }
}

impl Drop for ClosedGate<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn a_closed_gate_holds_back_who_comes_and_waits_for_who_is_inside() {
        let gate = Arc::new(Gate::default());
        let passage = gate.enter();
        assert!(gate.close(Duration::ZERO).is_none(), "somebody is inside");
        drop(passage);
        let closed = gate.close(Duration::ZERO).unwrap();
        let comes = thread::spawn({
            let gate = Arc::clone(&gate);
            move || drop(gate.enter())
        });
        assert_eq!(gate.lock().inside, 0);
        drop(closed);
        comes.join().unwrap();
    }
}
