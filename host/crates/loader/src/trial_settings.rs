//! Settings for the trial of plugin files.

use dataserver_config::Compile;

use crate::{apart::Helper, process::PythonSettings};

/// Settings for the trial of files.
#[derive(Debug, Clone)]
pub(crate) struct TrialSettings {
    /// The program that tries them.
    pub helper: Helper,
    /// Resource limits of the compiler.
    pub compile: Compile,
    /// How Python files are run.
    pub python: PythonSettings,
}
