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

use plugin_api::{Batch, Context, PluginError, RecordKind};
use redis::cmd;

use super::{
    chunk::{Chunk, Origin, id_of},
    entries::Entries,
    options::{Ids, Options},
    repeat,
};
use crate::{
    record::Resp,
    server::{EntryId, Fault, Node, Servers, array, int, map},
};

/// No server can be told to take only smaller values than this.
const ALWAYS_TAKEN: usize = 1 << 20;
/// Largest value that a server takes unless it was told otherwise.
const USUALLY_TAKEN: u64 = 512 << 20;

/// Chunks of all streams.
pub struct Ship {
    has_ids: bool,
    /// Replicas that must have everything, and how long that may take.
    wait: u32,
    timeout: Duration,
    /// By shard, quotes before bars.
    chunks: Vec<Chunk>,
    /// Last id of each stream; unknown since the last fault.
    last_ids: Vec<Option<EntryId>>,
    /// Chunks whose answers are outstanding, by address of the node, oldest first.
    under_way: HashMap<String, VecDeque<UnderWay>>,
}

struct UnderWay {
    chunk: usize,
    origins: Vec<Origin>,
}

impl Ship {
    /// Without anything on board.
    pub fn new(options: &Options) -> Self {
        let streams = RecordKind::ALL.map(|kind| options.streams(kind));
        let chunks = streams.into_iter().flatten();
        Self {
            has_ids: options.ids == Ids::Batch,
            wait: options.wait,
            timeout: *options.access.timeout,
            chunks: chunks.map(|stream| Chunk::new(stream, options.maxlen)).collect(),
            last_ids: Vec::new(),
            under_way: HashMap::new(),
        }
    }

    /// Delivers all records of the batches, or fails; then some of them are there.
    pub fn deliver(
        &mut self,
        servers: &mut Servers,
        entries: &mut Entries,
        batches: &[Batch],
        context: &Context,
    ) -> Result<(), PluginError> {
        self.chunks.iter_mut().for_each(Chunk::clear);
        self.under_way.clear();
        // what the last call learned is of no use unless it went well
        let known = std::mem::take(&mut self.last_ids);
        if self.has_ids {
            self.last_ids = self.find_repeats(servers, known, entries, batches, context)?;
        }
        for (place, batch) in batches.iter().enumerate() {
            let first = self.chunks_of(batch.kind()).start;
            entries.each(batch, |shard, record, fields| {
                let origin = Origin::of(batches, place, record, self.has_ids)?;
                self.add(servers, first + shard as usize, origin, fields)
            })?;
        }
        for chunk in 0..self.chunks.len() {
            self.send(servers, chunk)?;
        }
        let addresses: Vec<_> = self.under_way.keys().cloned().collect();
        for address in &addresses {
            while self.receive(servers, address)? {}
        }
        for address in addresses.iter().filter(|_| self.wait > 0) {
            await_replicas(servers.at(address)?, self.wait, self.timeout)?;
        }
        Ok(())
    }

    /// Forgets what is known of the streams, because a call failed.
    pub fn forget(&mut self) {
        self.last_ids.clear();
    }

    /// Looks for all entries that are not above the last ones of their streams. Gives the last ids,
    /// now known of all streams of the kinds that are in the batches.
    fn find_repeats(
        &self,
        servers: &mut Servers,
        mut last_ids: Vec<Option<EntryId>>,
        entries: &Entries,
        batches: &[Batch],
        context: &Context,
    ) -> Result<Vec<Option<EntryId>>, PluginError> {
        last_ids.resize(self.chunks.len(), None);
        let mut are_new = true;
        for batch in batches.iter().filter(|batch| batch.records() > 0) {
            let least = id_of(batch, 0)?;
            for chunk in self.chunks_of(batch.kind()) {
                let stream = self.chunks[chunk].stream();
                let last = match last_ids[chunk] {
                    Some(last) => last,
                    None => *last_ids[chunk].insert(repeat::last_id(servers, stream)?),
                };
                are_new &= least > last;
            }
        }
        if are_new {
            return Ok(last_ids);
        }
        let mut repeats = vec![Vec::new(); self.chunks.len()];
        for (place, batch) in batches.iter().enumerate() {
            let first = self.chunks_of(batch.kind()).start;
            for (shard, record) in entries.places(batch)? {
                let chunk = first + shard as usize;
                let origin = Origin::of(batches, place, record, true)?;
                if origin.id <= last_ids[chunk] {
                    repeats[chunk].push(origin);
                }
            }
        }
        for (chunk, origins) in self.chunks.iter().zip(&repeats).filter(|it| !it.1.is_empty()) {
            repeat::check(servers, chunk.stream(), origins, batches, context)?;
        }
        Ok(last_ids)
    }

