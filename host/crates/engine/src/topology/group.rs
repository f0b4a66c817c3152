//! Batches that a sink is given in one call, with their receipts.

use plugin_api::Batch;

use crate::{
    ack::Receipt,
    queue::{Delivery, Queue, Size},
};

/// Batches that are written in one call.
#[derive(Debug, Default)]
pub struct Group {
    /// Oldest first.
    pub batches: Vec<Batch>,
    /// For each batch its receipt and its share of the queue's bound.
    pub receipts: Vec<(Receipt, Size)>,
    /// Records and bytes of all.
    pub size: Size,
    /// Failed calls with a `Retry` error.
    pub attempts: u32,
    /// Instances that panicked on it.
    pub panics: u32,
    /// Flushed before anything else is written, because it may be what fails.
    pub isolated: bool,
}

impl Group {
    /// A group of batches that were received together.
    pub fn new(deliveries: Vec<Delivery>) -> Self {
        let parts = deliveries.into_iter().map(|delivery| {
            let size = delivery.size();
            (delivery.batch, (delivery.receipt, size))
        });
        Self::of_parts(parts)
    }

    fn of_parts(parts: impl Iterator<Item = (Batch, (Receipt, Size))>) -> Self {
        let (batches, receipts): (Vec<_>, Vec<_>) = parts.unzip();
        let size = receipts.iter().fold(Size::default(), |sum, (_, size)| sum + *size);
        Self { batches, receipts, size, ..Self::default() }
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Adds the batches of another group at the end.
    pub fn append(&mut self, mut other: Self) {
        self.batches.append(&mut other.batches);
        self.receipts.append(&mut other.receipts);
        self.size = self.size + other.size;
        self.panics = self.panics.max(other.panics);
    }

    /// One group for each batch.
    pub fn split_each(self, isolated: bool) -> impl DoubleEndedIterator<Item = Self> {
        let parts = self.batches.into_iter().zip(self.receipts);
        parts.map(move |part| Self { isolated, ..Self::of_parts(std::iter::once(part)) })
    }

    /// Splits the only batch into two groups; returns the group itself when it has one record.
    pub fn halves(mut self) -> Result<[Self; 2], Self> {
        let Some(Ok(Some((first, second)))) = self.batches.first().map(Batch::halves) else {
            return Err(self);
        };
        let Some((receipt, whole)) = self.receipts.pop() else { return Err(self) };
        let half = Size { records: u64::from(first.records()), bytes: whole.bytes / 2 };
        let receipts = [(receipt.clone(), half), (receipt, whole - half)];
        let mut halves = [first, second].into_iter().zip(receipts);
        let mut next =
            || Self { isolated: self.isolated, ..Self::of_parts(halves.by_ref().take(1)) };
        Ok([next(), next()])
    }

    /// The batches with their receipts.
    pub fn into_deliveries(self) -> impl Iterator<Item = Delivery> {
        let parts = self.batches.into_iter().zip(self.receipts);
        parts.map(|(batch, (receipt, _))| Delivery { batch, receipt })
    }

    /// Acknowledges all: to the queue first, then to the source, which must not forget what the
    /// queue could offer again.
    pub fn ack(self, queue: &Queue) {
        queue.ack(&self.numbers(), self.size);
        self.receipts.into_iter().for_each(|(receipt, _)| receipt.ack());
    }

    /// Delivery numbers of the batches.
    pub fn numbers(&self) -> Vec<u64> {
        self.batches.iter().map(Batch::delivery).collect()
    }
}
