//! How much there is of a stream, and how much there was.

use redis::{Cmd, Value, cmd};

use crate::server::{EntryId, Fault, Node, int, into_entries, map, text};

/// What a server tells of a stream; `None` for what it does not.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The first entry that is left.
    pub first: Option<EntryId>,
    /// The last id that the stream ever had.
    pub last: EntryId,
    /// The largest one that was deleted; servers before 7.0 do not tell.
    pub deleted: Option<EntryId>,
    /// Entries that are left.
    pub length: Option<u64>,
    /// Entries that were ever added; servers before 7.0 do not count.
    pub added: Option<u64>,
}

impl Extent {
    /// Of a stream.
    ///
    /// # Errors
    /// Also when there is no such stream.
    pub fn of(node: &mut Node, stream: &str) -> Result<Self, Fault> {
        node.send(&Self::command(stream).get_packed_command())?;
        // with the first and the last entry
        let answer = node.receive_entries().and_then(|answer| node.accepted(answer))?;
        Self::read(answer).ok_or_else(|| Fault::strange(node.name(), "a stream without a last id"))
    }

    /// The command that asks for it; the answer has entries in it.
    pub fn command(stream: &str) -> Cmd {
        cmd("XINFO").arg("STREAM").arg(stream).to_owned()
    }

    /// Reads the answer.
    pub fn read(answer: Value) -> Option<Self> {
        let mut info = map(answer)?;
        let first = info.remove("first-entry").map(|first| Value::Array(vec![first]));
        let first = first.and_then(into_entries).and_then(|entries| Some(entries.first()?.id));
        let id = |value: &Value| text(value)?.parse::<EntryId>().ok();
        Some(Self {
            first,
            last: info.get("last-generated-id").and_then(id)?,
            deleted: info.get("max-deleted-entry-id").and_then(id),
            length: info.get("length").and_then(int),
            added: info.get("entries-added").and_then(int),
        })
    }

    /// Entries that were added and are not there any more.
    pub fn removed(&self) -> Option<u64> {
        Some(self.added?.saturating_sub(self.length?))
    }
}
