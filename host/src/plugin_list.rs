//! The plugins of a catalogue as JSON.

use std::path::Path;

use dataserver_config::Carrier;
use dataserver_loader::{Candidate, PluginCatalog};
use serde_json::{Value, json};

/// Every file, usable or not. Files that nobody has loaded are tried in child processes, once.
pub fn to_json(catalog: &PluginCatalog) -> Value {
    catalog.found().iter().map(|found| describe(catalog, found)).collect()
}

/// How a plugin is packed.
pub fn carrier(found: &Candidate) -> &'static str {
    match found.carrier {
        Carrier::Native => "native",
        Carrier::Wasm => "wasm",
        Carrier::Process => "process",
    }
}

/// One file, usable or not.
pub fn describe(catalog: &PluginCatalog, found: &Candidate) -> Value {
    let file = found.path.display().to_string();
    let mut entry = json!({ "file": file, "sha256": found.sha256, "carrier": carrier(found) });
    match catalog.about(found) {
        Ok(about) => {
            entry["name"] = about.name.into();
            entry["kinds"] = about.kinds.into();
            entry["version"] = about.version.into();
            entry["api"] = about.api.into();
            entry["author"] = about.author.into();
            entry["description"] = about.description.into();
        }
        Err(problem) => entry["problem"] = problem.to_string().into(),
    }
    let is_in = |path: &Path| found.path == path || found.path.parent() == Some(path);
    if let Some((path, why)) = catalog.exposed().iter().find(|(path, _)| is_in(path)) {
        entry["warning"] = format!("{} {why}", path.display()).into();
    }
    entry
}
