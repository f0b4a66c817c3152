//! The start of a component, and the handoff to its successor.
//!
//! A component's thread opens its plugin, reports the result, and waits for the start signal. The
//! signal carries the handoff of the component that read the same queue before. A component that is
//! asked to stop does so between two calls and hands off what it has not finished. A handoff is
//! owned by one side at a time, so it survives the loss of either thread.

use std::{
    cell::{Cell, OnceCell},
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use plugin_api::PluginError;

use super::group::Group;
use crate::queue::Delivery;

/// Unfinished work and state that a component passes to its successor.
#[derive(Debug, Default)]
pub struct Handoff {
    /// Batches that a sink received and did not deliver, in the groups in which they were offered.
    pub groups: VecDeque<Group>,
    /// The batch that a transform was working on.
    pub input: Option<Delivery>,
    /// State exported by its plugin for the next instance.
    pub state: Option<Vec<u8>>,
}

impl Handoff {
    /// Adds the handoff of another thread of the same component.
    pub fn join(&mut self, mut other: Self) {
        self.groups.append(&mut other.groups);
        self.input = self.input.take().or(other.input);
        self.state = self.state.take().or(other.state);
    }
}

/// Why a component stops reading its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All writers are gone and the queue is empty.
    InputClosed,
    /// A successor takes the queue over.
    HandoffRequested,
    /// The host ends, or the component is removed, while it is paused.
    LeavesPaused,
}

/// Why a component did not start, with the handoff that it was given.
pub type StartRejected = (PluginError, Box<Handoff>);

