//! Sink that discards records.
//!
//! For measuring what a pipeline costs without a store, and for watching a source by its counters.

use plugin_api::{Ack, Batch, Context, PluginError, Sink, export_plugin, options};

options! {
    /// The `null` sink has no options.
    pub struct Options {}
}

struct Null;

impl Sink for Null {
    type Options = Options;

    const ORDERED: bool = false;

    fn open(_: Options, _: Context) -> Result<Self, PluginError> {
        Ok(Self)
    }

    fn write(&mut self, _: &[Batch]) -> Result<Ack, PluginError> {
        Ok(Ack::Delivered)
    }
}

export_plugin! {
    name: "null",
    description: "Counts records and discards them",
    author: "dataserver developers",
    sink: Null,
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use plugin_api::{serde_json::json, testing};

    use super::Null;

    #[test]
    fn the_sink_keeps_its_contract() {
        let context = testing::context(&Arc::default(), Path::new("."));
        testing::check_sink::<Null>(&json!({}), context);
    }
}
