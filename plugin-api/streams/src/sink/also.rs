//! Records as JSON to lists and channels, for consumers from before streams.

use plugin_api::{Batch, PluginError, RecordKind};

use super::options::{Also, Options};
use crate::{
    record::{Json, Writer},
    server::{Servers, resp},
};

/// Records that are sent at once.
const AT_ONCE: usize = 200;

/// Lists and channels that get every record, too.
pub struct Others {
    destinations: Vec<Destination>,
    writer: Writer,
    json: Json,
}

/// A list or a channel.
struct Destination {
    kind: RecordKind,
    command: &'static str,
    key: String,
    /// Commands that are to be sent.
    waiting: Vec<u8>,
    count: usize,
}

impl Others {
    /// Those that the options name.
    pub fn new(options: &Options) -> Self {
        let destination =
            |kind, command, key| Destination { kind, command, key, waiting: Vec::new(), count: 0 };
        let destinations = options.also.iter().flat_map(|also| {
            RecordKind::ALL.map(|kind| match also {
                Also::List => destination(kind, "LPUSH", options.queue(kind)),
                Also::Pubsub => destination(kind, "PUBLISH", options.channel(kind)),
            })
        });
        Self {
            destinations: destinations.collect(),
            writer: Writer::default(),
            json: Json::default(),
        }
    }

    /// Sends all records of the batches.
    pub fn deliver(&mut self, servers: &mut Servers, batches: &[Batch]) -> Result<(), PluginError> {
        let Self { destinations, writer, json } = self;
        for destination in destinations {
            destination.clear();
            let kind = destination.kind;
            for batch in batches.iter().filter(|batch| batch.kind() == kind) {
                writer.each(batch, json, |_, _, json| destination.add(servers, json.finish()))?;
            }
            destination.send(servers)?;
        }
        Ok(())
    }
}

impl Destination {
    fn clear(&mut self) {
        self.waiting.clear();
        self.count = 0;
    }

    fn add(&mut self, servers: &mut Servers, record: &[u8]) -> Result<(), PluginError> {
        let arguments = [self.command.as_bytes(), self.key.as_bytes(), record];
        resp::command(&mut self.waiting, &arguments);
        self.count += 1;
        if self.count < AT_ONCE { Ok(()) } else { self.send(servers) }
    }

    fn send(&mut self, servers: &mut Servers) -> Result<(), PluginError> {
        if self.count > 0 {
            let node = servers.of(&self.key)?;
            node.send(&self.waiting)?;
            for _ in 0..self.count {
                let answer = node.receive()?;
                node.accepted(answer).map_err(|fault| fault.about(&self.key))?;
            }
        }
        self.clear();
        Ok(())
    }
}
