//! A batch in parts, one for each shard.

use std::collections::BTreeMap;

use plugin_api::{BarRecord, Batch, PluginError, RecordKind, SpotListEncoder, encode_bars};

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
    match batch.kind() {
        RecordKind::Spot => of_spots(batch, shards),
        RecordKind::Bar => Ok(of_bars(batch, shards)),
    }
}

fn of_spots(batch: &Batch, shards: u32) -> Result<BTreeMap<u32, Part>, PluginError> {
    let mut lists = BTreeMap::new();
    for (place, spot) in batch.spots().iter().enumerate() {
        let (_, encoder) = lists
            .entry(shard::of(spot.symbol(), shards))
            .or_insert_with(|| (place, SpotListEncoder::new(0)));
        encoder.push_wire(&spot.to_wire())?;
    }
    let parts = lists.into_iter().map(|(shard, (first, mut encoder))| {
        let records = encoder.len();
        (shard, Part { first, records, payload: encoder.finish() })
    });
    Ok(parts.collect())
}

fn of_bars(batch: &Batch, shards: u32) -> BTreeMap<u32, Part> {
    let mut lists = BTreeMap::<u32, (usize, Vec<BarRecord<'_>>)>::new();
    for (place, bar) in batch.bars().enumerate() {
        let list = lists.entry(shard::of(bar.symbol, shards)).or_insert((place, Vec::new()));
        list.1.push(bar);
    }
    let parts = lists.into_iter().map(|(shard, (first, bars))| {
        (shard, Part { first, records: bars.len(), payload: encode_bars(bars) })
    });
    parts.collect()
}
