//! What is a guest's own fault.

use plugin_api::{ErrorKind, PluginError};

/// Why the host ends a call.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct GuestFault(pub String);

/// An error for which the guest alone is to blame, whatever it was given: like a panic, the batch
/// under way is set aside after some instances were lost to it.
pub(super) fn at_fault(message: String) -> PluginError {
    PluginError { kind: ErrorKind::Panic, message }
}
