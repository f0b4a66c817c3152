//! Sinks: what delivers records.

use std::time;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Action, Batch, Context, Outcome, PluginError, Reader, error::takes_no_state, no_such_reader,
    source::unknown_command,
};

/// A sink's verdict on what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// This and everything before it is where it should be and survives a crash.
    Delivered,
    /// Taken, but not safe yet; a later `Delivered` will cover it. Until then the host keeps it and
    /// offers it again if this instance fails.
    Held,
}

/// How a sink wants to be fed unless the pipeline says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Live feed: only the newest counts, nobody waits for it (`when_full = "latest"`).
    Publisher,
    /// Every record counts, in memory (`when_full = "block"`).
    Service,
    /// Every record counts and must outlive a restart (`when_full = "block"`, on disk).
    Store,
}

/// Delivers records to the outside.
pub trait Sink: Sized {
    /// What may stand in the component's table of pipeline.toml.
    type Options: DeserializeOwned + JsonSchema;

    /// How it wants to be fed by default.
    const DELIVERY: Delivery = Delivery::Service;

    /// Whether batches must be written in the order in which they came.
    ///
    /// Without it the user may have several instances (`workers`) write side by side, and a batch
    /// may be overtaken by later ones.
    const ORDERED: bool = true;

    /// Batches are joined up to so many records, unless the pipeline says otherwise.
    const MAX_RECORDS: u32 = 10_000;

    /// How long a first batch waits for others to join it, unless the pipeline says otherwise.
    const MAX_WAIT: time::Duration = time::Duration::ZERO;

    /// Tells whether the sink could start, without starting it or changing anything.
    ///
    /// Asked by `dataserver check`, also while a host with the same pipeline runs.
    ///
    /// # Errors
    /// As [`open`](Self::open) would say it.
    fn check(options: &Self::Options, context: &Context) -> Result<(), PluginError> {
        let _ = (options, context);
        Ok(())
    }

    /// Starts the sink.
    ///
    /// # Errors
    /// `Config` when the options cannot work, `Retry` when the server is away (the host tries
    /// again while records wait), `Fatal` otherwise.
    fn open(options: Self::Options, context: Context) -> Result<Self, PluginError>;

    /// Delivers batches, in order; returns when they are delivered or held.
    ///
    /// An error speaks for all of them: the host offers the same batches again, or one by one.
    ///
    /// # Errors
    /// `BadData` when records can never be accepted, `Retry` when the server is away, `Fatal` when
    /// a new instance is needed.
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError>;

    /// Called about once a second while no batch comes, for what depends on the clock.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn tick(&mut self) -> Result<Ack, PluginError> {
        Ok(Ack::Held)
    }

    /// Makes everything taken so far safe. The instance goes on after it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn flush(&mut self) -> Result<(), PluginError> {
        Ok(())
    }

    /// Gives what a successor needs to go on where this instance is; `None` when it offers nothing.
    ///
    /// Called between two other calls when the plugin's file or its options change while the host
    /// runs. The bytes are the plugin's own: an instance of the same plugin, maybe of another
    /// version, gets them in [`import_state`](Self::import_state). It was
    /// flushed before; then it is closed.
    ///
    /// # Errors
    /// When the state cannot be given; the change is refused and this instance goes on.
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        Ok(None)
    }

    /// Goes on where the instance before it was. Called once, right after it was opened.
    ///
    /// # Errors
    /// When the state is of no use; the change is refused and the instance before it goes on.
    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        let _ = state;
        Err(takes_no_state())
    }

    /// Tells who reads what this sink delivers; `None` when it never knows, and then this
    /// instance is not asked again.
    ///
    /// Called between two other calls while somebody looks, every second at most. It holds those up,
    /// so it should answer from what is known, or ask outside for a moment at most.
    ///
    /// # Errors
    /// `Retry` when that cannot be told now; the host shows what was told before. `Fatal` when a new
    /// instance is needed.
    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        Ok(None)
    }

    /// Does something with a reader, by the [`id`](Reader::id) that [`readers`](Self::readers) told;
    /// with `preview` it changes nothing and tells what it would change.
    ///
    /// # Errors
    /// `Config` when there is no such reader or the action lacks something, `BadData` when it cannot be
    /// done, with the reason, `Retry` when that cannot be known now. `Fatal` when a new instance is
    /// needed.
    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        let _ = (action, preview);
        Err(no_such_reader(reader))
    }

    /// Ends the sink after a last [`flush`](Self::flush). No call follows.
    ///
    /// # Errors
    /// Logged; nothing else follows from it.
    fn close(&mut self) -> Result<(), PluginError> {
        Ok(())
    }

    /// Answers a question of the operator about what the sink delivers to, without starting it.
    ///
    /// As [`Source::command`](crate::Source::command).
    ///
    /// # Errors
    /// `Config` when the request is not known, `Retry` when the server is away.
    fn command(
        options: &Self::Options,
        context: &Context,
        request: &Value,
    ) -> Result<Value, PluginError> {
        let _ = (options, context);
        Err(unknown_command(request))
    }
}
