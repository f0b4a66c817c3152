//! Takes entries to their streams, chunk by chunk.
//!
//! A chunk is a transaction: Redis takes all of it or nothing. Otherwise an entry could be refused
//! (memory full for a moment) and the one behind it taken, and the first could never be sent again,
//! because ids only grow. For the same reason a stream has one chunk under way at a time; while the
//! server works on it, the next one is encoded.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use plugin_api::{Batch, Context, PluginError, RecordKind, Symbol};
use redis::{Value, cmd};

use super::{
    chunk::{Chunk, Origin},
    options::{Format, Ids, Options},
    parts::parts,
    repeat::{self, Repeats},
};
use crate::{
    record::{Resp, Writer},
    server::{Fault, Node, Servers, array, int},
    shard,
};

/// Chunks of all streams.
pub struct Ship {
    format: Format,
    shards: u32,
    has_ids: bool,
    /// Replicas that must have everything, and how long that may take.
    wait: u32,
    timeout: Duration,
    /// By shard, quotes before bars.
    chunks: Vec<Chunk>,
    /// Chunks whose answers are outstanding, by address of the node, oldest first.
    under_way: HashMap<String, VecDeque<UnderWay>>,
    /// Entries that Redis refused because their ids are not new.
    repeats: Vec<Repeats>,
    fields: Resp,
    writer: Writer,
}

struct UnderWay {
    chunk: usize,
    origins: Vec<Origin>,
}

impl Ship {
    /// Without anything on board.
    pub fn new(options: &Options) -> Self {
        let streams = [RecordKind::Spot, RecordKind::Bar].map(|kind| options.streams(kind));
        let chunks: Vec<_> = streams
            .into_iter()
            .flatten()
            .map(|stream| Chunk::new(stream, options.maxlen))
            .collect();
        Self {
            format: options.format,
            shards: options.shards,
            has_ids: options.ids == Ids::Batch,
            wait: options.wait,
            timeout: *options.timeout,
            repeats: chunks.iter().map(|_| Repeats::default()).collect(),
            chunks,
            under_way: HashMap::new(),
            fields: Resp::default(),
            writer: Writer::default(),
        }
    }

    /// Delivers all records of the batches, or fails; then it is as before, and some of them are
    /// there.
    pub fn deliver(
        &mut self,
        servers: &mut Servers,
        batches: &[Batch],
        context: &Context,
    ) -> Result<(), PluginError> {
        self.chunks.iter_mut().for_each(Chunk::clear);
        self.under_way.clear();
        self.repeats.iter_mut().for_each(Repeats::clear);
        for (place, batch) in batches.iter().enumerate() {
            match (self.format, batch.kind()) {
                _ if batch.records() == 0 => {}
                (Format::Flatbuffers, _) => self.whole(servers, batches, place)?,
                (Format::Fields, RecordKind::Spot) => self.spots(servers, batches, place)?,
                (Format::Fields, RecordKind::Bar) => self.bars(servers, batches, place)?,
            }
        }
        for chunk in 0..self.chunks.len() {
            self.send(servers, chunk)?;
        }
        let addresses: Vec<_> = self.under_way.keys().cloned().collect();
        for address in &addresses {
            while self.receive(servers, address)? {}
        }
        for (chunk, repeats) in self.chunks.iter().zip(&self.repeats) {
            repeat::check(servers, chunk.stream(), repeats, batches, context)?;
        }
        for address in addresses.iter().filter(|_| self.wait > 0) {
            await_replicas(servers.at(address)?, self.wait, self.timeout)?;
        }
        Ok(())
    }

    fn spots(
        &mut self,
        servers: &mut Servers,
        batches: &[Batch],
        place: usize,
    ) -> Result<(), PluginError> {
        let batch = &batches[place];
        for (record, spot) in batch.spots().iter().enumerate() {
            let chunk = self.chunk_of(RecordKind::Spot, spot.symbol());
            self.fields.clear();
            self.writer.spot(&spot, batch.provenance(), &mut self.fields);
            self.add(servers, chunk, Origin::of(batches, place, record, self.has_ids)?)?;
        }
        Ok(())
    }

    fn bars(
        &mut self,
        servers: &mut Servers,
        batches: &[Batch],
        place: usize,
    ) -> Result<(), PluginError> {
        let batch = &batches[place];
        for (record, bar) in batch.bars().enumerate() {
            let chunk = self.chunk_of(RecordKind::Bar, bar.symbol);
            self.fields.clear();
            self.writer.bar(&bar, batch.provenance(), &mut self.fields);
            self.add(servers, chunk, Origin::of(batches, place, record, self.has_ids)?)?;
        }
        Ok(())
    }

