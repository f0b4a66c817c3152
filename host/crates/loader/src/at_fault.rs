//! Errors that are the own fault of a plugin outside of the process.

use plugin_api::{ErrorKind, PluginError};

/// Why the host ends a call of a guest, which a plugin outside of the process is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct GuestFault(pub String);

/// An error that is the guest's fault, whatever its input: as after a panic, the batch is
/// dead-lettered after some lost instances.
pub(crate) fn at_fault(message: String) -> PluginError {
    PluginError { kind: ErrorKind::Panic, message }
}
