//! What a plugin tells the host when a call fails.

use std::fmt;

use schemas::{encode::ListFull, verify::InvalidList};

/// What the host does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The options cannot work: the host does not start (exit code 78).
    Config,
    /// These records will never be accepted: the host sets them aside and goes on.
    BadData,
    /// A fault outside that passes: the host waits and repeats the call.
    Retry,
    /// This instance is of no more use: the host opens a new one after a pause.
    Fatal,
    /// The plugin panicked; treated like `Fatal`. Never made by hand.
    Panic,
}

impl ErrorKind {
    /// The class under which `errors_total` counts it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Retry => "retryable",
            Self::BadData => "bad_data",
            Self::Config | Self::Fatal | Self::Panic => "fatal",
        }
    }
}

/// An error with the host's next step and a text for people.
///
/// The text is lower case, names the value and the limit, and ends with the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginError {
    /// What the host does next.
    pub kind: ErrorKind,
    /// What went wrong, with which value, and what to do about it.
    pub message: String,
}

impl PluginError {
    /// The options cannot work.
    pub fn config(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Config, message: message.into() }
    }

    /// These records will never be accepted.
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::BadData, message: message.into() }
    }

    /// A fault outside that passes.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Retry, message: message.into() }
    }

    /// This instance is of no more use.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Fatal, message: message.into() }
    }
}

/// What a plugin says that has nothing to go on with.
pub(crate) fn takes_no_state() -> PluginError {
    PluginError::config("the plugin cannot go on with the state of an earlier instance")
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PluginError {}

impl From<InvalidList> for PluginError {
    fn from(error: InvalidList) -> Self {
        Self::bad_data(error.to_string())
    }
}

impl From<ListFull> for PluginError {
    fn from(error: ListFull) -> Self {
        Self::bad_data(error.to_string())
    }
}
