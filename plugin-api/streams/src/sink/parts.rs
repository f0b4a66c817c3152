//! A batch in parts, one for each shard.

use std::collections::BTreeMap;

use plugin_api::{Batch, PluginError, Record, WithRecords};

use crate::shard;

/// The records of one shard as a list.
pub struct Part {
    /// Place in the batch of its first record.
    pub first: usize,
    /// Number of its records.
    pub records: usize,
    /// The list.
    pub payload: Vec<u8>,
}

/// Parts of the shards that have records in the batch, by shard.
pub fn parts(batch: &Batch, shards: u32) -> Result<BTreeMap<u32, Part>, PluginError> {
    batch.with_records(ByShard(shards))
}

struct ByShard(u32);

impl WithRecords for ByShard {
    type Output = Result<BTreeMap<u32, Part>, PluginError>;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Self::Output {
        let mut lists = BTreeMap::<u32, (usize, Vec<R>)>::new();
        for (place, record) in records.enumerate() {
            let shard = shard::of(record.symbol(), self.0);
            lists.entry(shard).or_insert((place, Vec::new())).1.push(record);
        }
        let part = |(shard, (first, list)): (u32, (usize, Vec<R>))| {
            let records = list.len();
            Ok((shard, Part { first, records, payload: R::encode(list.into_iter())? }))
        };
        lists.into_iter().map(part).collect()
    }
}
