//! Transforms: what changes records on their way.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{
    Action, Batch, Context, Outcome, PluginError, Reader, error::takes_no_state, no_such_reader,
};

/// Takes the batches that a transform makes.
#[derive(Debug, Default)]
pub struct Output {
    batches: Vec<Batch>,
}

impl Output {
    /// Passes a batch on, behind those pushed before.
    pub fn push(&mut self, batch: Batch) {
        self.batches.push(batch);
    }

    /// What was pushed, in order.
    pub fn into_batches(self) -> Vec<Batch> {
        self.batches
    }
}

/// Changes, drops or derives records.
///
/// A batch that opens or closes a round must come out, if need be without records, so that the
/// round's marks reach the sinks.
pub trait Transform: Sized {
    /// What may stand in the component's table of pipeline.toml.
    type Options: DeserializeOwned + JsonSchema;

    /// Tells whether the transform could start, without starting it or changing anything.
    ///
    /// Asked by `dataserver check`, also while a host with the same pipeline runs.
    ///
    /// # Errors
    /// As [`open`](Self::open) would say it.
    fn check(options: &Self::Options, context: &Context) -> Result<(), PluginError> {
        let _ = (options, context);
        Ok(())
    }

    /// Starts the transform.
    ///
    /// # Errors
    /// `Config` when the options cannot work, `Fatal` otherwise.
    fn open(options: Self::Options, context: Context) -> Result<Self, PluginError>;

    /// Takes one batch and pushes what becomes of it.
    ///
    /// # Errors
    /// `BadData` when the batch can never be taken, `Retry` when it should be offered again,
    /// `Fatal` when a new instance is needed. What was pushed before an error is discarded.
    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError>;

    /// Called about once a second while no batch comes, for what depends on the clock.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn tick(&mut self, output: &mut Output) -> Result<(), PluginError> {
        let _ = output;
        Ok(())
    }

    /// Gives what a successor needs to go on where this instance is; `None` when it offers nothing.
    ///
    /// Called between two other calls when the plugin's file or its options change while the host
    /// runs. The bytes are the plugin's own: an instance of the same plugin, maybe of another
    /// version, gets them in [`import_state`](Self::import_state). What
    /// is held back belongs into it: an instance that gave its state is dropped, not closed.
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

    /// Tells who reads from this transform; as [`Source::readers`](crate::Source::readers).
    ///
    /// # Errors
    /// As there.
    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        Ok(None)
    }

    /// Does something with a reader; as [`Source::act`](crate::Source::act).
    ///
    /// # Errors
    /// As there.
    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        let _ = (action, preview);
        Err(no_such_reader(reader))
    }

    /// Pushes what is still held back. No call follows.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn close(&mut self, output: &mut Output) -> Result<(), PluginError> {
        let _ = output;
        Ok(())
    }
}
