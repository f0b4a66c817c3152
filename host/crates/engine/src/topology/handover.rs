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
pub struct Left {
    /// What a sink had taken and not delivered, in the groups in which it was offered.
    pub groups: VecDeque<Group>,
    /// What a transform had in hand.
    pub input: Option<Delivery>,
    /// What its plugin gave for a next instance of itself.
    pub state: Option<Vec<u8>>,
}

impl Left {
    /// Takes up what another thread of the same component has left.
    pub fn join(&mut self, mut other: Self) {
        self.groups.append(&mut other.groups);
        self.input = self.input.take().or(other.input);
        self.state = self.state.take().or(other.state);
    }
}

/// What a queue has when its reader stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing will come any more.
    Nothing,
    /// What comes is for a successor.
    ForAnother,
}

/// Why a component did not take over, with what it was given.
pub type NotBegun = (PluginError, Box<Left>);

/// A place where one side puts something down for the other, once.
#[derive(Debug)]
struct Table<T> {
    place: Mutex<Place<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Place<T> {
    Empty,
    Given(T),
    /// Whoever was to give or to take is gone.
    Left,
}

impl<T> Table<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self { place: Mutex::new(Place::Empty), changed: Condvar::new() })
    }

    /// Puts something down; gives it back when nobody will take it.
    fn give(&self, thing: T) -> Option<T> {
        let mut place = self.lock();
        if matches!(*place, Place::Left) {
            return Some(thing);
        }
        *place = Place::Given(thing);
        self.changed.notify_all();
        None
    }

    /// Waits for something until the other side is gone.
    fn wait(&self) -> Option<T> {
        let empty = |place: &mut Place<T>| matches!(place, Place::Empty);
        let waited = self.changed.wait_while(self.lock(), empty);
        Self::take(&mut waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for something for a while.
    fn wait_timeout(&self, timeout: Duration) -> Option<T> {
        let empty = |place: &mut Place<T>| matches!(place, Place::Empty);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, empty);
        Self::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Takes what is there and leaves for good.
    fn leave(&self) -> Option<T> {
        let left = std::mem::replace(&mut *self.lock(), Place::Left);
        self.changed.notify_all();
        if let Place::Given(thing) = left { Some(thing) } else { None }
    }

    fn take(place: &mut Place<T>) -> Option<T> {
        match std::mem::replace(place, Place::Empty) {
            Place::Given(thing) => Some(thing),
            before => {
                *place = before;
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's end of the line.
#[derive(Debug)]
pub struct Cue {
    opened: SyncSender<Result<(), PluginError>>,
    go: Arc<Table<Left>>,
    began: SyncSender<Result<(), NotBegun>>,
    left: Arc<Table<Result<Left, PluginError>>>,
    has_begun: Cell<bool>,
    /// Set by whoever decides first: the thread that it cannot begin, or the other side that it
    /// has to.
    decided: Arc<AtomicBool>,
    /// Whether an instance that does not open is no reason to give up: it was at work before.
    pub is_proven: bool,
}

/// The other end of a [`Cue`].
#[derive(Debug)]
pub struct Reins {
    opened: Receiver<Result<(), PluginError>>,
    /// What came of the opening, once that is known.
    outcome: OnceCell<Result<(), PluginError>>,
    go: Arc<Table<Left>>,
    began: Receiver<Result<(), NotBegun>>,
    left: Arc<Table<Result<Left, PluginError>>>,
    decided: Arc<AtomicBool>,
}

/// A line to a thread that is to be started.
pub fn line(is_proven: bool) -> (Cue, Reins) {
    // each says one thing at most, so no sender ever waits
    let (say_opened, opened) = sync_channel(1);
    let (say_began, began) = sync_channel(1);
    let (go, left, decided) = (Table::new(), Table::new(), Arc::<AtomicBool>::default());
    let reins = Reins {
        opened,
        outcome: OnceCell::new(),
        go: Arc::clone(&go),
        began,
        left: Arc::clone(&left),
        decided: Arc::clone(&decided),
    };
    let has_begun = Cell::new(false);
    let cue = Cue { opened: say_opened, go, began: say_began, left, has_begun, decided, is_proven };
    (cue, reins)
}

// whoever holds the reins may have let go of them: then nobody wants to know
impl Cue {
    /// Says how the first opening went.
    pub fn say_opened(&self, result: Result<(), PluginError>) {
        let _ = self.opened.send(result);
    }

    /// Waits for the cue; `None` when it never comes.
    pub fn wait(&self) -> Option<Left> {
        self.go.wait()
    }

    /// What came with the cue, for a thread that cannot open its plugin and has to end; `None` when
    /// it was not let in, and never will be.
    pub fn given(&self) -> Option<Left> {
        let left = self.go.leave()?;
        self.say_began(Ok(()));
        Some(left)
    }

    /// Whether the thread may still decide not to begin.
    pub fn may_refuse(&self) -> bool {
        !self.is_proven && !self.decided.swap(true, Ordering::AcqRel)
    }

    /// Says that the work begins, or why it does not.
    pub fn say_began(&self, result: Result<(), NotBegun>) {
        self.has_begun.set(result.is_ok());
        let _ = self.began.try_send(result);
    }

    /// Whether the work began.
    pub fn has_begun(&self) -> bool {
        self.has_begun.get()
    }

    /// Gives what is left; gives it back when nobody waits for it any more.
    pub fn leave(&self, left: Left) -> Option<Left> {
        self.left.give(Ok(left)).and_then(Result::ok)
    }

    /// Says why the component stays.
    pub fn stay(&self, error: PluginError) {
        self.left.give(Err(error));
    }
}

impl Drop for Cue {
    fn drop(&mut self) {
        // what was given in the last moment is for whoever holds the reins
        if let Some(left) = self.go.leave() {
            let gone = PluginError::fatal("the component has ended");
            let _ = self.began.try_send(Err((gone, Box::new(left))));
        }
    }
}

impl Reins {
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
    pub fn go(&self, left: Left) -> Option<Left> {
        self.go.give(left)
    }

    /// Whether the work began; `None` when that is not known within the time.
    pub fn began(&self, timeout: Duration) -> Option<Result<(), NotBegun>> {
        self.began.recv_timeout(timeout).ok()
    }

    /// Lets the thread no longer decide not to begin; false when it has decided so already.
    pub fn forbid_to_refuse(&self) -> bool {
        !self.decided.swap(true, Ordering::AcqRel)
    }

    /// As [`forbid_to_refuse`](Self::forbid_to_refuse).
    ///
    /// # Errors
    /// Why it has decided so already.
    pub fn insist(&self) -> Result<(), NotBegun> {
        if self.forbid_to_refuse() {
            return Ok(());
        }
        // what it decided is on its way, unless it began or has ended
        self.began.recv().unwrap_or(Ok(()))
    }

    /// Forgets an answer to an earlier question.
    pub fn forget_answer(&self) {
        self.left.wait_timeout(Duration::ZERO);
    }

    /// What the component left; `None` when that is not known within the time.
    pub fn left(&self, timeout: Duration) -> Option<Result<Left, PluginError>> {
        self.left.wait_timeout(timeout)
    }

    /// Waits no longer for what the component leaves; gives it if it came in the last moment.
    pub fn give_up(&self) -> Option<Result<Left, PluginError>> {
        self.left.leave()
    }
}

impl Drop for Reins {
    fn drop(&mut self) {
        // a thread that waits for its cue goes; nobody is left to be told anything
        self.go.leave();
        self.left.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_state(byte: u8) -> Left {
        Left { state: Some(vec![byte]), ..Left::default() }
    }

    #[test]
    fn what_is_given_reaches_a_thread_that_waits_and_one_that_gives_up() {
        let (cue, reins) = line(false);
        assert!(reins.go(with_state(1)).is_none());
        assert_eq!(cue.wait().unwrap().state, Some(vec![1]));
        let (cue, reins) = line(false);
        reins.go(with_state(2));
        assert_eq!(cue.given().unwrap().state, Some(vec![2]));
        assert!(matches!(reins.began(Duration::ZERO), Some(Ok(()))));
    }

    #[test]
    fn what_comes_too_late_goes_back_to_whoever_gave_it() {
        let (cue, reins) = line(false);
        assert!(cue.given().is_none(), "nothing was given");
        assert_eq!(reins.go(with_state(3)).unwrap().state, Some(vec![3]));
        let (cue, reins) = line(false);
        reins.go(with_state(4));
        drop(cue);
        let (_, left) = reins.began(Duration::ZERO).unwrap().unwrap_err();
        assert_eq!(left.state, Some(vec![4]));
        let (cue, reins) = line(false);
        assert!(reins.give_up().is_none());
        assert_eq!(cue.leave(with_state(5)).unwrap().state, Some(vec![5]));
    }

    #[test]
    fn a_thread_whose_reins_are_let_go_waits_no_longer() {
        let (cue, reins) = line(false);
        drop(reins);
        assert!(cue.wait().is_none());
        assert!(cue.leave(Left::default()).is_some());
    }

    #[test]
    fn only_one_side_decides_whether_a_thread_begins() {
        let (cue, reins) = line(false);
        assert!(reins.insist().is_ok() && !cue.may_refuse());
        let (cue, reins) = line(false);
        assert!(cue.may_refuse());
        cue.say_began(Err((PluginError::config("no"), Box::default())));
        assert!(reins.insist().is_err());
    }

    #[test]
    fn an_answer_to_an_earlier_question_is_not_taken_for_one_to_the_next() {
        let (cue, reins) = line(false);
        cue.stay(PluginError::fatal("cannot"));
        reins.forget_answer();
        assert!(reins.left(Duration::ZERO).is_none());
    }
}