/// A one-shot cell between two threads.
#[derive(Debug)]
struct Rendezvous<T> {
    state: Mutex<RendezvousState<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum RendezvousState<T> {
    Empty,
    Filled(T),
    /// One side is gone.
    Closed,
}

impl<T> Rendezvous<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(RendezvousState::Empty), changed: Condvar::new() })
    }

    /// Stores a value; returns it when the cell is closed.
    fn put(&self, value: T) -> Option<T> {
        let mut state = self.lock();
        if matches!(*state, RendezvousState::Closed) {
            return Some(value);
        }
        *state = RendezvousState::Filled(value);
        self.changed.notify_all();
        None
    }

    /// Blocks until there is a value; `None` once the cell is closed.
    fn wait(&self) -> Option<T> {
        let empty = |state: &mut RendezvousState<T>| matches!(state, RendezvousState::Empty);
        let waited = self.changed.wait_while(self.lock(), empty);
        Self::take(&mut waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`wait`](Self::wait), at most so long.
    fn wait_timeout(&self, timeout: Duration) -> Option<T> {
        let empty = |state: &mut RendezvousState<T>| matches!(state, RendezvousState::Empty);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, empty);
        Self::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Closes the cell and returns the value in it.
    fn close(&self) -> Option<T> {
        let last = std::mem::replace(&mut *self.lock(), RendezvousState::Closed);
        self.changed.notify_all();
        if let RendezvousState::Filled(value) = last { Some(value) } else { None }
    }

    fn take(state: &mut RendezvousState<T>) -> Option<T> {
        match std::mem::replace(state, RendezvousState::Empty) {
            RendezvousState::Filled(value) => Some(value),
            before => {
                *state = before;
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, RendezvousState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker thread's end of a handoff channel.
#[derive(Debug)]
pub struct WorkerEnd {
    opened: SyncSender<Result<(), PluginError>>,
    start: Arc<Rendezvous<Handoff>>,
    started: SyncSender<Result<(), StartRejected>>,
    handoff: Arc<Rendezvous<Result<Handoff, PluginError>>>,
    has_started: Cell<bool>,
    /// Set by the side that decides first: the thread rejects the start, or the handle forces it.
    decided: Arc<AtomicBool>,
    /// These settings have worked before: retry when the plugin does not open.
    pub known_good: bool,
}

/// The controlling end of a [`WorkerEnd`].
#[derive(Debug)]
pub struct WorkerHandle {
    opened: Receiver<Result<(), PluginError>>,
    /// Result of the first open, once known.
    outcome: OnceCell<Result<(), PluginError>>,
    start: Arc<Rendezvous<Handoff>>,
    started: Receiver<Result<(), StartRejected>>,
    handoff: Arc<Rendezvous<Result<Handoff, PluginError>>>,
    decided: Arc<AtomicBool>,
}

/// A channel to a worker thread that is about to be spawned.
pub fn handoff_channel(known_good: bool) -> (WorkerEnd, WorkerHandle) {
    // each carries one message at most, so no sender blocks
    let (report_opened, opened) = sync_channel(1);
    let (report_started, started) = sync_channel(1);
    let (start, handoff, decided) =
        (Rendezvous::new(), Rendezvous::new(), Arc::<AtomicBool>::default());
    let handle = WorkerHandle {
        opened,
        outcome: OnceCell::new(),
        start: Arc::clone(&start),
        started,
        handoff: Arc::clone(&handoff),
        decided: Arc::clone(&decided),
    };
    let has_started = Cell::new(false);
    let worker = WorkerEnd {
        opened: report_opened,
        start,
        started: report_started,
        handoff,
        has_started,
        decided,
        known_good,
    };
    (worker, handle)
}

// send errors are ignored: the handle may have been dropped
impl WorkerEnd {
    /// Reports the result of the first open.
    pub fn report_opened(&self, result: Result<(), PluginError>) {
        let _ = self.opened.send(result);
    }

    /// Waits for the start signal; `None` when the handle was dropped.
    pub fn wait_start(&self) -> Option<Handoff> {
        self.start.wait()
    }

    /// Starts without an open plugin, so that the handoff can be passed on; `None`, and closed,
    /// when the start signal has not come.
    pub fn start_unopened(&self) -> Option<Handoff> {
        let handoff = self.start.close()?;
        self.report_started(Ok(()));
        Some(handoff)
    }

    /// Claims the decision to reject the start; false when the handle has forced it.
    pub fn try_reject(&self) -> bool {
        !self.known_good && !self.decided.swap(true, Ordering::AcqRel)
    }

    /// Reports the start, or why it is rejected.
    pub fn report_started(&self, result: Result<(), StartRejected>) {
        self.has_started.set(result.is_ok());
        let _ = self.started.try_send(result);
    }

    /// Whether the start was reported.
    pub fn has_started(&self) -> bool {
        self.has_started.get()
    }

    /// Passes the handoff on; returns it when nobody waits for it any more.
    pub fn hand_off(&self, handoff: Handoff) -> Option<Handoff> {
        self.handoff.put(Ok(handoff)).and_then(Result::ok)
    }

    /// Reports why the component goes on instead of handing off.
    pub fn decline(&self, error: PluginError) {
        self.handoff.put(Err(error));
    }
}

impl Drop for WorkerEnd {
    fn drop(&mut self) {
        // a handoff that arrived too late goes back to the handle
        if let Some(handoff) = self.start.close() {
            let gone = PluginError::fatal("the component has ended");
            let _ = self.started.try_send(Err((gone, Box::new(handoff))));
        }
    }
}

impl WorkerHandle {
    /// Result of the first open; `None` on timeout.
    pub fn opened(&self, timeout: Duration) -> Option<Result<(), PluginError>> {
        if self.outcome.get().is_none() {
            let outcome = match self.opened.recv_timeout(timeout) {
                Ok(result) => result,
                // the thread ended without a report: the pipeline is shutting down
                Err(RecvTimeoutError::Disconnected) => Ok(()),
                Err(RecvTimeoutError::Timeout) => return None,
            };
            let _ = self.outcome.set(outcome);
        }
        self.outcome.get().cloned()
    }

    /// Sends the start signal; returns the handoff when the thread has ended.
    pub fn start(&self, handoff: Handoff) -> Option<Handoff> {
        self.start.put(handoff)
    }

    /// Whether the thread started; `None` on timeout.
    pub fn started(&self, timeout: Duration) -> Option<Result<(), StartRejected>> {
        self.started.recv_timeout(timeout).ok()
    }

    /// Forbids the thread to reject the start; false when it has rejected it already.
    pub fn forbid_reject(&self) -> bool {
        !self.decided.swap(true, Ordering::AcqRel)
    }

    /// As [`forbid_reject`](Self::forbid_reject).
    ///
    /// # Errors
    /// Why the thread has rejected it already.
    pub fn force_start(&self) -> Result<(), StartRejected> {
        if self.forbid_reject() {
            return Ok(());
        }
        // the rejection is in the channel, unless the thread started or has ended
        self.started.recv().unwrap_or(Ok(()))
    }

    /// Discards a reply to an earlier stop request.
    pub fn clear_reply(&self) {
        self.handoff.wait_timeout(Duration::ZERO);
    }

    /// The handoff, or why it is declined; `None` on timeout.
    pub fn wait_handoff(&self, timeout: Duration) -> Option<Result<Handoff, PluginError>> {
        self.handoff.wait_timeout(timeout)
    }

    /// Closes the handoff cell; returns a handoff that arrived meanwhile.
    pub fn close_handoff(&self) -> Option<Result<Handoff, PluginError>> {
        self.handoff.close()
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // wakes a thread that waits for the start signal, which then ends
        self.start.close();
        self.handoff.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_state(byte: u8) -> Handoff {
        Handoff { state: Some(vec![byte]), ..Handoff::default() }
    }

    #[test]
    fn what_is_given_reaches_a_thread_that_waits_and_one_that_gives_up() {
        let (worker, handle) = handoff_channel(false);
        assert!(handle.start(with_state(1)).is_none());
        assert_eq!(worker.wait_start().unwrap().state, Some(vec![1]));
        let (worker, handle) = handoff_channel(false);
        handle.start(with_state(2));
        assert_eq!(worker.start_unopened().unwrap().state, Some(vec![2]));
        assert!(matches!(handle.started(Duration::ZERO), Some(Ok(()))));
    }

    #[test]
    fn what_comes_too_late_goes_back_to_whoever_gave_it() {
        let (worker, handle) = handoff_channel(false);
        assert!(worker.start_unopened().is_none(), "nothing was given");
        assert_eq!(handle.start(with_state(3)).unwrap().state, Some(vec![3]));
        let (worker, handle) = handoff_channel(false);
        handle.start(with_state(4));
        drop(worker);
        let (_, handoff) = handle.started(Duration::ZERO).unwrap().unwrap_err();
        assert_eq!(handoff.state, Some(vec![4]));
        let (worker, handle) = handoff_channel(false);
        assert!(handle.close_handoff().is_none());
        assert_eq!(worker.hand_off(with_state(5)).unwrap().state, Some(vec![5]));
    }

    #[test]
    fn a_thread_whose_reins_are_let_go_waits_no_longer() {
        let (worker, handle) = handoff_channel(false);
        drop(handle);
        assert!(worker.wait_start().is_none());
        assert!(worker.hand_off(Handoff::default()).is_some());
    }

    #[test]
    fn only_one_side_decides_whether_a_thread_begins() {
        let (worker, handle) = handoff_channel(false);
        assert!(handle.force_start().is_ok() && !worker.try_reject());
        let (worker, handle) = handoff_channel(false);
        assert!(worker.try_reject());
        worker.report_started(Err((PluginError::config("no"), Box::default())));
        assert!(handle.force_start().is_err());
    }

    #[test]
    fn an_answer_to_an_earlier_question_is_not_taken_for_one_to_the_next() {
        let (worker, handle) = handoff_channel(false);
        worker.decline(PluginError::fatal("cannot"));
        handle.clear_reply();
        assert!(handle.wait_handoff(Duration::ZERO).is_none());
    }
}
