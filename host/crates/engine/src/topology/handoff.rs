//! How a component begins, and how it makes room for a successor.
//!
//! A component's thread opens its plugin, says how that went, and waits for its cue. The cue comes
//! with what a component before it on the same queue has left. When it is itself asked to leave, it
//! stops between two calls and leaves what it has not done. What is handed over lies in one place at
//! a time, so that it is not lost when one of both sides has gone.

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

/// What a component leaves to its successor.
#[derive(Debug, Default)]
pub struct Handoff {
    /// What a sink had taken and not delivered, in the groups in which it was offered.
    pub groups: VecDeque<Group>,
    /// What a transform had in hand.
    pub input: Option<Delivery>,
    /// What its plugin gave for a next instance of itself.
    pub state: Option<Vec<u8>>,
}

impl Handoff {
    /// Takes up what another thread of the same component has left.
    pub fn join(&mut self, mut other: Self) {
        self.groups.append(&mut other.groups);
        self.input = self.input.take().or(other.input);
        self.state = self.state.take().or(other.state);
    }
}

/// What a queue has when its reader stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Nothing will come any more.
    InputClosed,
    /// What comes is for a successor.
    HandoffRequested,
}

/// Why a component did not take over, with what it was given.
pub type StartRejected = (PluginError, Box<Handoff>);

