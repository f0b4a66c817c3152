//! The sink: batches into entries of streams, each there once.
//!
//! An entry's id is made of the number under which the host offers the batch and the record's place
//! in it. When something fails, the host offers the same batches again under the same numbers, and
//! what is there already counts as delivered.

mod also;
mod chunk;
mod entries;
mod options;
mod parts;
mod repeat;
mod ship;

use std::time::Duration;

use plugin_api::{
    Ack, Action, Batch, Context, Delivery, Outcome, PluginError, Reader, RecordKind, Sink,
};

use crate::{
    readers::{Claims, Readers},
    server::{Servers, Target},
};
use also::Others;
use entries::Entries;
use options::Ids;
pub use options::Options;
use ship::Ship;

/// Who claims what a client holds takes what was given out so long ago, unless it says otherwise: as
/// sources count a client as dead.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// Streams of one or more servers, written to.
pub struct RedisSink {
    options: Options,
    context: Context,
    target: Target,
    /// Connections; none after a fault.
    servers: Option<Servers>,
    entries: Entries,
    ship: Ship,
    others: Others,
    readers: Readers,
    /// Last number that was made here, for batches that come without one.
    last_number: u64,
}

impl Sink for RedisSink {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Store;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let target = options.check(context)?;
        let mut servers = Servers::connect(&target)?;
        for kind in RecordKind::ALL {
            for stream in options.streams(kind) {
                repeat::check_writable(&mut servers, &stream)?;
            }
        }
        Ok(())
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let target = options.check(&context)?;
        // at once, so that a server that is away is in the log of the start
        let servers = Servers::connect(&target)?;
        Ok(Self {
            entries: Entries::new(&options),
            ship: Ship::new(&options),
            others: Others::new(&options),
            readers: readers(&options, &target),
            options,
            context,
            target,
            servers: Some(servers),
            last_number: 0,
        })
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        let numbered: Vec<_> = batches.iter().map(|batch| self.numbered(batch)).collect();
        let mut servers = match self.servers.take() {
            Some(servers) => servers,
            None => {
                self.ship.forget();
                Servers::connect(&self.target)?
            }
        };
        self.ship.deliver(&mut servers, &mut self.entries, &numbered, &self.context)?;
        self.others.deliver(&mut servers, &numbered)?;
        // after a fault they are gone: an answer may be outstanding
        self.servers = Some(servers);
        Ok(Ack::Delivered)
    }

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        self.readers.tell().map(Some)
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        self.readers.act(reader, action, preview)
    }
}

/// Whoever reads the streams that are written, in any group.
fn readers(options: &Options, target: &Target) -> Readers {
    let streams = RecordKind::ALL.into_iter().flat_map(|kind| options.streams(kind)).collect();
    Readers::new(target, streams, None, Claims { own: None, min_idle: DEAD_AFTER })
}

impl RedisSink {
    /// The batch with a number to make ids of.
    fn numbered(&mut self, batch: &Batch) -> Batch {
        if batch.delivery() > 0 || self.options.ids == Ids::Auto {
            return batch.clone();
        }
        let now_us = u64::try_from(self.context.now_us()).unwrap_or_default();
        self.last_number = now_us.max(self.last_number + 1);
        batch.clone().with_delivery(self.last_number)
    }
}
