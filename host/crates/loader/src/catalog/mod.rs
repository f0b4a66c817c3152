//! What lies in the plugin folders.
//!
//! Every file is inspected, but only the libraries that a pipeline names are loaded: code of the
//! others never runs. Plugins may be part of the program, too; a native file of the same id goes
//! before one of these, because somebody put it there.

mod candidate;
mod exposed;
mod loader;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use dataserver_config::{
    Carrier, Catalog, Compile, HostSettings, NotFound, Pins, closest, user_cache_folder,
};
use plugin_api::{Manifest, Role, RoleKind, native::Linked};

pub use candidate::{BUILT_IN, Candidate, may_be_plugin};

use self::loader::Loader;
use crate::{
    About, Plugin, PythonSettings, apart::Helper, problem::Problem, trial_settings::TrialSettings,
    wasm,
};

/// A plugin that can be used, and the file it came from.
#[derive(Clone)]
pub struct Installed {
    /// The plugin.
    pub plugin: Arc<dyn Plugin>,
    /// Its file when the folders were looked at; [`BUILT_IN`] where it has none.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal; empty where there is none.
    pub sha256: String,
    /// How it is packed.
    pub carrier: Carrier,
}

/// All plugins of some folders, and those that are part of the program.
pub struct PluginCatalog {
    folders: Vec<PathBuf>,
    pins: Pins,
    linked: Vec<Linked>,
    /// Those of the folders, then those that are part of the program.
    found: Vec<Candidate>,
    /// What others than the host's user and root could change, with the reason.
    exposed: Vec<(PathBuf, String)>,
    loader: Arc<Loader>,
    trial: TrialSettings,
    /// Why a file could not be loaded: it is not tried again before the folders are looked at anew.
    refused: Mutex<HashMap<(PathBuf, Carrier), Problem>>,
    /// What the plugin of a file said about itself, or why that cannot be told.
    told_by_path: Mutex<HashMap<PathBuf, Result<About, Problem>>>,
}

impl PluginCatalog {
    /// Looks into the folders of a pipeline, and keeps compiled components in its data folder.
    pub fn of(host: &HostSettings) -> Self {
        let cache = wasm::cache_folder(&host.data_dir);
        Self::new(&host.plugins, &host.pins, Loader::new(&host.data_dir, Some(&cache)))
            .with_compile(host.compile)
            .with_python(host.python.as_deref())
    }

    /// Looks into folders, in their order. Long reports on unusable files go to `report_dir`,
    /// compiled components into the user's cache.
    pub fn scan(folders: &[PathBuf], report_dir: &Path) -> Self {
        let cache = user_cache_folder();
        Self::new(folders, &Pins::default(), Loader::new(report_dir, cache.as_deref()))
    }

    /// Looks into folders, and keeps compiled components in `cache`.
    pub fn with_cache(folders: &[PathBuf], report_dir: &Path, cache: &Path) -> Self {
        Self::new(folders, &Pins::default(), Loader::new(report_dir, Some(cache)))
    }

    /// What a single file holds, which need not lie in a plugin folder.
    pub fn of_file(file: &Path, report_dir: &Path) -> Self {
        let catalog = Self::scan(&[], report_dir);
        let found = candidate::inspect(file, &catalog.pins).into_iter().collect();
        Self { found, ..catalog }
    }

    /// Has files tried by that program. Otherwise it is [`Helper::of_this_process`].
    #[must_use]
    pub fn with_helper(mut self, helper: Helper) -> Self {
        self.trial.helper = helper;
        self
    }

    /// Lets compiling a component use up so much.
    #[must_use]
    pub fn with_compile(mut self, compile: Compile) -> Self {
        self.trial.compile = compile;
        self
    }

    /// Has Python files that have no `.venv` beside them run by that interpreter.
    #[must_use]
    pub fn with_python(mut self, interpreter: Option<&Path>) -> Self {
        self.trial.python.interpreter = interpreter.map(Path::to_owned);
        self
    }

    /// Has Python files find the package `dataserver` in that folder.
    #[must_use]
    pub fn with_python_package(mut self, folder: &Path) -> Self {
        self.trial.python.package = Some(folder.to_owned());
        self
    }

    /// Adds plugins that are part of the program. They are called as if they were loaded, need no
    /// file, and stand back for a native file of the same id.
    #[must_use]
    pub fn with_linked(mut self, linked: &[Linked]) -> Self {
        self.found.extend(linked.iter().map(|it| Candidate::built_in(*it, &self.pins)));
        self.linked.extend(linked);
        self
    }

