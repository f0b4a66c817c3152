//! What a library says about itself.

use std::time::Duration;

use crate::sink::Delivery;

/// Version of the interface between host and plugin.
///
/// A host loads a plugin of the same major version whose minor version is not above its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Changes when plugins must be built anew.
    pub major: u16,
    /// Grows when something is added that a plugin may ask of the host. What the host may ask of a
    /// plugin is optional: either of them can be the older one.
    pub minor: u16,
}

impl ApiVersion {
    /// The version that this crate describes.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };

    /// Whether a host of this version can load a plugin of that one.
    pub fn can_load(self, plugin: Self) -> bool {
        self.major == plugin.major && plugin.minor <= self.minor
    }
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The three kinds of component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleKind {
    /// Makes batches.
    Source,
    /// Changes batches.
    Transform,
    /// Delivers batches.
    Sink,
}

impl RoleKind {
    /// `source`, `transform` or `sink`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

impl std::fmt::Display for RoleKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that a library can be.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Kind of component.
    pub kind: RoleKind,
    /// JSON Schema of its options.
    pub options_schema: serde_json::Value,
    /// How a sink wants to be fed; `None` for other kinds.
    pub delivery: Option<Delivery>,
    /// Whether only one instance may work at a time, so that the order is kept.
    pub ordered: bool,
    /// Up to how many records a sink's batches are joined by default.
    pub max_records: u32,
    /// How long a sink's first batch waits for others by default.
    pub max_wait: Duration,
}

/// What a library says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Id by which `plugin = "…"` names it: `[a-z0-9-]+`.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// What it does, in a line.
    pub description: String,
    /// Who made it.
    pub author: String,
    /// Interface that it was built for.
    pub api: ApiVersion,
    /// What it can be.
    pub roles: Vec<Role>,
}

impl Manifest {
    /// The role of that kind, if the library has it.
    pub fn role(&self, kind: RoleKind) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == kind)
    }
}
