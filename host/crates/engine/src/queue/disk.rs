//! A backlog on disk, of which the first part is in memory too.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io,
    sync::Arc,
};

use dataserver_spool::{Appended, Finding, Spool, Unacknowledged};

use super::{
    Delivery, Size,
    backlog::{Added, Backlog, Purged, Window},
};
use crate::ack::Receipt;

/// Bytes of payload that a queue on disk also keeps in memory.
pub(super) const WINDOW_BYTES: u64 = 64 << 20;
/// Batches on disk that share a receipt, so that a long backlog needs little memory.
const RECEIPT_SHARERS: u64 = 256;

/// Batches in a spool.
#[derive(Debug)]
pub(super) struct DiskBacklog {
    window: Window,
    spool: Spool,
    /// What is on disk alone.
    unread: Size,
    /// Receipts of that: each is acknowledged with the batch of its number, the last of several.
    unread_receipts: VecDeque<SharedReceipt>,
    /// Receipts of batches that were resent while they are in flight.
    duplicates: VecDeque<SharedReceipt>,
    /// Batches that were split, with the number of their unfinished parts.
    parts: HashMap<u64, u64>,
}

#[derive(Debug)]
struct SharedReceipt {
    number: u64,
    sharers: u64,
    receipt: Receipt,
}

impl DiskBacklog {
    /// A backlog in a spool that has so much already.
    pub fn new(spool: Spool, unread: Size) -> Self {
        Self {
            window: Window::default(),
            spool,
            unread,
            unread_receipts: VecDeque::new(),
            duplicates: VecDeque::new(),
            parts: HashMap::new(),
        }
    }

    /// The receipt of the batch that was read. Those of earlier, damaged batches are dropped
    /// unacknowledged, so that their source sends them again.
    fn unread_receipt(&mut self, number: u64) -> Receipt {
        while let Some(shared) = self.unread_receipts.pop_front_if(|it| it.number <= number) {
            if shared.number == number {
                return shared.receipt;
            }
        }
        Receipt::none()
    }

    /// A duplicate is acknowledged when all that is in the backlog now is delivered.
    fn ack_duplicate(&mut self, receipt: Receipt) {
        let last = self.spool.last();
        if self.spool.committed() >= last {
            receipt.ack();
        } else {
            share(&mut self.duplicates, last, receipt);
        }
    }
}

impl Backlog for DiskBacklog {
    fn window(&self) -> &Window {
        &self.window
    }

    fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    fn add(&mut self, writer: &str, delivery: Delivery) -> Result<Added, (Delivery, io::Error)> {
        let used = self.window.size.bytes;
        let keep = self.unread == Size::default()
            && (used == 0 || used + delivery.bytes() <= WINDOW_BYTES);
        match self.spool.append(writer, &delivery.batch, keep) {
            Ok(Appended::New(number)) if keep => {
                let Delivery { batch, receipt } = delivery;
                self.window.push_back(Delivery { batch: batch.with_delivery(number), receipt });
            }
            Ok(Appended::New(number)) => {
                self.unread = self.unread + delivery.size();
                share(&mut self.unread_receipts, number, delivery.receipt);
            }
            Ok(Appended::Deferred(number)) => {
                self.unread = self.unread + delivery.size();
                let at = self.unread_receipts.partition_point(|it| it.number < number);
                let shared = SharedReceipt { number, sharers: 1, receipt: delivery.receipt };
                self.unread_receipts.insert(at, shared);
            }
            Ok(Appended::Duplicate) => {
                self.ack_duplicate(delivery.receipt);
                return Ok(Added::Duplicate);
            }
            Err(error) => return Err((delivery, error)),
        }
        Ok(Added::Queued)
    }

    /// The spool counts for itself: in files, and duplicates need no room.
    fn has_room(&self, _: Size, _: u64, writer: &str, delivery: &Delivery) -> bool {
        self.spool.has_room(writer, &delivery.batch)
    }

    fn purge(&mut self) -> Purged {
        let kept = self.window.clear() + std::mem::take(&mut self.unread);
        self.unread_receipts.clear();
        self.duplicates.clear();
        Purged { lost: 0, kept }
    }

    fn is_lasting(&self) -> bool {
        true
    }

    fn is_empty(&self) -> bool {
        self.window.batches.is_empty() && self.unread == Size::default()
    }

    fn total(&self) -> Size {
        self.window.size + self.unread
    }

    fn ack_all(&mut self) {
        self.window.ack_all();
        for shared in self.unread_receipts.drain(..).chain(self.duplicates.drain(..)) {
            shared.receipt.ack();
        }
    }

    fn end_of_input(&mut self) {
        self.spool.end_of_input();
    }

    fn set_max_bytes(&mut self, max_bytes: u64) {
        self.spool.set_max_bytes(max_bytes);
    }

    fn needs_refill(&mut self) -> bool {
        self.unread != Size::default() && self.window.batches.len() < self.group().unwrap_or(1)
    }

    fn refill(&mut self) -> io::Result<()> {
        while self.needs_refill()
            || (self.unread.bytes > 0 && self.window.size.bytes < WINDOW_BYTES)
        {
            let Some(batch) = self.spool.read_next()? else {
                if !self.spool.is_repairing() {
                    // batches that were counted and not found are damaged
                    self.unread = Size::default();
                    self.unread_receipts.clear();
                }
                break;
            };
            let receipt = self.unread_receipt(batch.delivery());
            let delivery = Delivery { batch, receipt };
            self.unread = self.unread - delivery.size();
            self.window.push_back(delivery);
        }
        Ok(())
    }

    fn group(&mut self) -> Option<usize> {
        let first = self.window.batches.front()?.batch.delivery();
        self.spool.group_of(first)
    }

    fn offer(&mut self, batches: &[Delivery]) -> io::Result<()> {
        self.spool.offer(batches.iter().map(|delivery| delivery.batch.delivery()))
    }

    fn split(&mut self, number: u64) {
        *self.parts.entry(number).or_insert(1) += 1;
    }

    fn commit(&mut self, numbers: &[u64]) -> io::Result<()> {
        let mut whole = Vec::with_capacity(numbers.len());
        for number in numbers {
            match self.parts.get_mut(number) {
                Some(left) if *left > 1 => *left -= 1,
                _ => {
                    self.parts.remove(number);
                    whole.push(*number);
                }
            }
        }
        let committed = self.spool.commit(whole.into_iter());
        while self.duplicates.front().is_some_and(|it| it.number <= self.spool.committed()) {
            if let Some(shared) = self.duplicates.pop_front() {
                shared.receipt.ack();
            }
        }
        committed
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.spool.take_findings()
    }

    fn unacknowledged(&self) -> Option<Unacknowledged> {
        Some(self.spool.unacknowledged())
    }

    fn acknowledge(&mut self) -> io::Result<Unacknowledged> {
        self.spool.acknowledge()
    }

    fn sync_due(&mut self) -> Option<Arc<File>> {
        self.spool.sync_due()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.spool.sync()
    }
}

/// Adds a receipt that is acknowledged with that number.
fn share(receipts: &mut VecDeque<SharedReceipt>, number: u64, receipt: Receipt) {
    match receipts.back_mut() {
        Some(last) if last.sharers < RECEIPT_SHARERS || last.number == number => {
            let earlier = std::mem::replace(&mut last.receipt, Receipt::none());
            last.receipt = Receipt::join(vec![earlier, receipt]);
            last.number = number;
            last.sharers += 1;
        }
        _ => receipts.push_back(SharedReceipt { number, sharers: 1, receipt }),
    }
}