    fn chunks_of(&self, kind: RecordKind) -> std::ops::Range<usize> {
        let of_kind = self.chunks.len() / RecordKind::ALL.len();
        let first = usize::from(kind.number()) * of_kind;
        first..first + of_kind
    }

    /// Adds an entry, unless it is there already.
    fn add(
        &mut self,
        servers: &mut Servers,
        chunk: usize,
        origin: Origin,
        fields: &Resp,
    ) -> Result<(), PluginError> {
        if let (Some(id), Some(last)) = (origin.id, self.last_ids.get_mut(chunk)) {
            if Some(id) <= *last {
                // it is there, but its replicas may still have to be waited for
                let address = servers.address_of(self.chunks[chunk].stream())?;
                self.under_way.entry(address).or_default();
                return Ok(());
            }
            *last = Some(id);
        }
        if fields.bytes.len() > ALWAYS_TAKEN {
            self.check_size(servers, chunk, fields.bytes.len())?;
        }
        self.chunks[chunk].add(origin, fields);
        if self.chunks[chunk].is_full() { self.send(servers, chunk) } else { Ok(()) }
    }

    /// A server cuts the connection when a value is too large for it.
    fn check_size(
        &mut self,
        servers: &mut Servers,
        chunk: usize,
        size: usize,
    ) -> Result<(), PluginError> {
        let address = servers.address_of(self.chunks[chunk].stream())?;
        while self.receive(servers, &address)? {}
        let node = servers.at(&address)?;
        // a user who may not ask is told the usual
        let answer =
            node.ask_all(&[cmd("CONFIG").arg("GET").arg("proto-max-bulk-len").to_owned()])?;
        let told = answer.into_iter().next().and_then(map).unwrap_or_default();
        let most = told.get("proto-max-bulk-len").and_then(int).unwrap_or(USUALLY_TAKEN);
        if size as u64 <= most {
            return Ok(());
        }
        Err(PluginError::bad_data(format!(
            "an entry of {size} bytes is more than redis at {} takes ({most}); make smaller batches \
             or raise its proto-max-bulk-len",
            node.name()
        )))
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
            return Err(fault.about(stream).into());
        }
        let results = node.accepted(results).map_err(|fault| fault.about(stream))?;
        let results = array(results).filter(|results| results.len() == origins.len());
        let results = results
            .ok_or_else(|| Fault::strange(address, "another number of results than of commands"))?;
        for (origin, result) in origins.into_iter().zip(results) {
            match node.accepted(result) {
                Ok(_) => {}
                Err(fault) if fault.is_old_id() => {
                    let id = origin.id.unwrap_or_default();
                    return Err(repeat::overtaken(address, stream, id));
                }
                Err(fault) => return Err(fault.about(stream).into()),
            }
        }
        Ok(true)
    }
}

/// Waits until so many replicas of a node have all that was sent to it.
fn await_replicas(node: &mut Node, replicas: u32, timeout: Duration) -> Result<(), PluginError> {
    // the answer has to come before the connection counts as dead
    let limit = timeout / 2;
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1);
    let answer = node.ask(cmd("WAIT").arg(replicas).arg(limit_ms))?;
    let have = int(&answer).unwrap_or_default();
    if have < u64::from(replicas) {
        return Err(PluginError::retry(format!(
            "only {have} of {replicas} replicas of redis at {} have the records after {}; \
                 start replicas or lower `wait`",
            node.name(),
            plugin_api::Duration(limit)
        )));
    }
    Ok(())
}
