//! What can go wrong with the lake, told to the host and to people.

use std::{
    io,
    path::{Path, PathBuf},
};

use parquet::errors::ParquetError;
use plugin_api::{ErrorKind, PluginError};

/// A step that failed.
#[derive(Debug)]
pub enum Fault {
    /// The disk or the folder refused; may pass.
    Disk {
        /// What was tried, e.g. `write`.
        doing: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    /// Rows could not be encoded; a defect of this plugin.
    Encode(ParquetError),
}

impl Fault {
    /// For `map_err` on a call of the operating system.
    pub fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Disk { doing, path, error }
    }

    /// The fault as a running instance reports it.
    pub fn into_error(self) -> PluginError {
        match self {
            Self::Disk { doing, path, error } => {
                PluginError::retry(disk_text(doing, &path, &error))
            }
            Self::Encode(error) => {
                PluginError::fatal(format!("cannot encode a row group: {error}; report this"))
            }
        }
    }

    /// The fault as `open` reports it: a folder that cannot be used is a matter of the options.
    pub fn into_open_error(self) -> PluginError {
        use io::ErrorKind as Io;
        let kind = match &self {
            Self::Disk { error, .. } => match error.kind() {
                Io::PermissionDenied
                | Io::ReadOnlyFilesystem
                | Io::NotADirectory
                | Io::AlreadyExists
                | Io::NotFound
                | Io::InvalidInput
                | Io::InvalidFilename
                | Io::Unsupported => ErrorKind::Config,
                _ => ErrorKind::Retry,
            },
            Self::Encode(_) => ErrorKind::Fatal,
        };
        PluginError { kind, ..self.into_error() }
    }
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        Self::Encode(error)
    }
}

fn disk_text(doing: &str, path: &Path, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space there or move `path` to a larger disk"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there or choose another `path`"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "move the file that is in the way or choose another `path`"
        }
        io::ErrorKind::ResourceBusy => "end that process, or wait until it is done",
        _ => "check the disk and the folder",
    };
    let space = free_bytes(path).map_or_else(String::new, |(free, of)| {
        format!(" ({} of {} MiB free there)", free >> 20, of >> 20)
    });
    format!("cannot {doing} {}: {error}{space}; {remedy}", path.display())
}

/// Free and total bytes of the disk that holds the path or what exists of it.
fn free_bytes(path: &Path) -> Option<(u64, u64)> {
    let disk = path.ancestors().find_map(|path| rustix::fs::statvfs(path).ok())?;
    Some((disk.f_bavail.checked_mul(disk.f_frsize)?, disk.f_blocks.checked_mul(disk.f_frsize)?))
}
