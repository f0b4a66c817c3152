//! A backlog in memory, gone with the process.

use std::io;

use super::{
    Delivery, Size,
    backlog::{Added, Backlog, Purged, Window},
};

/// Batches in memory alone.
#[derive(Debug, Default)]
pub(super) struct MemoryBacklog {
    window: Window,
    /// The last number given out.
    last: u64,
}

impl Backlog for MemoryBacklog {
    fn window(&self) -> &Window {
        &self.window
    }

    fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Never fails.
    fn add(&mut self, _: &str, delivery: Delivery) -> Result<Added, (Delivery, io::Error)> {
        let received_at_us = delivery.batch.provenance().received_at_us;
        self.last = (self.last + 1).max(u64::try_from(received_at_us).unwrap_or(0));
        let Delivery { batch, receipt } = delivery;
        let batch = batch.with_passing_delivery(self.last);
        self.window.push_back(Delivery { batch, receipt });
        Ok(Added::Queued)
    }

    fn has_room(&self, used: Size, max_bytes: u64, _: &str, delivery: &Delivery) -> bool {
        used.bytes + delivery.bytes() <= max_bytes
    }

    fn purge(&mut self) -> Purged {
        Purged { lost: self.window.clear().records, kept: Size::default() }
    }
}
