//! What a plugin says about itself in a line of a list.

use plugin_api::Manifest;
use serde::{Deserialize, Serialize};

/// What a plugin says about itself in a line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its id.
    pub name: String,
    /// What it can be: `source`, `transform`, `sink`.
    pub kinds: Vec<String>,
    /// Its version.
    pub version: String,
    /// The interface that it was built for.
    pub api: String,
    /// Who made it.
    pub author: String,
    /// What it does.
    pub description: String,
}

impl About {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let kinds = manifest.roles.iter().map(|role| role.kind.as_str().to_owned());
        Self {
            name: manifest.name.clone(),
            kinds: kinds.collect(),
            version: manifest.version.clone(),
            api: manifest.api.to_string(),
            author: manifest.author.clone(),
            description: manifest.description.clone(),
        }
    }
}
