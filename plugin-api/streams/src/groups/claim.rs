//! Entries that were given out and not acknowledged, and how they are given to another client.

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use crate::server::{Entry, EntryId, Fault, Node, array, int, into_entries, text};

/// Entries of one client that are looked at together; a page of them has fewer.
const MOST_LISTED: usize = 10_000;

/// An entry that was given out and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: EntryId,
    /// How long ago it was given out.
    pub idle_ms: u64,
    /// How often.
    pub tries: u64,
}

/// What a consumer of the group was given and has not acknowledged, from an id on.
pub fn pending(
    node: &mut Node,
    stream: &str,
    group: &[u8],
    consumer: &[u8],
    from: Option<EntryId>,
    count: usize,
) -> Result<Vec<Pending>, Fault> {
    let mut command = cmd("XPENDING");
    command.arg(stream).arg(group);
    let from = from.map_or_else(|| "-".to_owned(), |id| id.to_string());
    command.arg(from).arg("+").arg(count).arg(consumer);
    node.send(&command.get_packed_command())?;
    let answer = node.receive()?;
    listed(node, answer).map_err(|fault| fault.about(stream))
}

/// What a [`Claim`] got.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Entries that are the consumer's now.
    pub entries: Vec<Entry>,
    /// Ids that were given out and are not in the stream any more.
    pub gone: Vec<EntryId>,
}

/// Entries that are to be claimed.
pub struct Claim<'a> {
    pub stream: &'a str,
    pub group: &'a [u8],
    /// Who has them.
    pub from: &'a [u8],
    /// Who gets them; may be the same.
    pub to: &'a [u8],
    /// Only those that were given out so long ago.
    pub min_idle_ms: u64,
    /// They count as given out once more.
    pub is_another_try: bool,
}

impl Claim<'_> {
    /// Gives entries to a consumer and reads them.
    ///
    /// Those that another client took meanwhile are left out. Servers from 7.0 on forget an entry
    /// that is gone when it is claimed, and earlier ones give nothing for it; who had it is asked
    /// together with the claim, so that one client alone counts it.
    ///
    /// # Errors
    /// Also when the entries are more than what is read at once.
    pub fn carry_out(&self, node: &mut Node, page: &[Pending]) -> Result<Claimed, Fault> {
        let (Some(first), Some(last)) = (page.first(), page.last()) else {
            return Ok(Claimed::default());
        };
        let mut commands = vec![list(self.stream, self.group, self.from, first.id, last.id)];
        let mut counts: Vec<_> = page.iter().map(|it| it.tries).collect();
        counts.sort_unstable();
        counts.dedup();
        // one command for all entries that were given out equally often: it sets one count
        for count in counts {
            let mut command = cmd("XCLAIM");
            command.arg(self.stream).arg(self.group).arg(self.to).arg(self.min_idle_ms);
            for pending in page.iter().filter(|it| it.tries == count) {
                command.arg(pending.id.to_string());
            }
            command.arg("RETRYCOUNT").arg(count + u64::from(self.is_another_try));
            commands.push(command);
        }
        node.send_all(&commands, Duration::ZERO)?;
        let had = node.receive()?;
        let had = listed(node, had).map_err(|fault| fault.about(self.stream))?;
        let mut claimed = Claimed::default();
        for _ in 1..commands.len() {
            let answer = node.receive_entries()?;
            let answer = node.accepted(answer).map_err(|fault| fault.about(self.stream))?;
            let entries = into_entries(answer);
            let entries = entries.ok_or_else(|| Fault::strange(node.name(), "no list of entries"));
            claimed.entries.extend(entries?);
        }
        claimed.entries.sort_unstable_by_key(|entry| entry.id);
        let wanted = |id| page.iter().any(|it| it.id == id);
        let is_there = |id| claimed.entries.binary_search_by_key(&id, |entry| entry.id).is_ok();
        let gone = had.iter().filter(|it| it.idle_ms >= self.min_idle_ms);
        claimed.gone = gone.map(|it| it.id).filter(|id| wanted(*id) && !is_there(*id)).collect();
        Ok(claimed)
    }
}

/// Asks for all entries that a consumer has between two ids.
fn list(stream: &str, group: &[u8], consumer: &[u8], first: EntryId, last: EntryId) -> Cmd {
    let mut command = cmd("XPENDING");
    command.arg(stream).arg(group).arg(first.to_string()).arg(last.to_string());
    command.arg(MOST_LISTED).arg(consumer);
    command
}

fn listed(node: &Node, answer: Value) -> Result<Vec<Pending>, Fault> {
    let parsed = array(node.accepted(answer)?).and_then(|items| {
        let items = items.into_iter().map(|item| {
            let parts = array(item)?;
            Some(Pending {
                id: text(parts.first()?)?.parse().ok()?,
                idle_ms: int(parts.get(2)?)?,
                tries: int(parts.get(3)?)?,
            })
        });
        items.collect::<Option<Vec<_>>>()
    });
    parsed.ok_or_else(|| Fault::strange(node.name(), "no list of pending entries"))
}