    /// Looks again, at folders and pins that may have changed. What was loaded stays loaded.
    pub fn rescan(&self, folders: &[PathBuf], pins: &Pins) -> Self {
        let (loader, trial) = (Arc::clone(&self.loader), self.trial.clone());
        Self::with_loader(folders, pins, loader, trial).with_linked(&self.linked)
    }

    fn new(folders: &[PathBuf], pins: &Pins, loader: Loader) -> Self {
        let (helper, compile) = (Helper::of_this_process(), Compile::default());
        let trial = TrialSettings { helper, compile, python: PythonSettings::default() };
        Self::with_loader(folders, pins, Arc::new(loader), trial)
    }

    fn with_loader(
        folders: &[PathBuf],
        pins: &Pins,
        loader: Arc<Loader>,
        trial: TrialSettings,
    ) -> Self {
        let found: Vec<_> =
            folders.iter().flat_map(|it| candidate::scan_folder(it, pins)).collect();
        let files: Vec<_> = found.iter().map(|it| it.path.as_path()).collect();
        Self {
            exposed: exposed::of(folders, &files),
            folders: folders.to_vec(),
            pins: pins.clone(),
            linked: Vec::new(),
            found,
            loader,
            trial,
            refused: Mutex::default(),
            told_by_path: Mutex::default(),
        }
    }

    /// Every file, usable or not, in the order of folders and names, then what is built in.
    pub fn found(&self) -> &[Candidate] {
        &self.found
    }

    /// Plugin folders and files that others than the host's user and root could change, each with
    /// the reason and the remedy.
    pub fn exposed(&self) -> &[(PathBuf, String)] {
        &self.exposed
    }

    /// Logs a line for each of them.
    pub fn warn_of_exposed(&self) {
        for (path, why) in &self.exposed {
            let path = path.display();
            tracing::warn!(%path, why, "others could change what this host loads");
        }
    }

    /// Loads a file, once, after it was tried in a child process.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load(&self, found: &Candidate) -> Result<Arc<dyn Plugin>, Problem> {
        if found.linked.is_some() {
            return self.loader.load(found, &self.trial);
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (found.path.clone(), found.carrier);
        if let Some(problem) = refused.get(&key) {
            return Err(problem.clone());
        }
        self.loader.load(found, &self.trial).inspect_err(|problem| {
            refused.insert(key, problem.clone());
        })
    }

