//! Transform and sink, and what the manifest says of the source.

use std::time::Duration;

use plugin_api::{
    Ack, Batch, Context, Output, PluginError, Polled, RecordKind, Sink, Source, Transform,
};

use crate::{
    acts::act,
    options::{How, Options},
    raw,
};

/// A transform or a sink.
pub struct Malicious {
    options: Options,
    context: Context,
    calls: u64,
}

impl Malicious {
    fn start(options: Options, context: Context) -> Result<Self, PluginError> {
        if options.at_open {
            act(&options, &context)?;
        }
        Ok(Self { options, context, calls: 0 })
    }

    /// Counts a call, and tells whether it is one in which it acts.
    fn is_due(&mut self) -> bool {
        self.calls += 1;
        !self.options.at_open
            && if self.options.once {
                self.calls == self.options.after + 1
            } else {
                self.calls > self.options.after
            }
    }
}

impl Transform for Malicious {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        Self::start(options, context)
    }

    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        if self.is_due() {
            act(&self.options, &self.context)?;
            if raw::push_bad(&self.options, batch.kind(), Some(batch)) {
                return Ok(());
            }
        }
        output.push(batch.clone());
        Ok(())
    }

    fn tick(&mut self, _: &mut Output) -> Result<(), PluginError> {
        if self.options.how == How::UnchangedOfNothing {
            raw::push_unchanged(RecordKind::Spot);
        }
        Ok(())
    }
}

impl Sink for Malicious {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        Self::start(options, context)
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        if self.is_due() {
            act(&self.options, &self.context)?;
            if self.options.how == How::PushFromWrongCall {
                raw::push_unchanged(batches.first().map_or(RecordKind::Spot, Batch::kind));
            }
        }
        Ok(Ack::Delivered)
    }
}

/// Declares the options of the source, which is written against the raw bindings.
pub struct Declared;

impl Source for Declared {
    type Options = Options;

    fn open(_: Options, _: Context) -> Result<Self, PluginError> {
        Err(PluginError::fatal("the raw source is exported in its place"))
    }

    fn next(&mut self, _: Duration) -> Result<Polled, PluginError> {
        Ok(Polled::End)
    }
}
