//! Errors that are the guest's own fault.

use plugin_api::{ErrorKind, PluginError};

/// Why the host ends a call.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct GuestFault(pub String);

/// An error that is the guest's fault, whatever its input: as after a panic, the batch is
/// dead-lettered after some lost instances.
pub(super) fn at_fault(message: String) -> PluginError {
    PluginError { kind: ErrorKind::Panic, message }
}
