//! Entries into batches.

use plugin_api::{
    Batch, PluginError, RecordKind, Round, SpotListEncoder, encode_bars,
    schemas::records::{OwnedRecord, bar::OwnedBar},
};

use super::lane::Lane;
use crate::{
    record::{self, Book, Content},
    server::{Entry, EntryId},
};

/// A batch and the entries that it is made of.
pub struct Ready {
    /// The batch.
    pub batch: Batch,
    /// Place of its stream among the lanes.
    pub lane: usize,
    /// Ids of its entries, growing.
    pub entries: Vec<EntryId>,
}

/// An entry that is no record.
pub struct Bad {
    /// The entry.
    pub entry: Entry,
    /// What is wrong with it.
    pub reason: String,
}

/// How batches are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// By the id of the last entry; entries that may have been handed on before come one by one.
    ByEntry {
        /// All of them may.
        one_by_one: bool,
    },
    /// By the host: these ids lie below others that were handed on before.
    Host,
}

/// Makes batches of the entries of one stream.
pub struct Maker {
    encoder: SpotListEncoder,
    book: Book,
    most_records: usize,
}

/// Batches and refused entries that are made of what was read at once.
#[derive(Default)]
pub struct Made {
    pub ready: Vec<Ready>,
    pub bad: Vec<Bad>,
    /// Entries without a record in them.
    pub empty: Vec<EntryId>,
}

impl Maker {
    /// For batches of at most so many single records.
    pub fn new(most_records: usize) -> Self {
        let (encoder, book) = (SpotListEncoder::new(0), Book::default());
        Self { encoder, book, most_records }
    }

    /// Batches of entries that were read from a lane, in the order of their ids.
    pub fn make(
        &mut self,
        place: usize,
        lane: &mut Lane,
        entries: Vec<Entry>,
        numbers: Numbers,
    ) -> Result<Made, PluginError> {
        let mut made = Made::default();
        let mut group = Group::default();
        for entry in entries {
            let may_repeat = match numbers {
                Numbers::Host => false,
                Numbers::ByEntry { one_by_one } => one_by_one || entry.id <= lane.last,
            };
            let content = record::content(&entry);
            let fits = group.content == Some(content)
                && content != Content::Payload
                && !may_repeat
                && group.entries.len() < self.most_records;
            if !fits {
                self.finish(&mut group, place, lane, numbers, &mut made)?;
            }
            match self.add(&mut group, content, entry, &lane.stream) {
                Ok(()) if may_repeat => self.finish(&mut group, place, lane, numbers, &mut made)?,
                Ok(()) => {}
                Err(bad) => made.bad.push(bad),
            }
        }
        self.finish(&mut group, place, lane, numbers, &mut made)?;
        Ok(made)
    }

    /// Adds an entry to the group; a refused one leaves it as it was.
    fn add(
        &mut self,
        group: &mut Group,
        content: Content,
        entry: Entry,
        stream: &str,
    ) -> Result<(), Bad> {
        let id = entry.id;
        let added = match content {
            Content::Spot => {
                let record = record::spot(&entry, stream, &mut self.book);
                record.and_then(|it| self.encoder.push(&it).map_err(|error| error.to_string()))
            }
            Content::Bar => record::bar(&entry).map(|it| group.bars.push(it.into())),
            Content::Payload => payload(&entry).map(|batch| group.payload = Some(batch)),
        };
        match added {
            Ok(()) => {
                group.content = Some(content);
                group.entries.push(id);
                Ok(())
            }
            Err(reason) => Err(Bad { entry, reason }),
        }
    }

    fn finish(
        &mut self,
        group: &mut Group,
        place: usize,
        lane: &mut Lane,
        numbers: Numbers,
        made: &mut Made,
    ) -> Result<(), PluginError> {
        let Group { content: Some(content), entries, bars, payload } = std::mem::take(group) else {
            return Ok(());
        };
        let batch = match content {
            Content::Spot => Some(Batch::from_spots(&mut self.encoder, Round::MIDDLE)),
            Content::Bar => {
                Some(Batch::from_bars(encode_bars(bars.iter().map(|bar| bar.record(0))))?)
            }
            Content::Payload => payload,
        };
        let (Some(batch), Some(last)) = (batch, entries.last().copied()) else { return Ok(()) };
        if batch.records() == 0 {
            made.empty.extend(entries);
            return Ok(());
        }
        let batch = if numbers == Numbers::Host {
            batch
        } else {
            numbered(batch, lane, last, entries.len() > 1)
        };
        made.ready.push(Ready { batch, lane: place, entries });
        Ok(())
    }
}

/// The batch under the number of its last entry. Numbers begin at 1 and leave room for parts; an id
/// that has no such number, which only another writer can make, leaves it to the host.
///
/// A batch of several entries comes behind its last entry alone: read again one by one, they are all
/// known when the batch is, and none is taken for it when it is lost.
fn numbered(batch: Batch, lane: &mut Lane, last: EntryId, is_joined: bool) -> Batch {
    lane.last = lane.last.max(last);
    match (last.ms.checked_add(1), u32::try_from(last.number)) {
        (Some(sequence), Ok(number)) => {
            let part = (u64::from(number) << 32) | u64::from(is_joined);
            batch.numbered(lane.epoch, sequence, part)
        }
        _ => batch,
    }
}

/// The batch of an entry with a payload, checked.
pub fn payload(entry: &Entry) -> Result<Batch, String> {
    let bytes = entry.field("payload").unwrap_or_default().to_vec();
    let name = entry.field("kind").ok_or("`kind` is missing")?;
    let known = str::from_utf8(name).ok().and_then(RecordKind::named);
    let kind = known.ok_or_else(|| {
        let names = RecordKind::ALL.map(RecordKind::as_str);
        format!("`kind` is neither {}", names.join(" nor "))
    })?;
    let batch = Batch::from_untrusted(kind, bytes, Round::MIDDLE);
    batch.map_err(|error| format!("`payload`: {error}"))
}

/// What becomes one batch.
#[derive(Default)]
struct Group {
    content: Option<Content>,
    entries: Vec<EntryId>,
    bars: Vec<OwnedBar>,
    payload: Option<Batch>,
}
