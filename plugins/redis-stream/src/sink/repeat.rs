//! Entries that Redis refuses because their ids are not above the last one of the stream.
//!
//! After a cut connection or a kill nobody knows what Redis took, so everything is sent again. An
//! entry that is there already is what was wanted. One that is not there was overtaken by another
//! writer, unless it was added, and trimmed or deleted since.

use plugin_api::{Batch, Context, PluginError, RecordKind, schemas::time::DatetimeText};
use redis::{ServerError, Value, cmd};

use super::chunk::Origin;
use crate::server::{Entry, EntryId, Fault, Node, Servers, into_entries, map, text};

/// Entries that are looked for at once.
const AT_ONCE: usize = 500;

/// What Redis said to the entries of one stream in one call.
#[derive(Debug, Default)]
pub struct Repeats {
    refused: Vec<Origin>,
    /// So many of the refused ones stand before one that was taken.
    before_taken: usize,
}

impl Repeats {
    /// The id of this entry is not new.
    pub fn refused(&mut self, origin: Origin) {
        self.refused.push(origin);
    }

    /// The entry behind those refused so far was added now.
    pub fn taken(&mut self) {
        self.before_taken = self.refused.len();
    }

    /// Starts the next call.
    pub fn clear(&mut self) {
        self.refused.clear();
        self.before_taken = 0;
    }
}

/// Whether Redis says that an id is not above the last one.
pub fn is_repeat(error: &ServerError) -> bool {
    error.details().is_some_and(|text| text.contains("equal or smaller"))
}

/// Makes sure that every refused entry is there already.
///
/// # Errors
/// `Retry` when another writer has overtaken us: nothing is lost, but nothing gets on either.
pub fn check(
    servers: &mut Servers,
    stream: &str,
    repeats: &Repeats,
    batches: &[Batch],
    context: &Context,
) -> Result<(), PluginError> {
    let Repeats { refused, before_taken } = repeats;
    if refused.is_empty() {
        return Ok(());
    }
    let node = servers.of(stream)?;
    let is_there = look_for(node, stream, refused, batches)?;
    let last_there = is_there.iter().rposition(|is_there| *is_there).map_or(0, |last| last + 1);
    let missing = is_there.iter().zip(refused).enumerate().filter(|(_, (is_there, _))| !**is_there);
    let missing: Vec<_> = missing.map(|(place, (_, origin))| (place, origin)).collect();
    if !missing.is_empty() {
        let known = State::of(node, stream)?;
        let last_added =
            refused.iter().rposition(|origin| origin.id == Some(known.last)).map_or(0, |it| it + 1);
        let added = last_there.max(last_added).max(*before_taken);
        for (place, origin) in missing {
            let id = origin.id.unwrap_or_default();
            if place >= added || !known.is_gone(id) {
                return Err(overtaken(node, stream, id, known.last));
            }
        }
    }
    context.count("redis_repeated_total", refused.len() as u64);
    Ok(())
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

/// What a stream says about entries that it no longer has.
struct State {
    first: Option<EntryId>,
    last: EntryId,
    /// The largest one that was deleted; servers before 7.0 do not tell.
    deleted: Option<EntryId>,
}

impl State {
    fn of(node: &mut Node, stream: &str) -> Result<Self, Fault> {
        let answer = node.ask(cmd("XINFO").arg("STREAM").arg(stream));
        let mut info = map(answer.map_err(|fault| fault.about(stream))?).unwrap_or_default();
        let id = |value: &Value| text(value)?.parse::<EntryId>().ok();
        let first = info.remove("first-entry").map(|first| Value::Array(vec![first]));
        let first = first.and_then(into_entries).and_then(|entries| Some(entries.first()?.id));
        let last = info.get("last-generated-id").and_then(id);
        let last = last.ok_or_else(|| Fault::strange(node.name(), "a stream without a last id"))?;
        Ok(Self { first, last, deleted: info.get("max-deleted-entry-id").and_then(id) })
    }

    /// Whether an entry that was added would not be there any more.
    fn is_gone(&self, id: EntryId) -> bool {
        self.first.is_none_or(|first| id < first) || self.deleted.is_some_and(|last| id <= last)
    }
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
        for (origin, answer) in origins.iter().zip(node.ask_all(&commands)?) {
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
    let record = match batch.kind() {
        RecordKind::Spot => batch
            .spots()
            .iter()
            .nth(origin.record)
            .map(|it| (it.symbol().to_string(), it.time_us())),
        RecordKind::Bar => {
            batch.bars().nth(origin.record).map(|it| (it.symbol.to_string(), it.time_us))
        }
    };
    record.is_some_and(|(symbol, time_us)| {
        entry.field("symbol") == Some(symbol.as_bytes())
            && entry.field("frame") == Some(DatetimeText::default().format(time_us))
    })
}

fn overtaken(node: &Node, stream: &str, id: EntryId, last: EntryId) -> PluginError {
    PluginError::retry(format!(
        "somebody else writes to {stream} at redis {}: entry {id} cannot be added behind {last}; \
         give this sink a stream of its own, or set ids = \"auto\"",
        node.name()
    ))
}
