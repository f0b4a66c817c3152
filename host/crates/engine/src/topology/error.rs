//! Why a pipeline does not start, or does not become another one.

use std::path::PathBuf;

use plugin_api::{ErrorKind, PluginError};

use super::plan::RestartRequired;

/// Why a pipeline does not start, or does not become another one.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Components whose plugins refused their options or could not start.
    #[error("{}", lines(.0.iter().map(|(id, error)| format!("{id}: {error}"))))]
    Components(Vec<(String, PluginError)>),
    /// A plugin that was there when the pipeline was checked is gone.
    #[error("{0}: {1}")]
    Plugin(String, String),
    /// The folder of a buffer on disk cannot be used.
    #[error("{component}: buffer on disk {}: {error}; mend the folder, or set another `data_dir`",
        folder.display())]
    Spool {
        /// The sink.
        component: String,
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// What cannot change while the host runs.
    #[error("{}", lines(.0.iter().map(ToString::to_string)))]
    RestartRequired(Vec<RestartRequired>),
    /// A call into a component's plugin did not return in time.
    #[error("{0}: its plugin does not come back from a call; wait, or restart the host")]
    Busy(String),
    /// A component ended by itself while it was to be replaced.
    #[error("{0}: it ended in the middle of the reload; reload again")]
    Ended(String),
    /// The pipeline does not drain, so that routes cannot be switched in order.
    #[error(
        "{0}: what is before it does not get through in time; its buffer is full or its plugin \
        is slow: mend what it waits for, or remove it"
    )]
    Blocked(String),
    /// A component that is paused does not drain, so that routes cannot be switched in order.
    #[error(
        "{0}: it is paused and records wait before it, so the routes around it cannot be switched \
        in order; `dataserver resume {0}` first"
    )]
    Paused(String),
    /// The data folder is another host's, or cannot be used.
    #[error("{0}")]
    Taken(String),
    /// The host ends.
    #[error("the host ends")]
    Ending,
}

impl ChangeError {
    /// Whether the pipeline file has to be changed for it to work.
    pub fn is_config(&self) -> bool {
        match self {
            Self::Components(failed) => {
                failed.iter().any(|(_, error)| error.kind == ErrorKind::Config)
            }
            Self::RestartRequired(_) => true,
            _ => false,
        }
    }
}

fn lines(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("\n")
}
