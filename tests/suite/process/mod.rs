//! Plugins in processes of their own: Python files, and libraries that are run apart.

mod delivery;
mod files;
mod hostile;
mod life;
mod python;
mod reload;
mod rows;

use std::{path::Path, sync::Arc, time::Duration};

use dataserver::{
    config::{Carrier, Limits},
    loader::{Opening, Plugin, PluginCatalog},
};
use harness::{python_package, python_plugin};
use plugin_api::{
    Batch, PluginError, RoleKind, Round,
    testing::{self, TestHost, spot_batch},
};
use serde_json::Value;
use tempfile::TempDir;

/// A deadline that no sound call misses, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(60);

/// A plugin in a folder of its own, which is there as long as this.
struct Loaded {
    plugin: Arc<dyn Plugin>,
    folder: TempDir,
}

/// What lies in a folder.
fn catalog(folder: &Path) -> PluginCatalog {
    PluginCatalog::scan(&[folder.to_owned()], folder).with_python_package(&python_package())
}

/// A Python plugin of the tests, loaded as the host loads it.
fn load(name: &str, id: &str, kind: RoleKind) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{name}.py"));
    std::fs::copy(python_plugin(name), file).unwrap();
    let found = catalog(folder.path()).plugin(id, kind, None);
    let plugin = found.unwrap_or_else(|error| panic!("{error:?}")).plugin;
    Loaded { plugin, folder }
}

/// The library of a plugin, run apart.
fn load_apart(id: &str, kind: RoleKind) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(harness::plugin(id), folder.path().join("plugin.so")).unwrap();
    let found = catalog(folder.path()).plugin(id, kind, Some(Carrier::Process));
    let found = found.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(found.carrier, Carrier::Process);
    Loaded { plugin: found.plugin, folder }
}

/// What a component is opened with in these tests.
struct Case {
    host: Arc<TestHost>,
    opening: Opening,
}

impl Case {
    fn new(options: &Value, folder: &Path) -> Self {
        let host = Arc::new(TestHost::default());
        let context = testing::context(&host, folder);
        let mut opening = Opening::plain(&options.to_string(), context);
        opening.limits = Limits { deadline: PATIENT, ..Limits::of(Carrier::Process) };
        Self { host, opening }
    }

    fn limits(mut self, limits: Limits) -> Self {
        self.opening.limits = limits;
        self
    }

    /// Opens a transform and gives it one batch.
    fn apply(&self, plugin: &dyn Plugin) -> Result<Vec<Batch>, PluginError> {
        let mut transform = plugin.open_transform(self.opening.clone())?;
        transform.apply(&spot_batch(2, Round::WHOLE).numbered(1, 1, 0))
    }

    fn logs(&self) -> String {
        let lines = self.host.told().logs;
        lines.iter().map(|(level, line)| format!("{level:?} {line}\n")).collect()
    }
}
