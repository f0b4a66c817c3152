//! How a component begins, and how it makes room for a successor.
//!
//! A component's thread opens its plugin, says how that went, and waits for its cue. The cue comes
//! with what a component before it on the same queue has left. When it is itself asked to leave, it
//! stops between two calls and leaves what it has not done.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{
        Arc,
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
pub type NotBegun = (PluginError, Left);

/// A thread's end of the line.
#[derive(Debug)]
pub struct Cue {
    opened: SyncSender<Result<(), PluginError>>,
    go: Receiver<Left>,
    began: SyncSender<Result<(), NotBegun>>,
    left: SyncSender<Result<Left, PluginError>>,
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
    go: SyncSender<Left>,
    began: Receiver<Result<(), NotBegun>>,
    left: Receiver<Result<Left, PluginError>>,
    decided: Arc<AtomicBool>,
}

/// A line to a thread that is to be started.
pub fn line(is_proven: bool) -> (Cue, Reins) {
    // each is used once at a time, so no sender ever waits
    let (say_opened, opened) = sync_channel(1);
    let (say_go, go) = sync_channel(1);
    let (say_began, began) = sync_channel(1);
    let (say_left, left) = sync_channel(1);
    let decided = Arc::new(AtomicBool::new(false));
    let reins = Reins { opened, go: say_go, began, left, decided: Arc::clone(&decided) };
    let cue = Cue {
        opened: say_opened,
        go,
        began: say_began,
        left: say_left,
        has_begun: Cell::new(false),
        decided,
        is_proven,
    };
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
        self.go.recv().ok()
    }

    /// Whether the thread may still decide not to begin.
    pub fn may_refuse(&self) -> bool {
        !self.is_proven && !self.decided.swap(true, Ordering::AcqRel)
    }

    /// Says that the work begins, or why it does not.
    pub fn say_began(&self, result: Result<(), NotBegun>) {
        self.has_begun.set(result.is_ok());
        let _ = self.began.send(result);
    }

    /// Whether the work began.
    pub fn has_begun(&self) -> bool {
        self.has_begun.get()
    }

    /// Gives what is left, or says why the component stays.
    pub fn say_left(&self, left: Result<Left, PluginError>) {
        let _ = self.left.send(left);
    }
}

impl Reins {
    /// How the first opening went; `None` when that is not known within the time.
    pub fn opened(&self, timeout: Duration) -> Option<Result<(), PluginError>> {
        match self.opened.recv_timeout(timeout) {
            Ok(result) => Some(result),
            // the thread has ended without a word: the pipeline ends
            Err(RecvTimeoutError::Disconnected) => Some(Ok(())),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }

    /// Gives the cue.
    pub fn go(&self, left: Left) {
        // a thread that has ended meanwhile has nothing to do with it: the pipeline ends
        let _ = self.go.send(left);
    }

    /// Whether the work began; `None` when that is not known within the time.
    pub fn began(&self, timeout: Duration) -> Option<Result<(), NotBegun>> {
        self.began.recv_timeout(timeout).ok()
    }

    /// Lets the thread no longer decide not to begin; gives why it has decided so already.
    pub fn insist(&self) -> Result<(), NotBegun> {
        if !self.decided.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // what it decided is on its way, unless it began or has ended
        self.began.recv().unwrap_or(Ok(()))
    }

    /// What the component left; `None` when that is not known within the time.
    pub fn left(&self, timeout: Duration) -> Option<Result<Left, PluginError>> {
        self.left.recv_timeout(timeout).ok()
    }
}
