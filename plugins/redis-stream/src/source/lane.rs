//! One stream as a consumer of a group reads it.

use plugin_api::PluginError;
use redis::cmd;

use super::{
    options::{Settings, Start},
    state::State,
};
use crate::server::{Entry, EntryId, Fault, Node, Servers, array, int, into_entries, text};

/// A stream.
pub struct Lane {
    /// Its key.
    pub stream: String,
    /// Where its epoch is kept.
    key: String,
    /// Which counting its ids belong to.
    pub epoch: u64,
    /// Largest id that was made a batch of since the epoch began or the source was opened.
    pub last: EntryId,
    /// Entries that can be acknowledged.
    pub acks: Vec<EntryId>,
}

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

impl Lane {
    /// A stream that was not read yet.
    pub fn new(stream: &str, settings: &Settings) -> Self {
        let key = format!("{}/{stream}/{}", settings.target.name(), settings.group);
        let stream = stream.to_owned();
        Self { stream, key, epoch: 0, last: EntryId::default(), acks: Vec::new() }
    }

    /// Makes sure that the group is there, and knows which counting its ids belong to.
    ///
    /// A group that has to be made belongs to other data than the one before.
    pub fn prepare(
        &mut self,
        servers: &mut Servers,
        settings: &Settings,
        state: &mut State,
    ) -> Result<(), PluginError> {
        let known = state.epoch(&self.key);
        let (group, consumer) = (&settings.group, &settings.consumer);
        match pending(servers.of(&self.stream)?, &self.stream, group, consumer, None, 1) {
            Ok(_) if self.epoch > 0 => Ok(()),
            Ok(_) => {
                self.epoch = known.map_or_else(|| state.renew(&self.key), Ok)?;
                Ok(())
            }
            Err(fault) if fault.is_no_group() => {
                // before the group: a kill in between must not leave old numbers for new data
                self.epoch = state.renew(&self.key)?;
                self.last = EntryId::default();
                self.acks.clear();
                let is_first = known.is_none() && settings.start == Start::New;
                self.make_group(servers, settings, if is_first { "$" } else { "0" })
            }
            Err(fault) => Err(fault.about(&self.stream).into()),
        }
    }

    fn make_group(
        &self,
        servers: &mut Servers,
        settings: &Settings,
        from: &str,
    ) -> Result<(), PluginError> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream).arg(&settings.group).arg(from).arg("MKSTREAM");
        match servers.of(&self.stream)?.ask(&create) {
            Err(fault) if !fault.is_group_exists() => Err(fault.about(&self.stream).into()),
            _ => Ok(()),
        }
    }
}

/// What a consumer of the group was given and has not acknowledged, from an id on.
pub fn pending(
    node: &mut Node,
    stream: &str,
    group: &str,
    consumer: &str,
    from: Option<EntryId>,
    count: usize,
) -> Result<Vec<Pending>, Fault> {
    let mut command = cmd("XPENDING");
    command.arg(stream).arg(group);
    let from = from.map_or_else(|| "-".to_owned(), |id| id.to_string());
    command.arg(from).arg("+").arg(count).arg(consumer);
    let answer = node.ask(&command).map_err(|fault| fault.about(stream))?;
    let parsed = array(answer).and_then(|items| {
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

/// Gives entries to a consumer, idle for at least so long, and reads them.
///
/// Those that are not there any more, or that somebody else took meanwhile, are left out.
pub fn claim(
    node: &mut Node,
    stream: &str,
    group: &str,
    consumer: &str,
    min_idle_ms: u64,
    entries: &[Pending],
    is_another_try: bool,
) -> Result<Vec<Entry>, Fault> {
    let mut counts: Vec<_> = entries.iter().map(|it| it.tries).collect();
    counts.sort_unstable();
    counts.dedup();
    let mut claimed = Vec::new();
    // one command for all entries that were given out equally often: it sets one count
    for count in counts {
        let mut command = cmd("XCLAIM");
        command.arg(stream).arg(group).arg(consumer).arg(min_idle_ms);
        for pending in entries.iter().filter(|it| it.tries == count) {
            command.arg(pending.id.to_string());
        }
        command.arg("RETRYCOUNT").arg(count + u64::from(is_another_try));
        let answer = node.ask(&command).map_err(|fault| fault.about(stream))?;
        let read = into_entries(answer);
        claimed.extend(read.ok_or_else(|| Fault::strange(node.name(), "no list of entries"))?);
    }
    claimed.sort_unstable_by_key(|entry| entry.id);
    Ok(claimed)
}
