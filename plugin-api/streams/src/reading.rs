//! The two ways in which a source reads streams: as a consumer of a group, or what it was asked for.

use std::time::Duration;

use plugin_api::{
    Action, Context, Outcome, PluginError, Polled, Reader, Source, serde_json::Value,
};

use crate::{
    asked::Asked,
    source::{Options, RedisSource},
};

/// A source by its options.
pub enum StreamSource {
    /// A consumer of a group.
    Consumer(Box<RedisSource>),
    /// With the option `ask`.
    Asked(Box<Asked>),
}

impl Source for StreamSource {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        if options.ask.is_some() {
            Asked::check(options, context)
        } else {
            RedisSource::check(options, context)
        }
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        if options.ask.is_some() {
            return Ok(Self::Asked(Box::new(Asked::open(&options, context)?)));
        }
        RedisSource::open(options, context).map(Box::new).map(Self::Consumer)
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        match self {
            Self::Consumer(source) => source.next(wait),
            Self::Asked(source) => source.next(wait),
        }
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        match self {
            Self::Consumer(source) => source.confirm(batches),
            Self::Asked(_) => Ok(()),
        }
    }

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        match self {
            Self::Consumer(source) => source.readers(),
            Self::Asked(_) => Ok(None),
        }
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        match self {
            Self::Consumer(source) => source.act(reader, action, preview),
            Self::Asked(_) => Err(plugin_api::no_such_reader(reader)),
        }
    }

    fn close(&mut self) -> Result<(), PluginError> {
        match self {
            Self::Consumer(source) => source.close(),
            Self::Asked(source) => source.close(),
        }
    }

    fn command(
        options: &Options,
        context: &Context,
        request: &Value,
    ) -> Result<Value, PluginError> {
        RedisSource::command(options, context, request)
    }
}
