//! Feeds a component beside its inputs.

use std::sync::Arc;

use crate::{
    dead_letter::{DeadLetters, Progress, Replay},
    queue::{Delivery, Queue},
    shutdown::Shutdown,
};

/// Writer ids of these batches in a queue on disk; no component can have them.
const LETTERS: &str = "dead letters";
const HISTORY: &str = "past records";

/// Bytes that may wait in a queue before history that goes into it: what comes live behind them
/// waits for these alone.
const MOST_WAITING: u64 = 4 << 20;

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

    /// Whether a batch that is sent again under its number is recognised, also after a crash.
    pub fn knows_repeats(&self) -> bool {
        self.queue.is_on_disk()
    }

    /// Whether records of the past should wait, so that those which come live need not: too much
    /// waits in the queue, or its reader holds a quarter of its bound.
    pub fn is_pressed(&self) -> bool {
        let most = (self.queue.max_bytes() / 4).max(1);
        self.queue.waiting().bytes >= MOST_WAITING.min(most) || self.queue.size().bytes >= most
    }

    /// Gives the component records of the past; blocks while its queue is full.
    pub fn send_history(&self, delivery: Delivery) {
        self.queue.push(HISTORY, delivery, &|_| ());
    }

    /// Sends the component its dead letters again; `tell` gets the progress now and then.
    pub fn replay_letters(&self, now_us: i64, tell: &dyn Fn(&Progress)) -> Progress {
        let send = |delivery: Delivery| {
            self.queue.push(LETTERS, delivery, &|_| ());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dataserver_config::{Buffer, RawBuffer};
    use plugin_api::{Round, testing::spot_batch};

    use super::*;
    use crate::{
        ack::{AckTracker, Receipt},
        clock::SystemClock,
        queue::{ReadLimits, Recv, total_size},
    };

    fn feed(max_bytes: u64) -> (Feed, Arc<Queue>) {
        let buffer = RawBuffer { max_bytes: Some(max_bytes), ..RawBuffer::default() };
        let queue = Arc::new(Queue::in_memory(Buffer::of(None, buffer)));
        let folder = std::path::PathBuf::from("nowhere");
        let letters = Arc::new(DeadLetters::new("lake", folder, Arc::new(SystemClock)));
        (Feed::new(Arc::clone(&queue), letters, Arc::default()), queue)
    }

    #[test]
    fn history_waits_behind_what_waits_and_behind_what_a_reader_holds() {
        let batch = spot_batch(100, Round::MIDDLE);
        let size = batch.payload().len() as u64;
        let (feed, queue) = feed(size * 40);
        let acks = Arc::<AckTracker>::default();
        let mut sent = 0;
        while !feed.is_pressed() {
            feed.send_history(Delivery { batch: batch.clone(), receipt: acks.track() });
            sent += 1;
        }
        assert_eq!((sent, feed.knows_repeats()), (10, false), "a quarter of the bound");
        let limits =
            ReadLimits { max_records: 500, max_wait: Duration::ZERO, timeout: Duration::ZERO };
        let Recv::Batches(taken) = queue.recv(limits) else { panic!("nothing came") };
        assert!(feed.is_pressed(), "the reader holds it");
        let held = total_size(&taken);
        taken.into_iter().for_each(|delivery| delivery.receipt.ack());
        queue.ack(&[], held);
        assert!(!feed.is_pressed());
        assert_eq!(acks.confirmed(), 5);
    }

    #[test]
    fn history_takes_no_more_than_some_mebibytes_of_a_large_queue() {
        let batch = spot_batch(10_000, Round::MIDDLE);
        let (feed, queue) = feed(4 << 30);
        while !feed.is_pressed() {
            let receipt = Receipt::none();
            feed.send_history(Delivery { batch: batch.clone(), receipt });
        }
        let most = MOST_WAITING + batch.payload().len() as u64;
        assert!((MOST_WAITING..=most).contains(&queue.waiting().bytes), "{:?}", queue.waiting());
    }
}
