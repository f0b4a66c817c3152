//! Where a job's records go, and why it may have to stop.

use std::{io, time::Duration};

use plugin_api::{Batch, PluginError};

/// The stores of a job, as one.
pub trait Stores {
    /// Gives a batch to every store. Waits until each has room for something that can wait.
    ///
    /// # Errors
    /// When the job is to stop.
    fn send(&self, batch: Batch) -> Result<(), Halt>;

    /// Batches that every store has, counted from the first since the last restart, without a gap.
    fn confirmed(&self) -> u64;

    /// Whether a batch is under way. When none is, what is not confirmed never will be.
    fn is_busy(&self) -> bool;

    /// Counts anew; what was given before is given again.
    ///
    /// # Errors
    /// When the job is to stop.
    fn restart(&self) -> Result<(), Halt>;

    /// Waits so long.
    ///
    /// # Errors
    /// When the job is to stop.
    fn pause(&self, pause: Duration) -> Result<(), Halt>;

    /// The time, microseconds since 1970 UTC.
    fn now_us(&self) -> i64;
}

/// Why a job is to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The host ends; the next one goes on.
    Stopping,
    /// Somebody wants it to end.
    Cancelled,
    /// It cannot go on, for that reason; the next host tries again.
    Failed(String),
}

/// Why a job does not go on.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// It is to stop.
    #[error("{}", halt_text(.0))]
    Halt(Halt),
    /// The disk fails.
    #[error("{0}; free space or mend the folder, and it goes on")]
    Disk(#[from] io::Error),
}

impl End {
    /// For an error that cannot be.
    pub(super) fn of(error: PluginError) -> Self {
        Self::Halt(Halt::Failed(error.message))
    }
}

impl From<Halt> for End {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

fn halt_text(halt: &Halt) -> &str {
    match halt {
        Halt::Stopping => "the host ends; its next start goes on",
        Halt::Cancelled => "it was cancelled",
        Halt::Failed(text) => text,
    }
}
