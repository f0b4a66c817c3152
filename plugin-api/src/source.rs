//! Sources: what brings records in.

use std::time;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Action, Batch, Context, Outcome, PluginError, Reader, error::takes_no_state, no_such_reader,
};

/// What a source has when it is asked.
#[derive(Debug, Clone)]
pub enum Polled {
    /// A batch; ask again at once.
    Batch(Batch),
    /// Nothing within the time given; ask again.
    Idle,
    /// Nothing any more, ever.
    End,
}

/// Brings records into the pipeline.
///
/// The host pulls, so that a slow pipeline slows the source instead of losing data, and so that a
/// source can be stopped between two calls.
pub trait Source: Sized {
    /// What may stand in the component's table of pipeline.toml.
    type Options: DeserializeOwned + JsonSchema;

    /// Tells whether the source could start, without starting it or changing anything.
    ///
    /// Asked by `dataserver check`, also while a host with the same pipeline runs.
    ///
    /// # Errors
    /// As [`open`](Self::open) would say it.
    fn check(options: &Self::Options, context: &Context) -> Result<(), PluginError> {
        let _ = (options, context);
        Ok(())
    }

    /// Starts the source.
    ///
    /// # Errors
    /// `Config` when the options cannot work, `Retry` when what it reads is not there yet, `Fatal`
    /// otherwise.
    fn open(options: Self::Options, context: Context) -> Result<Self, PluginError>;

    /// Gives the next batch, waiting at most `wait` for it.
    ///
    /// # Errors
    /// `BadData` for records that were set aside (the source goes on), `Retry` for a fault that
    /// passes, `Fatal` when a new instance is needed.
    fn next(&mut self, wait: time::Duration) -> Result<Polled, PluginError>;

    /// Learns that its first `batches` batches are where every sink wants them.
    ///
    /// Called now and then with a growing number; a source that can resume keeps it.
    ///
    /// # Errors
    /// When the position cannot be kept; the host logs it and goes on.
    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        let _ = batches;
        Ok(())
    }

    /// Gives what a successor needs to go on where this instance is; `None` when it offers nothing.
    ///
    /// Called between two other calls when the plugin's file or its options change while the host
    /// runs. The bytes are the plugin's own: an instance of the same plugin, maybe of another
    /// version, gets them in [`import_state`](Self::import_state). Then this one is closed.
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

    /// Tells who reads beside this source, or from it; `None` when it never knows, and then this
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

    /// Ends the source: closes what it holds open. No call follows.
    ///
    /// # Errors
    /// Logged. `Fatal` of a source that has come to its end by itself says that it could not give
    /// all it was to give: what came is delivered, and then the run counts as failed (exit code 1).
    fn close(&mut self) -> Result<(), PluginError> {
        Ok(())
    }

    /// Answers a question of the operator about what the source reads, or changes something there,
    /// without starting it; also while a host with the same pipeline runs.
    ///
    /// `request` is an object with the key `command` and what that command takes; the answer is a
    /// list of objects with the same keys, shown as a table, or any other value.
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

/// The answer of a plugin that has no such command.
pub(crate) fn unknown_command(request: &Value) -> PluginError {
    PluginError::config(format!("this plugin has no command {}", request["command"]))
}
