//! Who reads the streams of a sink, or beside a source: clients of their groups.
//!
//! They are asked of the servers over a connection of its own, so that a fault there disturbs nothing
//! else. The component's thread waits meanwhile: for no longer than a moment, and after a fault not
//! again at once.

mod act;
mod name;
mod row;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use plugin_api::{Action, Outcome, PluginError, Reader, no_such_reader};

use crate::{
    extent::Extent,
    groups::{clients, groups},
    server::{Servers, Target},
};
use act::Act;
use name::Name;
use row::GroupRow;

pub use act::Claims;

/// Longest wait for a server; less where the options say so.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a fault: until then it is told again.
const PAUSE: Duration = Duration::from_secs(10);
/// Streams that are looked at, each with some commands.
const MOST_STREAMS: usize = 64;

/// The readers of a component's streams.
pub struct Readers {
    target: Target,
    streams: Vec<String>,
    /// Only that group.
    group: Option<String>,
    claims: Claims,
    /// Connections; none after a fault.
    servers: Option<Servers>,
    /// The last fault, and until when it holds.
    fault: Option<(Instant, PluginError)>,
    /// What groups lost, by stream and group.
    losses: HashMap<(String, Vec<u8>), Losses>,
}

/// Entries that a group lost. What a server tells goes back to nothing once the group reads on.
#[derive(Debug, Default)]
struct Losses {
    seen: u64,
    all: u64,
}

impl Losses {
    fn see(&mut self, lost: u64) -> u64 {
        self.all += lost.saturating_sub(self.seen);
        self.seen = lost;
        self.all
    }
}

impl Readers {
    /// Of those streams, in every group or in one.
    pub fn new(
        target: &Target,
        streams: Vec<String>,
        group: Option<String>,
        claims: Claims,
    ) -> Self {
        let mut target = target.clone();
        target.timeout = target.timeout.min(LONGEST_TIMEOUT);
        let (servers, fault, losses) = (None, None, HashMap::new());
        Self { target, streams, group, claims, servers, fault, losses }
    }

    /// Tells of all clients.
    ///
    /// # Errors
    /// When a server does not tell.
    pub fn tell(&mut self) -> Result<Vec<Reader>, PluginError> {
        if let Some((until, fault)) = &self.fault
            && Instant::now() < *until
        {
            return Err(fault.clone());
        }
        let told = self.connect().and_then(|mut servers| {
            let told = self.ask(&mut servers)?;
            // after a fault they are gone: an answer may be outstanding
            self.servers = Some(servers);
            Ok(told)
        });
        self.fault = told.as_ref().err().map(|fault| (Instant::now() + PAUSE, fault.clone()));
        told
    }

    /// Does something with one.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        let name = Name::parse(reader).filter(|name| self.is_ours(name));
        let name = name.ok_or_else(|| no_such_reader(reader))?;
        let mut servers = self.connect()?;
        let mut act = Act { servers: &mut servers, name: &name, claims: &self.claims, preview };
        let outcome = act.carry_out(action)?;
        self.servers = Some(servers);
        Ok(outcome)
    }

    fn is_ours(&self, name: &Name) -> bool {
        let group = self.group.as_ref();
        self.streams.contains(&name.stream)
            && group.is_none_or(|group| group.as_bytes() == name.group)
    }

    fn connect(&mut self) -> Result<Servers, PluginError> {
        match self.servers.take() {
            Some(servers) => Ok(servers),
            None => Ok(Servers::connect(&self.target)?),
        }
    }

    fn ask(&mut self, servers: &mut Servers) -> Result<Vec<Reader>, PluginError> {
        let mut readers = Vec::new();
        for stream in self.streams.iter().take(MOST_STREAMS) {
            let node = servers.of(stream)?;
            let server = node.name().to_owned();
            let extent = match Extent::of(node, stream) {
                Err(fault) if fault.is_no_key() => continue,
                extent => extent.map_err(|fault| fault.about(stream))?,
            };
            for group in groups(servers, stream)? {
                let name = group.bytes("name");
                if self.group.as_ref().is_some_and(|own| own.as_bytes() != name) {
                    continue;
                }
                let clients = clients(servers, stream, &name)?;
                let (extent, group) = (&extent, &group);
                let mut row = GroupRow { server: &server, stream, extent, group, lost: 0 };
                let losses = self.losses.entry((stream.clone(), name)).or_default();
                row.lost = losses.see(row.trimmed());
                readers.extend(row.readers(&clients));
            }
        }
        Ok(readers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_add_up_though_servers_forget_them() {
        let mut losses = Losses::default();
        let seen = [0, 5, 8, 8, 0, 0, 3].map(|lost| losses.see(lost));
        assert_eq!(seen, [0, 5, 8, 8, 8, 8, 11]);
    }
}
