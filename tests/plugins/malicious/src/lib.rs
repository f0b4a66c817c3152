//! Guest that does what a sandbox must withstand, as its options say, for tests of the host.
//!
//! What goes through the authors' traits cannot be malformed, so batches are made with the raw
//! bindings, and the source is written against them altogether.
#![cfg(target_family = "wasm")]

mod acts;
mod options;
mod raw;
mod roles;
mod wasi;

use plugin_api::{Descriptor, export::Exports};

/// What `export_plugin!` would make, but for the source.
struct Plugin;

impl Exports for Plugin {
    const NAME: &'static str = "malicious";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Does what a sandbox must withstand";
    const AUTHOR: &'static str = "dataserver developers";
    type Source = roles::Declared;
    type Transform = roles::Malicious;
    type Sink = roles::Malicious;
}

// SAFETY: the section is the project's own, and bytes without pointers may lie in one.
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = "dataserver-plugin")]
static DESCRIPTOR: Descriptor = plugin_api::export::descriptor::<Plugin>();

type __Component = plugin_api::wasm::Component<Plugin>;
plugin_api::__export_world!(plugin);
plugin_api::__export_world!(transform roles::Malicious);
plugin_api::__export_world!(sink roles::Malicious);

const _: () = {
    type __Component = raw::RawSource;
    plugin_api::__export_world!(source roles::Declared);
};
