//! The backlog of a queue: in memory, and on disk after that.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io,
    sync::Arc,
};

use dataserver_spool::{Appended, Finding, Spool, Unacknowledged};
use plugin_api::Batch;

use super::{Delivery, Size, total_size};
use crate::ack::Receipt;

/// Bytes of payload that a queue on disk also keeps in memory.
pub(super) const WINDOW_BYTES: u64 = 64 << 20;
/// Batches on disk that share a receipt, so that a long backlog needs little memory.
const RECEIPT_SHARERS: u64 = 256;

/// Numbered batches in order.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// In memory; what is on disk comes after it.
    pub batches: VecDeque<Delivery>,
    pub size: Size,
    /// The last number given out.
    last: u64,
    /// What was on disk at the purge.
    kept: Size,
    disk: Option<Disk>,
}

/// The spool behind a queue.
#[derive(Debug)]
struct Disk {
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

/// Result of adding a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is in the backlog.
    Queued,
    /// It was added before, and waits or is delivered.
    Duplicate,
}

impl Backlog {
    /// A backlog in a spool that has so much already.
    pub fn with_spool(spool: Spool, unread: Size) -> Self {
        let disk = Disk {
            spool,
            unread,
            unread_receipts: VecDeque::new(),
            duplicates: VecDeque::new(),
            parts: HashMap::new(),
        };
        Self { disk: Some(disk), ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.unread() == Size::default()
    }

    /// Size of all.
    pub fn total(&self) -> Size {
        self.size + self.unread()
    }

    /// Whether batches are stored on disk.
    pub fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// What is on disk alone.
    pub fn unread(&self) -> Size {
        self.disk.as_ref().map_or_else(Size::default, |disk| disk.unread)
    }

    /// Whether the spool has room for a batch of that writer; always true without one.
    pub fn has_room_on_disk(&self, writer: &str, batch: &Batch) -> bool {
        self.disk.as_ref().is_none_or(|disk| disk.spool.has_room(writer, batch))
    }

    /// All writers are gone.
    pub fn end_of_input(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.spool.end_of_input();
        }
    }

    /// Whether batches have to be read from disk before the next receive.
    pub fn needs_refill(&mut self) -> bool {
        self.unread() != Size::default() && self.batches.len() < self.group().unwrap_or(1)
    }

    /// Adds a batch at the end; returns it on failure.
    pub fn add(
        &mut self,
        writer: &str,
        delivery: Delivery,
    ) -> Result<Added, (Delivery, io::Error)> {
        let Some(disk) = &mut self.disk else {
            let received_at_us = delivery.batch.provenance().received_at_us;
            self.last = (self.last + 1).max(u64::try_from(received_at_us).unwrap_or(0));
            let Delivery { batch, receipt } = delivery;
            let batch = batch.with_passing_delivery(self.last);
            self.push_back(Delivery { batch, receipt });
            return Ok(Added::Queued);
        };
        let keep = disk.unread == Size::default()
            && (self.size.bytes == 0 || self.size.bytes + delivery.bytes() <= WINDOW_BYTES);
        match disk.spool.append(writer, &delivery.batch, keep) {
            Ok(Appended::New(number)) if keep => {
                let Delivery { batch, receipt } = delivery;
                self.push_back(Delivery { batch: batch.with_delivery(number), receipt });
            }
            Ok(Appended::New(number)) => {
                disk.unread = disk.unread + delivery.size();
                share(&mut disk.unread_receipts, number, delivery.receipt);
            }
            Ok(Appended::Deferred(number)) => {
                disk.unread = disk.unread + delivery.size();
                let at = disk.unread_receipts.partition_point(|it| it.number < number);
                let shared = SharedReceipt { number, sharers: 1, receipt: delivery.receipt };
                disk.unread_receipts.insert(at, shared);
            }
            Ok(Appended::Duplicate) => {
                disk.ack_duplicate(delivery.receipt);
                return Ok(Added::Duplicate);
            }
            Err(error) => return Err((delivery, error)),
        }
        Ok(Added::Queued)
    }

    fn push_back(&mut self, delivery: Delivery) {
        self.size = self.size + delivery.size();
        self.batches.push_back(delivery);
    }

