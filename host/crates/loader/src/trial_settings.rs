//! What plugin files are tried with before they are used.

use dataserver_config::Compile;

use crate::apart::Helper;

/// What files are tried with before they are used.
#[derive(Debug, Clone)]
pub(crate) struct TrialSettings {
    /// Who tries them.
    pub helper: Helper,
    /// What compiling one may use up.
    pub compile: Compile,
}
