//! Batches into entries: one a record, or one a batch and shard.

use plugin_api::{Batch, PluginError, Record, Symbol, WithRecords};

use super::{
    options::{Format, Options},
    parts::parts,
};
use crate::{
    record::{Fields, Resp, Writer},
    shard,
};

/// Makes entries, one after the other.
pub struct Entries {
    format: Format,
    shards: u32,
    writer: Writer,
    fields: Resp,
}

impl Entries {
    /// As the options want them.
    pub fn new(options: &Options) -> Self {
        let (writer, fields) = (Writer::default(), Resp::default());
        Self { format: options.format, shards: options.shards, writer, fields }
    }

    /// Hands over each entry of a batch: shard, place of its first record, fields.
    pub fn each(
        &mut self,
        batch: &Batch,
        mut take: impl FnMut(u32, usize, &Resp) -> Result<(), PluginError>,
    ) -> Result<(), PluginError> {
        if self.format == Format::Flatbuffers {
            return self.whole(batch, take);
        }
        let shards = self.shards;
        let Self { writer, fields, .. } = self;
        writer.each(batch, fields, |record, symbol, fields| {
            take(shard_of(symbol, shards), record, fields)
        })
    }

    /// Shard and place of the first record of each entry of a batch.
    pub fn places(&self, batch: &Batch) -> Result<Vec<(u32, usize)>, PluginError> {
        Ok(match self.format {
            _ if batch.records() == 0 => Vec::new(),
            Format::Flatbuffers if self.shards == 0 => vec![(0, 0)],
            Format::Flatbuffers => {
                parts(batch, self.shards)?.into_iter().map(|(at, part)| (at, part.first)).collect()
            }
            Format::Fields => batch.with_records(Places(self.shards)),
        })
    }

    /// One entry for the batch, or one for each shard that has records in it.
    fn whole(
        &mut self,
        batch: &Batch,
        mut take: impl FnMut(u32, usize, &Resp) -> Result<(), PluginError>,
    ) -> Result<(), PluginError> {
        if batch.records() == 0 {
            return Ok(());
        }
        if self.shards == 0 {
            self.payload(batch, batch.records() as usize, batch.payload());
            return take(0, 0, &self.fields);
        }
        for (shard, part) in parts(batch, self.shards)? {
            self.payload(batch, part.records, &part.payload);
            take(shard, part.first, &self.fields)?;
        }
        Ok(())
    }

    fn payload(&mut self, batch: &Batch, records: usize, payload: &[u8]) {
        let from = batch.provenance();
        self.fields.clear();
        self.fields.bytes("kind", batch.kind().as_str().as_bytes());
        self.fields.bytes("n", records.to_string().as_bytes());
        self.fields.bytes("payload", payload);
        self.fields.bytes("source", from.source().as_bytes());
        self.fields.bytes("seq", from.sequence.to_string().as_bytes());
    }
}

/// Shard and place of every record.
struct Places(u32);

impl WithRecords for Places {
    type Output = Vec<(u32, usize)>;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Self::Output {
        let place = |(at, record): (usize, R)| (shard_of(record.symbol(), self.0), at);
        records.enumerate().map(place).collect()
    }
}

fn shard_of(symbol: Symbol<'_>, shards: u32) -> u32 {
    if shards == 0 { 0 } else { shard::of(symbol, shards) }
}