    /// What the plugin of a file says about itself. The file is tried in a child process, once; a
    /// library that nobody has loaded is not loaded for this.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn about(&self, found: &Candidate) -> Result<About, Problem> {
        let mut told = self.told_by_path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(about) = told.get(&found.path).filter(|_| found.linked.is_none()) {
            return about.clone();
        }
        let about = self.loader.about(found, &self.trial);
        if found.linked.is_none() {
            told.insert(found.path.clone(), about.clone());
        }
        about
    }

    /// The plugin of that id that has that role. Where there are several and the component does not
    /// say which, the native one goes before the sandboxed, and that before the one in a process.
    ///
    /// # Errors
    /// Why there is none, and what to do about it.
    pub fn plugin(
        &self,
        name: &str,
        kind: RoleKind,
        carrier: Option<Carrier>,
    ) -> Result<Installed, NotFound> {
        let mut found = self.file(name, kind, carrier)?.clone();
        if carrier == Some(Carrier::Process) && found.carrier == Carrier::Native {
            found = found.apart();
        }
        let plugin = self.load(&found).map_err(|problem| refused(&found, problem))?;
        if plugin.manifest().role(kind).is_none() {
            return Err(NotFound {
                message: format!(
                    "plugin \"{name}\" is a {}, not a {kind}",
                    roles(plugin.manifest())
                ),
                help: Some(format!("declare it under [{}s.…]", first_role(plugin.manifest()))),
            });
        }
        let Candidate { path, sha256, carrier, .. } = found;
        Ok(Installed { plugin, path, sha256, carrier })
    }

    /// The only file that holds it in the carrier that is asked for or taken; where none is native,
    /// the plugin that is built in.
    fn file(
        &self,
        name: &str,
        kind: RoleKind,
        carrier: Option<Carrier>,
    ) -> Result<&Candidate, NotFound> {
        let named: Vec<_> =
            self.found.iter().filter(|found| found.name().as_deref() == Some(name)).collect();
        let packed = |carrier| named.iter().copied().filter(move |it| it.carrier == carrier);
        let order = [Carrier::Native, Carrier::Wasm, Carrier::Process];
        let is_there = |carrier: &Carrier| packed(*carrier).next().is_some();
        let fitting: Vec<_> = match carrier {
            // a library can be run apart, one that is built in cannot
            Some(Carrier::Process) if !is_there(&Carrier::Process) => {
                packed(Carrier::Native).filter(|found| found.linked.is_none()).collect()
            }
            Some(carrier) => packed(carrier).collect(),
            None => order.into_iter().find(is_there).map(packed).into_iter().flatten().collect(),
        };
        let (built_in, files): (Vec<_>, Vec<_>) =
            fitting.into_iter().partition(|found| found.linked.is_some());
        if files.is_empty()
            && !built_in.is_empty()
            && let Some(problem) = self.unusable(name, Some(Carrier::Native))
        {
            // whoever put it there means it to be used
            return Err(problem);
        }
        let fitting = if files.is_empty() { built_in } else { files };
        match fitting[..] {
            [] if named.is_empty() => {
                Err(self.unusable(name, carrier).unwrap_or_else(|| self.unknown(name, kind)))
            }
            [] => Err(self.unusable(name, carrier).unwrap_or_else(|| NotFound {
                message: format!("plugin \"{name}\" is not there as {}", carrier_name(carrier)),
                help: Some(format!("remove `carrier`; {} has it", named[0].path.display())),
            })),
            [found] => Ok(found),
            [first, second, ..] => Err(NotFound {
                message: format!("two files hold plugin \"{name}\""),
                help: Some(format!(
                    "remove {} or {}, or pin one of them in [host.pins]",
                    first.path.display(),
                    second.path.display()
                )),
            }),
        }
    }

    /// Why the file that would hold that plugin cannot be used, if there is one.
    fn unusable(&self, name: &str, carrier: Option<Carrier>) -> Option<NotFound> {
        let fits = |found: &&Candidate| carrier.is_none_or(|carrier| carrier == found.carrier);
        self.found.iter().filter(fits).find_map(|found| {
            let problem = found.identity.as_ref().err()?;
            (problem.plugin.as_deref() == Some(name)).then(|| refused(found, problem.clone()))
        })
    }

    fn unknown(&self, name: &str, kind: RoleKind) -> NotFound {
        let names: Vec<String> = self.found.iter().filter_map(Candidate::name).collect();
        let mut help = match closest(name, names.iter().map(String::as_str)) {
            Some(close) => format!("did you mean \"{close}\"? "),
            None => String::new(),
        };
        let folders: Vec<_> = self.folders.iter().map(|it| it.display().to_string()).collect();
        help += &format!("searched {}", folders.join(", "));
        if names.is_empty() {
            help += ", which hold no plugin; build them with `make dist`, or set [host] plugins";
        } else {
            help += &format!("; there are {}", names.join(", "));
        }
        for found in &self.found {
            if let Err(problem) = &found.identity {
                help += &format!("\n{} {}", found.path.display(), problem.message);
            }
        }
        NotFound { message: format!("no plugin \"{name}\" for a {kind}"), help: Some(help) }
    }
}

impl Catalog for PluginCatalog {
    fn find(
        &self,
        plugin: &str,
        kind: RoleKind,
        carrier: Option<Carrier>,
    ) -> Result<(Role, Carrier), NotFound> {
        let installed = self.plugin(plugin, kind, carrier)?;
        let role = installed.plugin.manifest().role(kind).cloned();
        let role = role.ok_or_else(|| self.unknown(plugin, kind))?;
        Ok((role, installed.carrier))
    }
}

fn refused(found: &Candidate, problem: Problem) -> NotFound {
    NotFound {
        message: format!("{} {}", found.path.display(), problem.message),
        help: Some(problem.help),
    }
}

fn carrier_name(carrier: Option<Carrier>) -> &'static str {
    match carrier {
        Some(Carrier::Wasm) => "a WebAssembly component",
        Some(Carrier::Process) => "a process",
        Some(Carrier::Native) | None => "a native library",
    }
}

fn roles(manifest: &Manifest) -> String {
    let kinds: Vec<_> = manifest.roles.iter().map(|role| role.kind.as_str()).collect();
    kinds.join(" and ")
}

fn first_role(manifest: &Manifest) -> &'static str {
    manifest.roles.first().map_or("sink", |role| role.kind.as_str())
}