    /// Reads from disk while memory has room.
    ///
    /// # Errors
    /// When the disk cannot be read; damaged batches are passed over, and are among the
    /// [findings](Self::take_findings).
    pub fn refill(&mut self) -> io::Result<()> {
        while self.needs_refill() || (self.unread().bytes > 0 && self.size.bytes < WINDOW_BYTES) {
            let Some(disk) = &mut self.disk else { return Ok(()) };
            let Some(batch) = disk.spool.read_next()? else {
                if !disk.spool.is_repairing() {
                    // batches that were counted and not found are damaged
                    disk.unread = Size::default();
                    disk.unread_receipts.clear();
                }
                break;
            };
            let receipt = disk.unread_receipt(batch.delivery());
            let delivery = Delivery { batch, receipt };
            let size = delivery.size();
            disk.unread.records = disk.unread.records.saturating_sub(size.records);
            disk.unread.bytes = disk.unread.bytes.saturating_sub(size.bytes);
            self.size = self.size + size;
            self.batches.push_back(delivery);
        }
        Ok(())
    }

    /// What was found wrong on the disk since the last call.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        self.disk.as_mut().map_or_else(Vec::new, |disk| disk.spool.take_findings())
    }

    /// What is damaged on the disk and not acknowledged; `None` without one.
    pub fn unacknowledged(&self) -> Option<Unacknowledged> {
        Some(self.disk.as_ref()?.spool.unacknowledged())
    }

    /// Acknowledges all damage on the disk.
    pub fn acknowledge(&mut self) -> io::Result<Unacknowledged> {
        self.disk
            .as_mut()
            .map_or_else(|| Ok(Unacknowledged::default()), |it| it.spool.acknowledge())
    }

    /// Takes the first batch in memory.
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

    /// Closes the spool, which stays on disk.
    pub fn close_disk(&mut self) {
        self.disk = None;
    }

    /// Replaces the batches in memory.
    pub fn replace(&mut self, batches: Vec<Delivery>) {
        self.size = total_size(&batches);
        self.batches = batches.into();
    }

    /// How many batches form a group, because an earlier run had offered them together.
    pub fn group(&mut self) -> Option<usize> {
        let first = self.batches.front()?.batch.delivery();
        self.disk.as_mut()?.spool.group_of(first)
    }

    /// Notes that these batches are offered together.
    pub fn offer(&mut self, batches: &[Delivery]) -> io::Result<()> {
        let numbers = batches.iter().map(|delivery| delivery.batch.delivery());
        self.disk.as_mut().map_or(Ok(()), |disk| disk.spool.offer(numbers))
    }

    /// Notes that a batch was split in two, each to be committed by itself.
    pub fn split(&mut self, number: u64) {
        if let Some(disk) = &mut self.disk {
            *disk.parts.entry(number).or_insert(1) += 1;
        }
    }

    /// Notes that these batches, or parts of them, are delivered.
    pub fn commit(&mut self, numbers: &[u64]) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        let mut whole = Vec::with_capacity(numbers.len());
        for number in numbers {
            match disk.parts.get_mut(number) {
                Some(left) if *left > 1 => *left -= 1,
                _ => {
                    disk.parts.remove(number);
                    whole.push(*number);
                }
            }
        }
        let committed = disk.spool.commit(whole.into_iter());
        while disk.duplicates.front().is_some_and(|it| it.number <= disk.spool.committed()) {
            if let Some(shared) = disk.duplicates.pop_front() {
                shared.receipt.ack();
            }
        }
        committed
    }

    /// The file that is due to be synced.
    pub fn sync_due(&mut self) -> Option<Arc<File>> {
        self.disk.as_mut()?.spool.sync_due()
    }

    /// What was on disk at the purge.
    pub fn kept(&self) -> Size {
        self.kept
    }

    /// Acknowledges everything, so that no source waits for it.
    pub fn ack_all(&mut self) {
        for delivery in &mut self.batches {
            std::mem::replace(&mut delivery.receipt, Receipt::none()).ack();
        }
        let Some(disk) = &mut self.disk else { return };
        for shared in disk.unread_receipts.drain(..).chain(disk.duplicates.drain(..)) {
            shared.receipt.ack();
        }
    }

    /// Sets the bound of what is on disk.
    pub fn set_max_bytes(&mut self, max_bytes: u64) {
        if let Some(disk) = &mut self.disk {
            disk.spool.set_max_bytes(max_bytes);
        }
    }

    /// Drops everything in memory unacknowledged. Returns the records that are lost.
    pub fn purge(&mut self) -> io::Result<u64> {
        let size = std::mem::take(&mut self.size);
        self.batches.clear();
        let Some(disk) = &mut self.disk else { return Ok(size.records) };
        self.kept = self.kept + size + std::mem::take(&mut disk.unread);
        disk.unread_receipts.clear();
        disk.duplicates.clear();
        disk.spool.sync()?;
        Ok(0)
    }
}

impl Disk {
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