/// A place where one side puts something down for the other, once.
#[derive(Debug)]
struct Rendezvous<T> {
    state: Mutex<RendezvousState<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum RendezvousState<T> {
    Empty,
    Filled(T),
    /// Whoever was to give or to take is gone.
    Closed,
}

impl<T> Rendezvous<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(RendezvousState::Empty), changed: Condvar::new() })
    }

    /// Puts something down; gives it back when nobody will take it.
    fn put(&self, value: T) -> Option<T> {
        let mut state = self.lock();
        if matches!(*state, RendezvousState::Closed) {
            return Some(value);
        }
        *state = RendezvousState::Filled(value);
        self.changed.notify_all();
        None
    }

    /// Waits for something until the other side is gone.
    fn wait(&self) -> Option<T> {
        let empty = |state: &mut RendezvousState<T>| matches!(state, RendezvousState::Empty);
        let waited = self.changed.wait_while(self.lock(), empty);
        Self::take(&mut waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for something for a while.
    fn wait_timeout(&self, timeout: Duration) -> Option<T> {
        let empty = |state: &mut RendezvousState<T>| matches!(state, RendezvousState::Empty);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, empty);
        Self::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Takes what is there and leaves for good.
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

/// A thread's end of the line.
#[derive(Debug)]
pub struct WorkerEnd {
    opened: SyncSender<Result<(), PluginError>>,
    start: Arc<Rendezvous<Handoff>>,
    started: SyncSender<Result<(), StartRejected>>,
    handoff: Arc<Rendezvous<Result<Handoff, PluginError>>>,
    has_started: Cell<bool>,
    /// Set by whoever decides first: the thread that it cannot begin, or the other side that it
    /// has to.
    decided: Arc<AtomicBool>,
    /// Whether an instance that does not open is no reason to give up: it was at work before.
    pub known_good: bool,
}

/// The other end of a [`WorkerEnd`].
#[derive(Debug)]
pub struct WorkerHandle {
    opened: Receiver<Result<(), PluginError>>,
    /// What came of the opening, once that is known.
    outcome: OnceCell<Result<(), PluginError>>,
    start: Arc<Rendezvous<Handoff>>,
    started: Receiver<Result<(), StartRejected>>,
    handoff: Arc<Rendezvous<Result<Handoff, PluginError>>>,
    decided: Arc<AtomicBool>,
}

/// A line to a thread that is to be started.
pub fn handoff_channel(known_good: bool) -> (WorkerEnd, WorkerHandle) {
    // each says one thing at most, so no sender ever waits
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

// whoever holds the reins may have let go of them: then nobody wants to know
impl WorkerEnd {
    /// Says how the first opening went.
    pub fn report_opened(&self, result: Result<(), PluginError>) {
        let _ = self.opened.send(result);
    }

    /// Waits for the cue; `None` when it never comes.
    pub fn wait_start(&self) -> Option<Handoff> {
        self.start.wait()
    }

    /// What came with the cue, for a thread that cannot open its plugin and has to end; `None` when
    /// it was not let in, and never will be.
    pub fn start_unopened(&self) -> Option<Handoff> {
        let handoff = self.start.close()?;
        self.report_started(Ok(()));
        Some(handoff)
    }

    /// Whether the thread may still decide not to begin.
    pub fn try_reject(&self) -> bool {
        !self.known_good && !self.decided.swap(true, Ordering::AcqRel)
    }

    /// Says that the work begins, or why it does not.
    pub fn report_started(&self, result: Result<(), StartRejected>) {
        self.has_started.set(result.is_ok());
        let _ = self.started.try_send(result);
    }

    /// Whether the work began.
    pub fn has_started(&self) -> bool {
        self.has_started.get()
    }

    /// Gives what is left; gives it back when nobody waits for it any more.
    pub fn hand_off(&self, handoff: Handoff) -> Option<Handoff> {
        self.handoff.put(Ok(handoff)).and_then(Result::ok)
    }

    /// Says why the component stays.
    pub fn decline(&self, error: PluginError) {
        self.handoff.put(Err(error));
    }
}

impl Drop for WorkerEnd {
    fn drop(&mut self) {
        // what was given in the last moment is for whoever holds the reins
        if let Some(handoff) = self.start.close() {
            let gone = PluginError::fatal("the component has ended");
            let _ = self.started.try_send(Err((gone, Box::new(handoff))));
        }
    }
}

impl WorkerHandle {
    /// How the first opening went; `None` when that is not known within the time.
    pub fn opened(&self, timeout: Duration) -> Option<Result<(), PluginError>> {
        if self.outcome.get().is_none() {
            let outcome = match self.opened.recv_timeout(timeout) {
                Ok(result) => result,
                // the thread has ended without a word: the pipeline ends
                Err(RecvTimeoutError::Disconnected) => Ok(()),
                Err(RecvTimeoutError::Timeout) => return None,
            };
            let _ = self.outcome.set(outcome);
        }
        self.outcome.get().cloned()
    }

    /// Gives the cue; gives what comes with it back when the thread has ended.
    pub fn start(&self, handoff: Handoff) -> Option<Handoff> {
        self.start.put(handoff)
    }

    /// Whether the work began; `None` when that is not known within the time.
    pub fn started(&self, timeout: Duration) -> Option<Result<(), StartRejected>> {
        self.started.recv_timeout(timeout).ok()
    }

    /// Lets the thread no longer decide not to begin; false when it has decided so already.
    pub fn forbid_reject(&self) -> bool {
        !self.decided.swap(true, Ordering::AcqRel)
    }

    /// As [`forbid_reject`](Self::forbid_reject).
    ///
    /// # Errors
    /// Why it has decided so already.
    pub fn force_start(&self) -> Result<(), StartRejected> {
        if self.forbid_reject() {
            return Ok(());
        }
        // what it decided is on its way, unless it began or has ended
        self.started.recv().unwrap_or(Ok(()))
    }

    /// Forgets an answer to an earlier question.
    pub fn clear_reply(&self) {
        self.handoff.wait_timeout(Duration::ZERO);
    }

    /// What the component left; `None` when that is not known within the time.
    pub fn wait_handoff(&self, timeout: Duration) -> Option<Result<Handoff, PluginError>> {
        self.handoff.wait_timeout(timeout)
    }

    /// Waits no longer for what the component leaves; gives it if it came in the last moment.
    pub fn close_handoff(&self) -> Option<Result<Handoff, PluginError>> {
        self.handoff.close()
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // a thread that waits for its cue goes; nobody is left to be told anything
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
