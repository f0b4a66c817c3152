//! Batches that a sink is given together, with the duties that come with them.

use plugin_api::Batch;

use crate::{
    ack::Receipt,
    queue::{Delivery, Fill},
};

/// Batches that are written in one call.
#[derive(Debug, Default)]
pub struct Group {
    /// Oldest first.
    pub batches: Vec<Batch>,
    /// The duties of each batch: its receipt, and its share of the queue's bound.
    pub duties: Vec<(Receipt, Fill)>,
    /// Records and bytes of all.
    pub fill: Fill,
    /// Calls that failed because what the sink needs was away.
    pub attempts: u32,
    /// Instances that it broke.
    pub panics: u32,
    /// To be made safe before anything else is written, because it is under suspicion.
    pub alone: bool,
}

impl Group {
    /// What was taken together.
    pub fn new(deliveries: Vec<Delivery>) -> Self {
        let parts = deliveries.into_iter().map(|delivery| {
            let fill = delivery.fill();
            (delivery.batch, (delivery.receipt, fill))
        });
        Self::of_parts(parts)
    }

    fn of_parts(parts: impl Iterator<Item = (Batch, (Receipt, Fill))>) -> Self {
        let (batches, duties): (Vec<_>, Vec<_>) = parts.unzip();
        let fill = duties.iter().fold(Fill::default(), |sum, (_, fill)| sum + *fill);
        Self { batches, duties, fill, ..Self::default() }
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Adds the batches of another group at the end.
    pub fn append(&mut self, mut other: Self) {
        self.batches.append(&mut other.batches);
        self.duties.append(&mut other.duties);
        self.fill = self.fill + other.fill;
        self.panics = self.panics.max(other.panics);
    }

    /// One group a batch.
    pub fn apart(self, alone: bool) -> impl DoubleEndedIterator<Item = Self> {
        let parts = self.batches.into_iter().zip(self.duties);
        parts.map(move |part| Self { alone, ..Self::of_parts(std::iter::once(part)) })
    }

    /// The records of the only batch in two groups; the group itself when it has no two.
    pub fn halves(mut self) -> Result<[Self; 2], Self> {
        let Some(Ok(Some((first, second)))) = self.batches.first().map(Batch::halves) else {
            return Err(self);
        };
        let Some((receipt, whole)) = self.duties.pop() else { return Err(self) };
        let half = Fill { records: u64::from(first.records()), bytes: whole.bytes / 2 };
        let duties = [(receipt.clone(), half), (receipt, whole - half)];
        let mut halves = [first, second].into_iter().zip(duties);
        let mut next = || Self { alone: self.alone, ..Self::of_parts(halves.by_ref().take(1)) };
        Ok([next(), next()])
    }

    /// The batches as they came.
    pub fn into_deliveries(self) -> impl Iterator<Item = Delivery> {
        let parts = self.batches.into_iter().zip(self.duties);
        parts.map(|(batch, (receipt, _))| Delivery { batch, receipt })
    }

    /// Numbers of the batches.
    pub fn numbers(&self) -> Vec<u64> {
        self.batches.iter().map(Batch::delivery).collect()
    }
}
