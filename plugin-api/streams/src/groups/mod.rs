//! Groups of streams and their clients: what servers tell of them, and what an operator changes.
//!
//! Their names are whatever bytes somebody gave them. As text they are for people alone: a name that
//! is no text would be that of another.

mod claim;

use std::collections::HashMap;

use plugin_api::PluginError;
use redis::{Value, cmd};

use crate::server::{Fault, Servers, array, bytes, int, map, text};

pub use claim::{Claim, Claimed, Pending, pending};

/// Entries that are looked at and moved at once.
const AT_ONCE: usize = 500;

/// What Redis tells of a group or a client.
pub struct Info(HashMap<String, Value>);

impl Info {
    /// Reads what a server tells of one.
    pub fn of(value: Value) -> Option<Self> {
        map(value).map(Self)
    }

    /// A name as the server has it; empty for what this server does not know.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.get(name).and_then(bytes).unwrap_or_default()
    }

    /// A text, with signs for what is none; empty for what this server does not know.
    pub fn text(&self, name: &str) -> String {
        self.0.get(name).and_then(text).unwrap_or_default()
    }

    /// `None` for what this server does not know.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(int)
    }
}

/// Name under which a client of ours has what it took over.
pub fn claimed_name(consumer: &str) -> String {
    format!("{consumer}:claimed")
}

/// Groups of a stream; none when there is no such stream.
pub fn groups(servers: &mut Servers, stream: &str) -> Result<Vec<Info>, Fault> {
    match info(servers, &[b"GROUPS", stream.as_bytes()], stream) {
        Err(fault) if fault.is_no_key() => Ok(Vec::new()),
        groups => groups,
    }
}

/// Clients of a group; none when there is no such group.
pub fn clients(servers: &mut Servers, stream: &str, group: &[u8]) -> Result<Vec<Info>, Fault> {
    match info(servers, &[b"CONSUMERS", stream.as_bytes(), group], stream) {
        Err(fault) if fault.is_no_group() => Ok(Vec::new()),
        clients => clients,
    }
}

fn info(servers: &mut Servers, about: &[&[u8]], stream: &str) -> Result<Vec<Info>, Fault> {
    let node = servers.of(stream)?;
    let answer = node.ask(cmd("XINFO").arg(about)).map_err(|fault| fault.about(stream))?;
    let infos = array(answer).and_then(|infos| infos.into_iter().map(Info::of).collect());
    infos.ok_or_else(|| Fault::strange(node.name(), "no list of groups or clients"))
}

/// What a client has that was given to it so long ago, looked at page by page.
pub fn each_page(
    servers: &mut Servers,
    claim: &Claim<'_>,
    mut see: impl FnMut(&mut Servers, &[Pending]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut after = None;
    loop {
        let node = servers.of(claim.stream)?;
        let mut page = pending(node, claim.stream, claim.group, claim.from, after, AT_ONCE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.next());
        page.retain(|entry| entry.idle_ms >= claim.min_idle_ms);
        see(servers, &page)?;
    }
}

/// Gives what a client has to another one; says how many entries that were, and how many were not in
/// the stream any more.
pub fn move_all(servers: &mut Servers, claim: &Claim<'_>) -> Result<(usize, usize), Fault> {
    let (mut moved, mut gone) = (0, 0);
    each_page(servers, claim, |servers, page| {
        let claimed = claim.carry_out(servers.of(claim.stream)?, page)?;
        moved += claimed.entries.len();
        gone += claimed.gone.len();
        Ok(())
    })?;
    Ok((moved, gone))
}

/// Removes a client from its group, with all that it has not acknowledged.
pub fn remove_client(
    servers: &mut Servers,
    stream: &str,
    group: &[u8],
    client: &[u8],
) -> Result<(), PluginError> {
    let mut command = cmd("XGROUP");
    command.arg("DELCONSUMER").arg(stream).arg(group).arg(client);
    servers.of(stream)?.ask(&command).map_err(|fault| fault.about(stream))?;
    Ok(())
}

/// Removes a group, with all that its clients have not acknowledged.
pub fn remove_group(servers: &mut Servers, stream: &str, group: &[u8]) -> Result<(), PluginError> {
    let mut command = cmd("XGROUP");
    command.arg("DESTROY").arg(stream).arg(group);
    let removed = servers.of(stream)?.ask(&command).map_err(|fault| fault.about(stream))?;
    match int(&removed) {
        Some(0) => {
            let group = String::from_utf8_lossy(group);
            let text = format!("{stream} has no group {group} any more; list the readers again");
            Err(PluginError::bad_data(text))
        }
        _ => Ok(()),
    }
}
