//! Entries that may be there already.
//!
//! After a cut connection or a kill it is not known what Redis took, so everything is offered
//! again, under the same ids. Redis takes no id that is not above the stream's last one; those are
//! looked for before anything is sent. An entry that is there is what was wanted. One that is not
//! was overtaken by another writer, unless it was added, and trimmed or deleted since.

use std::time::Duration;

use plugin_api::{Batch, Context, PluginError, Record, WithRecords, schemas::time::DatetimeText};
use redis::cmd;

use super::chunk::Origin;
use crate::{
    extent::Extent,
    server::{Entry, EntryId, Fault, Node, Servers, into_entries, text},
};

/// Entries that are looked for at once.
const AT_ONCE: usize = 500;

/// The last id that a stream ever had; the least one when there is no such stream.
pub fn last_id(servers: &mut Servers, stream: &str) -> Result<EntryId, PluginError> {
    let node = servers.of(stream)?;
    match Extent::of(node, stream) {
        Ok(extent) => Ok(extent.last),
        Err(fault) if fault.is_no_key() => Ok(EntryId::default()),
        Err(fault) => Err(fault.about(stream).into()),
    }
}

/// Makes sure that all these entries of a stream are there already.
///
/// # Errors
/// `Retry` when another writer has overtaken us: nothing is lost, but nothing gets on either.
pub fn check(
    servers: &mut Servers,
    stream: &str,
    origins: &[Origin],
    batches: &[Batch],
    context: &Context,
) -> Result<(), PluginError> {
    let node = servers.of(stream)?;
    let is_there = look_for(node, stream, origins, batches)?;
    if is_there.contains(&false) {
        let extent = Extent::of(node, stream).map_err(|fault| fault.about(stream))?;
        // entries are added in order, so whatever stands before one of ours was added, too
        let last_added = is_there
            .iter()
            .zip(origins)
            .rposition(|(is_there, origin)| *is_there || origin.id == Some(extent.last));
        for (place, origin) in origins.iter().enumerate().filter(|(place, _)| !is_there[*place]) {
            let id = origin.id.unwrap_or_default();
            if last_added.is_none_or(|last| place > last) || !is_gone(&extent, id) {
                return Err(overtaken(node.name(), stream, id));
            }
        }
    }
    context.count("redis_repeated_total", origins.len() as u64);
    Ok(())
}

/// Another writer's entry stands where ours should be.
pub fn overtaken(server: &str, stream: &str, id: EntryId) -> PluginError {
    PluginError::retry(format!(
        "somebody else writes to {stream} at redis {server}: {id} is not there, and not above the \
         stream's last id; give this sink a stream of its own, or set ids = \"auto\""
    ))
}

/// Whether a sink could write to the stream, as far as that can be told without writing.
pub fn check_writable(servers: &mut Servers, stream: &str) -> Result<(), PluginError> {
    let node = servers.of(stream)?;
    node.ask(cmd("XLEN").arg(stream)).map_err(|fault| fault.about(stream))?;
    let role = node.ask(cmd("INFO").arg("replication"))?;
    if text(&role).is_some_and(|info| info.lines().any(|line| line.trim() == "role:slave")) {
        let name = node.name();
        return Err(PluginError::retry(format!(
            "redis at {name} is a read-only replica; name its master in `url`, or promote it"
        )));
    }
    Ok(())
}

/// Whether an entry that was added would not be there any more.
fn is_gone(extent: &Extent, id: EntryId) -> bool {
    // as far as is known, any entry was ever trimmed or deleted
    let lacks_some = extent.removed().is_none_or(|removed| removed > 0);
    let is_behind_first = extent.first.is_none_or(|first| id < first);
    let is_deleted = extent.deleted.is_some_and(|last| id <= last);
    lacks_some && (is_behind_first || is_deleted)
}

fn look_for(
    node: &mut Node,
    stream: &str,
    refused: &[Origin],
    batches: &[Batch],
) -> Result<Vec<bool>, PluginError> {
    let mut is_there = Vec::with_capacity(refused.len());
    for origins in refused.chunks(AT_ONCE) {
        let commands: Vec<_> = origins
            .iter()
            .map(|origin| {
                let id = origin.id.unwrap_or_default().to_string();
                cmd("XRANGE").arg(stream).arg(&id).arg(&id).to_owned()
            })
            .collect();
        node.send_all(&commands, Duration::ZERO)?;
        // one by one: an entry may be as large as a batch
        for origin in origins {
            let answer = node.receive_entries()?;
            let entries = into_entries(node.accepted(answer)?)
                .ok_or_else(|| Fault::strange(node.name(), "no list of entries"))?;
            is_there.push(entries.first().is_some_and(|it| is_same(it, origin, batches)));
        }
    }
    Ok(is_there)
}

/// Whether the entry of that id is ours: another writer could have had the same idea of an id.
fn is_same(entry: &Entry, origin: &Origin, batches: &[Batch]) -> bool {
    let batch = &batches[origin.batch];
    if let Some(kind) = entry.field("kind") {
        return kind == batch.kind().as_str().as_bytes();
    }
    let record = batch.with_records(Nth(origin.record));
    record.is_some_and(|(symbol, time_us)| {
        entry.field("symbol") == Some(symbol.as_bytes())
            && entry.field("frame") == Some(DatetimeText::default().format(time_us))
    })
}

/// Security and time of the record at that place.
struct Nth(usize);

impl WithRecords for Nth {
    type Output = Option<(String, i64)>;

    fn run<R: Record>(self, mut records: impl Iterator<Item = R>) -> Self::Output {
        records.nth(self.0).map(|it| (it.symbol().to_string(), it.time_us()))
    }
}
