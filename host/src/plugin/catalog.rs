//! What lies in the plugin folders.
//!
//! Every file is inspected, but only the libraries that a pipeline names are loaded: code of the
//! others never runs.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use plugin_api::{Manifest, Role, RoleKind, native::Descriptor};
use sha2::{Digest, Sha256};

use super::{Plugin, elf, native::NativePlugin};
use crate::config::{Carrier, Catalog, NotFound, closest};

/// Why a file in a plugin folder is used by nobody, or a folder has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, to be read after the file's name.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The plugin that the file would hold, as far as it tells.
    pub plugin: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), plugin: None }
    }

    pub(super) fn of(self, plugin: String) -> Self {
        Self { plugin: Some(plugin), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

/// A file in a plugin folder, or a folder that cannot be read.
#[derive(Debug, Clone)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal; empty when it cannot be read.
    pub sha256: String,
    /// How it is packed.
    pub carrier: Carrier,
    /// What it says it is.
    pub identity: Result<Descriptor, Problem>,
}

impl Found {
    fn name(&self) -> Option<String> {
        self.identity.as_ref().ok().map(Descriptor::name)
    }
}

type Loaded = Result<Arc<dyn Plugin>, Problem>;

/// All plugins of some folders.
pub struct PluginCatalog {
    folders: Vec<PathBuf>,
    found: Vec<Found>,
    report_dir: PathBuf,
    loaded: Mutex<HashMap<PathBuf, Loaded>>,
}

impl PluginCatalog {
    /// Looks into folders, in their order. Long reports on unusable files go to `report_dir`.
    pub fn scan(folders: &[PathBuf], report_dir: &Path) -> Self {
        Self {
            folders: folders.to_vec(),
            found: folders.iter().flat_map(|folder| scan_folder(folder)).collect(),
            report_dir: report_dir.to_owned(),
            loaded: Mutex::default(),
        }
    }

    /// Every file, usable or not, in the order of folders and names.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// Loads a file, once.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load(&self, found: &Found) -> Result<Arc<dyn Plugin>, Problem> {
        let descriptor = found.identity.clone()?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded
            .entry(found.path.clone())
            .or_insert_with(|| load(found, &descriptor, &self.report_dir))
            .clone()
    }

    /// The plugin of that id that has that role.
    ///
    /// # Errors
    /// Why there is none, and what to do about it.
    pub fn plugin(
        &self,
        name: &str,
        kind: RoleKind,
        carrier: Option<Carrier>,
    ) -> Result<Arc<dyn Plugin>, NotFound> {
        let named: Vec<_> =
            self.found.iter().filter(|found| found.name().as_deref() == Some(name)).collect();
        let fitting: Vec<_> = named
            .iter()
            .filter(|found| carrier.is_none_or(|carrier| carrier == found.carrier))
            .collect();
        let found = match fitting[..] {
            [] if named.is_empty() => {
                return Err(self.unusable(name).unwrap_or_else(|| self.unknown(name, kind)));
            }
            [] => {
                return Err(NotFound {
                    message: format!("plugin \"{name}\" is not there as {}", carrier_name(carrier)),
                    help: Some(format!("remove `carrier`; {} has it", named[0].path.display())),
                });
            }
            [found] => found,
            [first, second, ..] => {
                return Err(NotFound {
                    message: format!("two files hold plugin \"{name}\""),
                    help: Some(format!(
                        "remove {} or {}",
                        first.path.display(),
                        second.path.display()
                    )),
                });
            }
        };
        let plugin = self.load(found).map_err(|problem| refused(found, problem))?;
        if plugin.manifest().role(kind).is_none() {
            return Err(NotFound {
                message: format!(
                    "plugin \"{name}\" is a {}, not a {kind}",
                    roles(plugin.manifest())
                ),
                help: Some(format!("declare it under [{}s.…]", first_role(plugin.manifest()))),
            });
        }
        Ok(plugin)
    }

    /// Why the file that would hold that plugin cannot be used, if there is one.
    fn unusable(&self, name: &str) -> Option<NotFound> {
        self.found.iter().find_map(|found| {
            let problem = found.identity.as_ref().err()?;
            (problem.plugin.as_deref() == Some(name)).then(|| refused(found, problem.clone()))
        })
    }

    fn unknown(&self, name: &str, kind: RoleKind) -> NotFound {
        let names: Vec<String> = self.found.iter().filter_map(Found::name).collect();
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
    ) -> Result<Role, NotFound> {
        let found = self.plugin(plugin, kind, carrier)?;
        let role = found.manifest().role(kind).cloned();
        role.ok_or_else(|| self.unknown(plugin, kind))
    }
}

fn refused(found: &Found, problem: Problem) -> NotFound {
    NotFound {
        message: format!("{} {}", found.path.display(), problem.message),
        help: Some(problem.help),
    }
}

fn scan_folder(folder: &Path) -> Vec<Found> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = Problem::new(
                format!("cannot be read: {error}"),
                "make the folder, or correct [host] plugins",
            );
            return vec![Found {
                path: folder.to_owned(),
                sha256: String::new(),
                carrier: Carrier::Native,
                identity: Err(problem),
            }];
        }
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| inspect(path)).collect()
}

/// `None` for a file that does not look like a plugin at all.
fn inspect(path: &Path) -> Option<Found> {
    let carrier = match path.extension()?.to_str()? {
        "so" => Carrier::Native,
        "wasm" => Carrier::Wasm,
        _ => return None,
    };
    let (sha256, identity) = match read_file(path) {
        Ok(bytes) => (hex(&Sha256::digest(&bytes)), identify(&bytes, carrier)),
        Err(error) => {
            let problem = Problem::new(format!("cannot be read: {error}"), "check its permissions");
            (String::new(), Err(problem))
        }
    };
    Some(Found { path: path.to_owned(), sha256, carrier, identity })
}

/// Not a pipe or a device, which would be waited for.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_file() {
        return std::fs::read(path);
    }
    Err(io::Error::other("it is no regular file"))
}

fn identify(bytes: &[u8], carrier: Carrier) -> Result<Descriptor, Problem> {
    match carrier {
        Carrier::Native => elf::inspect(bytes),
        Carrier::Wasm => Err(Problem::new(
            "is a WebAssembly component, which this version does not run",
            "use the native library of the plugin",
        )),
    }
}

fn load(
    found: &Found,
    descriptor: &Descriptor,
    report_dir: &Path,
) -> Result<Arc<dyn Plugin>, Problem> {
    // read anew: what runs must be what was inspected, also when the file was replaced meanwhile
    let bytes = read_file(&found.path)
        .map_err(|error| Problem::new(format!("cannot be read: {error}"), "check the file"))?;
    elf::inspect(&bytes)?;
    let plugin = NativePlugin::load(&bytes, descriptor, report_dir)?;
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
    Ok(Arc::new(plugin))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn carrier_name(carrier: Option<Carrier>) -> &'static str {
    match carrier {
        Some(Carrier::Wasm) => "a WebAssembly component",
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
