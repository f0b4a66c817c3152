//! Entries of one stream on their way.

use plugin_api::{Batch, PluginError};

use crate::{
    record::Resp,
    server::{EntryId, Fault, Node, resp},
};

/// Entries that are sent as one transaction.
const MOST_ENTRIES: usize = 100;
const MOST_BYTES: usize = 256 << 10;
/// Bits of an id's second part that count records within a batch; the microseconds of the number
/// within its millisecond stand before them, and all of it is below 2^32.
const PLACE_BITS: u32 = 22;

/// Where an entry comes from: so that it can be written once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Place of its batch among those of the call.
    pub batch: usize,
    /// Place of the record in the batch, or of the first one of an entry with many.
    pub record: usize,
    /// Its id; `None` when the server makes one.
    pub id: Option<EntryId>,
}

impl Origin {
    /// Where that record of that batch comes from.
    ///
    /// # Errors
    /// `BadData` when the batch has more records than ids have room for.
    pub fn of(
        batches: &[Batch],
        batch: usize,
        record: usize,
        has_id: bool,
    ) -> Result<Self, PluginError> {
        let id = if has_id { Some(id_of(&batches[batch], record)?) } else { None };
        Ok(Self { batch, record, id })
    }
}

/// The same for the same record whenever its batch is offered, and growing in the order of records;
/// halves of a batch count on where their part begins.
pub fn id_of(batch: &Batch, record: usize) -> Result<EntryId, PluginError> {
    let number = batch.delivery();
    let place = (batch.provenance().part & u64::from(u32::MAX)) + record as u64;
    if place >> PLACE_BITS > 0 {
        let most = 1_u32 << PLACE_BITS;
        return Err(PluginError::bad_data(format!(
            "record {place} of a batch has no place in an id, which counts up to {most}; make \
             smaller batches"
        )));
    }
    Ok(EntryId { ms: number / 1_000, number: ((number % 1_000) << PLACE_BITS) | place })
}

/// A transaction that adds entries to one stream.
#[derive(Debug)]
pub struct Chunk {
    stream: String,
    /// What every command begins with, behind its head, and how many arguments that is.
    prefix: (Vec<u8>, usize),
    bytes: Vec<u8>,
    origins: Vec<Origin>,
    id: Vec<u8>,
}

impl Chunk {
    /// An empty one for that stream.
    pub fn new(stream: String, maxlen: u64) -> Self {
        let mut prefix = Vec::new();
        let maxlen_text = maxlen.to_string();
        let mut arguments: Vec<&[u8]> = vec![b"XADD", stream.as_bytes()];
        if maxlen > 0 {
            arguments.extend([b"MAXLEN" as &[u8], b"~", maxlen_text.as_bytes()]);
        }
        arguments.iter().for_each(|argument| resp::bulk(&mut prefix, argument));
        let prefix = (prefix, arguments.len());
        Self { stream, prefix, bytes: Vec::new(), origins: Vec::new(), id: Vec::new() }
    }

    /// The stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Adds the entry that `fields` holds.
    pub fn add(&mut self, origin: Origin, fields: &Resp) {
        if self.origins.is_empty() {
            resp::command(&mut self.bytes, &[b"MULTI"]);
        }
        self.id.clear();
        match origin.id {
            Some(id) => {
                resp::number(&mut self.id, id.ms);
                self.id.push(b'-');
                resp::number(&mut self.id, id.number);
            }
            None => self.id.push(b'*'),
        }
        resp::head(&mut self.bytes, self.prefix.1 + 1 + fields.arguments);
        self.bytes.extend_from_slice(&self.prefix.0);
        resp::bulk(&mut self.bytes, &self.id);
        self.bytes.extend_from_slice(&fields.bytes);
        self.origins.push(origin);
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Whether it should go.
    pub fn is_full(&self) -> bool {
        self.origins.len() >= MOST_ENTRIES || self.bytes.len() >= MOST_BYTES
    }

    /// Sends the whole transaction; the chunk is empty then.
    pub fn send(&mut self, node: &mut Node) -> Result<Vec<Origin>, Fault> {
        resp::command(&mut self.bytes, &[b"EXEC"]);
        let sent = node.send(&self.bytes);
        let origins = std::mem::take(&mut self.origins);
        self.bytes.clear();
        sent.map(|()| origins)
    }

    /// Forgets what is in it.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.origins.clear();
    }
}
