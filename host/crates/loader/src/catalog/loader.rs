//! Loads plugins, each file once for the life of the process.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dataserver_config::Carrier;
use plugin_api::native::Descriptor;

use super::Candidate;
use crate::{
    About, Plugin,
    covered::Covered,
    native::NativePlugin,
    problem::Problem,
    process::{ProcessPlugin, declared},
    trial_settings::TrialSettings,
    wasm::WasmPlugin,
};

/// What was loaded, by content, and what is built in, by name: the same file is never loaded twice, however often the folders are
/// looked at, because a native library is never unloaded again.
pub(super) struct Loader {
    /// Long reports on unusable libraries.
    report_dir: PathBuf,
    /// Where compiled components are kept; `None` keeps them nowhere.
    cache_dir: Option<PathBuf>,
    loaded_by_key: Mutex<HashMap<String, Arc<dyn Plugin>>>,
}

impl Loader {
    pub(super) fn new(report_dir: &Path, cache_dir: Option<&Path>) -> Self {
        Self {
            report_dir: report_dir.to_owned(),
            cache_dir: cache_dir.map(Path::to_owned),
            loaded_by_key: Mutex::default(),
        }
    }

    /// The plugin of a file, loaded now if it was not yet.
    pub(super) fn load(
        &self,
        found: &Candidate,
        trial: &TrialSettings,
    ) -> Result<Arc<dyn Plugin>, Problem> {
        let descriptor = found.identity.clone()?;
        let key = match (&found.linked, found.carrier) {
            (Some(_), _) => descriptor.name(),
            // where a file lies, and who runs it, decides what it finds
            (None, Carrier::Process) => {
                let interpreter = &trial.python.interpreter;
                format!("{} {} {interpreter:?}", found.sha256, found.path.display())
            }
            (None, _) => found.sha256.clone(),
        };
        let mut loaded = self.loaded();
        if let Some(plugin) = loaded.get(&key) {
            return Ok(Arc::clone(plugin));
        }
        let plugin: Arc<dyn Plugin> =
            Arc::new(Covered(self.load_anew(found, &descriptor, trial)?));
        loaded.insert(key, Arc::clone(&plugin));
        Ok(plugin)
    }

    /// What the plugin of a file says about itself. A library that is not loaded is not loaded for
    /// this either.
    pub(super) fn about(&self, found: &Candidate, trial: &TrialSettings) -> Result<About, Problem> {
        let is_library = found.linked.is_none() && found.carrier == Carrier::Native;
        if is_library && !self.loaded().contains_key(&found.sha256) {
            found.identity.clone()?;
            return NativePlugin::about(&found.read_again()?, &self.report_dir, &trial.helper);
        }
        self.load(found, trial).map(|plugin| About::of(plugin.manifest()))
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn Plugin>>> {
        self.loaded_by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_anew(
        &self,
        found: &Candidate,
        descriptor: &Descriptor,
        trial: &TrialSettings,
    ) -> Result<Arc<dyn Plugin>, Problem> {
        if let Some(linked) = &found.linked {
            return Ok(Arc::new(NativePlugin::linked(linked)?));
        }
        let bytes = found.read_again()?;
        let plugin: Arc<dyn Plugin> = match found.carrier {
            Carrier::Native => {
                let helper = &trial.helper;
                Arc::new(NativePlugin::load(&bytes, descriptor, &self.report_dir, helper)?)
            }
            Carrier::Wasm => Arc::new(WasmPlugin::load(
                &bytes,
                &found.sha256,
                descriptor,
                self.cache_dir.as_deref(),
                trial,
            )?),
            Carrier::Process if declared::is_named_so(&found.path) => {
                let (path, sha256) = (&found.path, &found.sha256);
                Arc::new(ProcessPlugin::load(path, &bytes, sha256, &trial.python)?)
            }
            Carrier::Process => {
                let (path, sha256) = (&found.path, &found.sha256);
                Arc::new(ProcessPlugin::of_library(path, sha256, descriptor, &trial.helper)?)
            }
        };
        if plugin.manifest().name != descriptor.name() {
            return Err(Problem::new(
                format!(
                    "names itself \"{}\" in its descriptor and \"{}\" in its manifest",
                    descriptor.name(),
                    plugin.manifest().name
                ),
                "rebuild the plugin",
            ));
        }
        Ok(plugin)
    }
}
