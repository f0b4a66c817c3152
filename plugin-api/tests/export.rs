//! What `export_plugin!` expands to does not get in the way of an author's names.
#![allow(missing_docs)]

use plugin_api::{Ack, Batch, Context, PluginError, Sink, export_plugin, options};

options! {
    /// It has no options.
    pub struct Options {}
}

macro_rules! sinks {
    ($($name:ident)*) => {
        $(struct $name;

        impl Sink for $name {
            type Options = Options;

            fn open(_: Options, _: Context) -> Result<Self, PluginError> {
                Ok(Self)
            }

            fn write(&mut self, _: &[Batch]) -> Result<Ack, PluginError> {
                Ok(Ack::Delivered)
            }
        })*
    };
}

sinks!(Plugin Component);

export_plugin! {
    name: "named-like-the-glue",
    description: "Has a type with a common name",
    author: "dataserver developers",
    sink: Plugin,
}

/// The call above compiles: its types are the author's.
#[test]
fn a_type_named_plugin_or_component_can_be_exported() {
    let context =
        plugin_api::testing::context(&std::sync::Arc::default(), std::path::Path::new("."));
    plugin_api::testing::check_sink::<Plugin>(&plugin_api::serde_json::json!({}), context.clone());
    plugin_api::testing::check_sink::<Component>(&plugin_api::serde_json::json!({}), context);
}
