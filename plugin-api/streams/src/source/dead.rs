//! Entries that are set aside: to a stream of dead letters, with the reason.

use plugin_api::PluginError;

use super::RedisSource;
use crate::{
    groups::Pending,
    server::{Entry, Servers, resp},
};

/// Fields that a dead letter has besides those of the entry.
const ADDED: usize = 4;

impl RedisSource {
    /// Sets those aside that were given out too often; gives back the others.
    pub(super) fn set_aside_poison(
        &mut self,
        servers: &mut Servers,
        place: usize,
        entries: Vec<Entry>,
        pending: &[Pending],
    ) -> Result<Vec<Entry>, PluginError> {
        let Some(most) = self.settings.most_tries else { return Ok(entries) };
        let tries = |entry: &Entry| {
            pending.iter().find(|it| it.id == entry.id).map_or(0, |pending| pending.tries)
        };
        let (poison, good): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| tries(entry) >= most);
        for entry in poison {
            let reason = format!("given out {} times and never acknowledged", tries(&entry));
            self.set_aside(servers, place, &entry, &reason)?;
        }
        Ok(good)
    }

    /// Copies an entry to the dead letters of its stream and acknowledges it.
    pub(super) fn set_aside(
        &mut self,
        servers: &mut Servers,
        place: usize,
        entry: &Entry,
        reason: &str,
    ) -> Result<(), PluginError> {
        let stream = &self.lanes[place].stream;
        let dead = format!("{stream}:dead");
        let mut command = Vec::new();
        resp::head(&mut command, 3 + entry.fields.len() + 2 * ADDED);
        [b"XADD", dead.as_bytes(), b"*"].iter().for_each(|it| resp::bulk(&mut command, it));
        entry.fields.iter().for_each(|it| resp::bulk(&mut command, it));
        let added: [(&str, &str); ADDED] = [
            ("dead_reason", reason),
            ("dead_id", &entry.id.to_string()),
            ("dead_group", &self.settings.group),
            ("dead_consumer", &self.settings.consumer),
        ];
        for (name, value) in added {
            resp::bulk(&mut command, name.as_bytes());
            resp::bulk(&mut command, value.as_bytes());
        }
        let node = servers.of(&dead)?;
        node.send(&command)?;
        let answer = node.receive()?;
        node.accepted(answer).map_err(|fault| fault.about(&dead))?;
        self.context.dropped("dead_letter", 1);
        self.context
            .warn(&format!("entry {} of {stream} is set aside in {dead}: {reason}", entry.id));
        self.lanes[place].acks.push(entry.id);
        self.acknowledge(servers)
    }
}
