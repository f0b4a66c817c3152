//! What waits in a queue, wherever it is kept.

use std::{collections::VecDeque, fmt, fs::File, io, sync::Arc};

use dataserver_spool::{Finding, Unacknowledged};

use super::{Delivery, Size, total_size};
use crate::ack::Receipt;

/// Numbered batches in order. The first of them are in memory; what an implementation keeps
/// elsewhere comes after these.
pub(super) trait Backlog: fmt::Debug + Send {
    /// What is in memory.
    fn window(&self) -> &Window;

    /// What is in memory, to take from it and to put back.
    fn window_mut(&mut self) -> &mut Window;

    /// Adds a batch of that writer at the end; returns it on failure.
    fn add(&mut self, writer: &str, delivery: Delivery) -> Result<Added, (Delivery, io::Error)>;

    /// Whether a batch of that writer fits below the bound, of which so much is used.
    fn has_room(&self, used: Size, max_bytes: u64, writer: &str, delivery: &Delivery) -> bool;

    /// Drops everything in memory unacknowledged.
    fn purge(&mut self) -> Purged;

    /// Whether it survives the process, and so takes batches after an abort as well.
    fn is_lasting(&self) -> bool {
        false
    }

    fn is_empty(&self) -> bool {
        self.window().batches.is_empty()
    }

    /// Size of all.
    fn total(&self) -> Size {
        self.window().size
    }

    /// Acknowledges everything, so that no source waits for it.
    fn ack_all(&mut self) {
        self.window_mut().ack_all();
    }

    /// All writers are gone.
    fn end_of_input(&mut self) {}

    /// Sets the bound.
    fn set_max_bytes(&mut self, _: u64) {}

    /// Whether batches have to be read into memory before the next receive.
    fn needs_refill(&mut self) -> bool {
        false
    }

    /// Reads batches into memory while it has room.
    ///
    /// # Errors
    /// When they cannot be read; damaged batches are passed over, and are among the
    /// [findings](Self::take_findings).
    fn refill(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// How many batches form a group, because an earlier run had offered them together.
    fn group(&mut self) -> Option<usize> {
        None
    }

    /// Notes that these batches are offered together.
    fn offer(&mut self, _: &[Delivery]) -> io::Result<()> {
        Ok(())
    }

    /// Notes that a batch was split in two, each to be committed by itself.
    fn split(&mut self, _: u64) {}

    /// Notes that these batches, or parts of them, are delivered.
    fn commit(&mut self, _: &[u64]) -> io::Result<()> {
        Ok(())
    }

    /// What was found wrong since the last call.
    fn take_findings(&mut self) -> Vec<Finding> {
        Vec::new()
    }

    /// What is damaged and not acknowledged; `None` where nothing can be.
    fn unacknowledged(&self) -> Option<Unacknowledged> {
        None
    }

    /// Acknowledges all damage.
    fn acknowledge(&mut self) -> io::Result<Unacknowledged> {
        Ok(Unacknowledged::default())
    }

    /// The file that is due to be synced.
    fn sync_due(&mut self) -> Option<Arc<File>> {
        None
    }

    /// Syncs everything.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Result of adding a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is in the backlog.
    Queued,
    /// It was added before, and waits or is delivered.
    Duplicate,
}

/// What came of the batches that were dropped from memory.
#[derive(Debug)]
pub(super) struct Purged {
    /// Records that are lost.
    pub lost: u64,
    /// What stays on disk.
    pub kept: Size,
}

/// Batches in memory, in order.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub batches: VecDeque<Delivery>,
    pub size: Size,
}

impl Window {
    /// Adds a batch at the end.
    pub fn push_back(&mut self, delivery: Delivery) {
        self.size = self.size + delivery.size();
        self.batches.push_back(delivery);
    }

    /// Takes the first batch.
    pub fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.batches.pop_front()?;
        self.size = self.size - delivery.size();
        Some(delivery)
    }

    /// Puts batches to the front, in their order.
    pub fn requeue_front(&mut self, deliveries: Vec<Delivery>) {
        self.size = self.size + total_size(&deliveries);
        for delivery in deliveries.into_iter().rev() {
            self.batches.push_front(delivery);
        }
    }

    /// Replaces all batches.
    pub fn replace(&mut self, batches: Vec<Delivery>) {
        self.size = total_size(&batches);
        self.batches = batches.into();
    }

    /// Drops all batches unacknowledged; returns their size.
    pub fn clear(&mut self) -> Size {
        self.batches.clear();
        std::mem::take(&mut self.size)
    }

    /// Acknowledges all batches, which stay.
    pub fn ack_all(&mut self) {
        for delivery in &mut self.batches {
            std::mem::replace(&mut delivery.receipt, Receipt::none()).ack();
        }
    }
}
