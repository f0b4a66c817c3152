//! Pauses a component's batches while its outputs are replaced.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A gate that every batch passes on its way out.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Batches inside.
    inside: usize,
}

/// A batch inside.
#[derive(Debug)]
pub struct Passage<'a>(&'a Gate);

/// A closed gate; dropping this opens it.
#[derive(Debug)]
pub struct ClosedGate<'a>(&'a Gate);

impl Gate {
    /// Waits until the gate is open, and passes it.
    pub fn enter(&self) -> Passage<'_> {
        let waited = self.changed.wait_while(self.lock(), |state| state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).inside += 1;
        Passage(self)
    }

    /// Closes the gate and waits until no batch is inside; `None`, and open again, on timeout.
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