    /// One entry for the batch, or one for each shard that has records in it.
    fn whole(
        &mut self,
        servers: &mut Servers,
        batches: &[Batch],
        place: usize,
    ) -> Result<(), PluginError> {
        let batch = &batches[place];
        let kind = batch.kind();
        if self.shards == 0 {
            self.payload(batch, batch.records() as usize, batch.payload());
            let origin = Origin::of(batches, place, 0, self.has_ids)?;
            return self.add(servers, self.chunk_at(kind, 0), origin);
        }
        for (shard, part) in parts(batch, self.shards)? {
            self.payload(batch, part.records, &part.payload);
            let origin = Origin::of(batches, place, part.first, self.has_ids)?;
            self.add(servers, self.chunk_at(kind, shard), origin)?;
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

    fn chunk_of(&self, kind: RecordKind, symbol: Symbol<'_>) -> usize {
        let shard = if self.shards == 0 { 0 } else { shard::of(symbol, self.shards) };
        self.chunk_at(kind, shard)
    }

    fn chunk_at(&self, kind: RecordKind, shard: u32) -> usize {
        let before = if kind == RecordKind::Spot { 0 } else { self.chunks.len() / 2 };
        before + shard as usize
    }

    /// Adds the entry that `fields` holds.
    fn add(
        &mut self,
        servers: &mut Servers,
        chunk: usize,
        origin: Origin,
    ) -> Result<(), PluginError> {
        self.chunks[chunk].add(origin, &self.fields)?;
        if self.chunks[chunk].is_full() { self.send(servers, chunk) } else { Ok(()) }
    }

    fn send(&mut self, servers: &mut Servers, chunk: usize) -> Result<(), PluginError> {
        if self.chunks[chunk].is_empty() {
            return Ok(());
        }
        let address = servers.address_of(self.chunks[chunk].stream())?;
        while self.is_under_way(&address, chunk) {
            self.receive(servers, &address)?;
        }
        let origins = self.chunks[chunk].send(servers.at(&address)?)?;
        self.under_way.entry(address).or_default().push_back(UnderWay { chunk, origins });
        Ok(())
    }

    fn is_under_way(&self, address: &str, chunk: usize) -> bool {
        let queue = self.under_way.get(address);
        queue.is_some_and(|queue| queue.iter().any(|it| it.chunk == chunk))
    }

    /// Takes the answer to the node's oldest chunk; false when none is outstanding.
    fn receive(&mut self, servers: &mut Servers, address: &str) -> Result<bool, PluginError> {
        let oldest = self.under_way.get_mut(address).and_then(VecDeque::pop_front);
        let Some(UnderWay { chunk, origins }) = oldest else { return Ok(false) };
        let stream = self.chunks[chunk].stream();
        let node = servers.at(address)?;
        // MULTI and what it queues: the first fault says why EXEC will refuse
        let mut fault = None;
        for _ in 0..=origins.len() {
            let queued = node.receive()?;
            fault = fault.or(node.accepted(queued).err());
        }
        let results = node.receive()?;
        if let Some(fault) = fault {
            return Err(refused(fault, stream));
        }
        let results = node.accepted(results).map_err(|fault| refused(fault, stream))?;
        let results = array(results).filter(|results| results.len() == origins.len());
        let results = results
            .ok_or_else(|| Fault::strange(address, "another number of results than of commands"))?;
        for (origin, result) in origins.into_iter().zip(results) {
            match result {
                Value::ServerError(error) if repeat::is_repeat(&error) => {
                    self.repeats[chunk].refused(origin);
                }
                result => {
                    let node = servers.at(address)?;
                    node.accepted(result).map_err(|fault| refused(fault, stream))?;
                    self.repeats[chunk].taken();
                }
            }
        }
        Ok(true)
    }
}

/// An entry that is too large for this server is the records' fault; all else passes.
fn refused(fault: Fault, stream: &str) -> PluginError {
    let is_too_large = fault.is_too_large();
    let error = PluginError::from(fault.about(stream));
    if is_too_large { PluginError::bad_data(error.message) } else { error }
}

/// Waits until so many replicas of a node have all that was sent to it.
fn await_replicas(node: &mut Node, replicas: u32, timeout: Duration) -> Result<(), PluginError> {
    let limit_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let answer = node.ask_patiently(cmd("WAIT").arg(replicas).arg(limit_ms), timeout)?;
    let have = int(&answer).unwrap_or_default();
    if have < u64::from(replicas) {
        return Err(PluginError::retry(format!(
            "only {have} of {replicas} replicas of redis at {} have the records after {}; \
                 start replicas or lower `wait`",
            node.name(),
            plugin_api::Duration(timeout)
        )));
    }
    Ok(())
}
