//! A batch in flight, and how much room it takes.

use std::ops::{Add, Sub};

use plugin_api::Batch;

use crate::ack::Receipt;

/// A batch in flight, with its receipt.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The records.
    pub batch: Batch,
    /// Acknowledged when the batch is done with.
    pub receipt: Receipt,
}

impl Delivery {
    /// Bytes of payload.
    pub(super) fn bytes(&self) -> u64 {
        self.batch.payload().len() as u64
    }

    /// Its share of a queue.
    pub fn size(&self) -> Size {
        Size { records: u64::from(self.batch.records()), bytes: self.bytes() }
    }
}

/// Records and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Records.
    pub records: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { records: self.records + other.records, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Size {
    type Output = Self;

    /// Saturates at zero.
    fn sub(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// Records and bytes of some batches.
pub fn total_size(deliveries: &[Delivery]) -> Size {
    deliveries.iter().fold(Size::default(), |size, delivery| size + delivery.size())
}
