//! Where the plugin of a component came from.

use std::path::Path;

use dataserver_config::Carrier;
use dataserver_loader::{BUILT_IN, Installed};
use serde::Serialize;

/// Where the plugin of a component came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginFile {
    /// Version of the plugin.
    pub version: String,
    /// `native`, `wasm`, `process`, or `linked` for one that is part of the program.
    pub carrier: &'static str,
    /// SHA-256 of the file, in hexadecimal; `None` where there is none.
    pub sha256: Option<String>,
}

impl PluginFile {
    /// That of a plugin as it was found.
    pub(super) fn of(installed: &Installed) -> Self {
        let is_linked = installed.path == Path::new(BUILT_IN);
        Self {
            version: installed.plugin.manifest().version.clone(),
            carrier: match installed.carrier {
                Carrier::Native if is_linked => "linked",
                Carrier::Native => "native",
                Carrier::Wasm => "wasm",
                Carrier::Process => "process",
            },
            sha256: Some(installed.sha256.clone()).filter(|sum| !sum.is_empty()),
        }
    }
}
