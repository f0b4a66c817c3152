//! Component whose descriptor says `liar` and whose manifest says `honest`, for tests of the host.
#![cfg(target_family = "wasm")]

use plugin_api::{
    Batch, Context, Descriptor, Output, PluginError, Transform,
    export::{Exports, NoSink, NoSource},
    options,
};

options! {
    /// It has no options.
    pub struct Options {}
}

struct Pass;

impl Transform for Pass {
    type Options = Options;

    fn open(_: Options, _: Context) -> Result<Self, PluginError> {
        Ok(Self)
    }

    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        output.push(batch.clone());
        Ok(())
    }
}

/// What `export_plugin!` would make, but for the name.
struct Plugin;

impl Exports for Plugin {
    const NAME: &'static str = "honest";
    const VERSION: &'static str = "9.9.9";
    const DESCRIPTION: &'static str = "Is not what its file says";
    const AUTHOR: &'static str = "dataserver developers";
    type Source = NoSource;
    type Transform = Pass;
    type Sink = NoSink;
}

// SAFETY: the section is the project's own, and bytes without pointers may lie in one.
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = "dataserver-plugin")]
static DESCRIPTOR: Descriptor = Descriptor::new("liar", env!("CARGO_PKG_VERSION"));

type __Component = plugin_api::wasm::Component<Plugin>;
plugin_api::__export_world!(plugin);
plugin_api::__export_world!(transform Pass);
