//! A way into a component beside its inputs.

use std::sync::Arc;

use crate::{
    dead_letter::{DeadLetters, Progress, Replay},
    queue::{Delivery, Queue},
    shutdown::Shutdown,
};

/// Who a queue on disk takes the batches for; no component can have that id.
const WRITER: &str = "dead letters";

/// A writer of a component's queue, until it is dropped.
#[derive(Debug)]
pub struct Feed {
    queue: Arc<Queue>,
    letters: Arc<DeadLetters>,
    shutdown: Arc<Shutdown>,
}

impl Feed {
    pub(super) fn new(
        queue: Arc<Queue>,
        letters: Arc<DeadLetters>,
        shutdown: Arc<Shutdown>,
    ) -> Self {
        queue.add_writer();
        Self { queue, letters, shutdown }
    }

    /// Whether a full queue keeps everything, and lets its writers wait.
    pub fn keeps_all(&self) -> bool {
        self.queue.rule() == "block"
    }

    /// Sends the component its dead letters again; `tell` hears now and then how far that is.
    pub fn replay_letters(&self, now_us: i64, tell: &dyn Fn(&Progress)) -> Progress {
        let send = |delivery: Delivery| {
            self.queue.push(WRITER, delivery, &|_| ());
        };
        let phase = || self.shutdown.phase();
        Replay { letters: &self.letters, send: &send, phase: &phase, tell }.run(now_us)
    }
}

impl Drop for Feed {
    /// The component gets what is left, and then the end if there is no other writer.
    fn drop(&mut self) {
        self.queue.remove_writer();
    }
}
