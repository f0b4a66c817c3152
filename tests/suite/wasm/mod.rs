//! Plugins in WebAssembly components: the same pipeline, confined.
//!
//! `make wasm` builds the components first.

mod files;
mod grants;
mod hostile;
mod instances;
mod same;
mod siblings;

use std::{path::Path, sync::Arc, time::Duration};

use dataserver::{
    config::{Carrier, Grants, Limits},
    loader::{Opening, Plugin, PluginCatalog},
};
use plugin_api::{
    Context, PluginError, RoleKind,
    testing::{self, TestHost},
};
use serde_json::Value;

/// The component of a plugin, loaded as the host loads it; compiled once for all tests.
fn load(id: &str, kind: RoleKind) -> Arc<dyn Plugin> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(harness::wasm_plugin(id), folder.path().join("plugin.wasm")).unwrap();
    let cache = harness::build_dir().join("wasm-cache");
    let catalog = PluginCatalog::with_cache(&[folder.path().to_owned()], folder.path(), &cache);
    let found = catalog.plugin(id, kind, Some(Carrier::Wasm));
    found.unwrap_or_else(|error| panic!("{error:?}")).plugin
}

/// The library of a plugin.
fn load_native(id: &str, kind: RoleKind) -> Arc<dyn Plugin> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(harness::plugin(id), folder.path().join("plugin.so")).unwrap();
    let catalog = PluginCatalog::scan(&[folder.path().to_owned()], folder.path());
    catalog.plugin(id, kind, None).unwrap_or_else(|error| panic!("{error:?}")).plugin
}

/// The library of a plugin, in a process of its own.
fn load_apart(id: &str, kind: RoleKind) -> Arc<dyn Plugin> {
    let file = harness::plugin(id);
    let catalog = PluginCatalog::of_file(&file, file.parent().unwrap());
    let found = catalog.plugin(id, kind, Some(Carrier::Process));
    found.unwrap_or_else(|error| panic!("{error:?}")).plugin
}

/// A deadline that no sound call misses, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(60);

/// What a component is opened with in these tests.
struct Case {
    host: Arc<TestHost>,
    opening: Opening,
}

impl Case {
    fn new(options: Value, folder: &Path) -> Self {
        let host = Arc::new(TestHost::default());
        let context = testing::context(&host, folder);
        let mut opening = Opening::plain(&options.to_string(), context);
        opening.limits.deadline = PATIENT;
        Self { host, opening }
    }

    fn limits(mut self, limits: Limits) -> Self {
        self.opening.limits = limits;
        self
    }

    fn grants(mut self, grants: Grants) -> Self {
        self.opening.grants = grants;
        self
    }

    /// Opens the malicious transform and gives it one batch.
    fn apply(&self) -> Result<usize, PluginError> {
        let plugin = load("malicious", RoleKind::Transform);
        let mut transform = plugin.open_transform(self.opening.clone())?;
        let batch = testing::spot_batch(2, plugin_api::Round::WHOLE);
        Ok(transform.apply(&batch.numbered(1, 1, 0))?.len())
    }

    fn logs(&self) -> String {
        let lines = self.host.told().logs;
        lines.iter().map(|(level, line)| format!("{level:?} {line}\n")).collect()
    }
}

fn context(folder: &Path) -> Context {
    testing::context(&Arc::new(TestHost::default()), folder)
}
