//! Feeds a component beside its inputs.

use std::sync::Arc;

use crate::{
    dead_letter::{DeadLetters, Progress, Replay},
    queue::{Delivery, Queue},
    shutdown::Shutdown,
};

/// Writer id of these batches in a queue on disk; no component can have it.
const WRITER: &str = "dead letters";

/// A writer of a component's queue while it exists.
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

    /// Whether the queue blocks its writers when it is full.
    pub fn keeps_all(&self) -> bool {
        self.queue.rule() == "block"
    }

    /// Sends the component its dead letters again; `tell` gets the progress now and then.
    pub fn replay_letters(&self, now_us: i64, tell: &dyn Fn(&Progress)) -> Progress {
        let send = |delivery: Delivery| {
            self.queue.push(WRITER, delivery, &|_| ());
        };
        let phase = || self.shutdown.phase();
        Replay { letters: &self.letters, send: &send, phase: &phase, tell }.run(now_us)
    }
}

impl Drop for Feed {
    /// The component drains its queue, and ends if there is no other writer.
    fn drop(&mut self) {
        self.queue.remove_writer();
    }
}
