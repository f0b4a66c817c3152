//! Why a plugin file cannot be used, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a file in a plugin folder is used by nobody, or a folder has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, to be read after the file's name.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The plugin that the file would hold, as far as it tells.
    pub plugin: Option<String>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), plugin: None }
    }

    pub(crate) fn of(self, plugin: String) -> Self {
        Self { plugin: Some(plugin), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}
