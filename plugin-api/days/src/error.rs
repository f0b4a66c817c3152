//! What can be wrong with a ledger.

use std::path::{Path, PathBuf};

/// Why the ledger cannot be used; the text names the file and ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is none.
    #[error("there is no ledger {0}; run a pipeline with a `ledger` sink first")]
    Absent(PathBuf),
    /// Another writer has it.
    #[error("ledger {path} is written by {holder}; end that one, or give each its own `path`")]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who has it, as far as is known.
        holder: String,
    },
    /// A later release wrote it.
    #[error(
        "ledger {path} has version {found}, and this release knows up to {known}; install the newer release, or name another `path`"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The file is something else.
    #[error("{0} is a database of another program; name another `path`")]
    Foreign(PathBuf),
    /// It is cut short or overwritten.
    #[error(
        "ledger {path} is damaged: {why}; the next start of its sink sets it aside and begins anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The disk is full, or somebody holds the file for long; may pass.
    #[error("ledger {path}: {why}; free space there, or end what holds the file")]
    Busy {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file or its folder cannot be used.
    #[error("ledger {path}: {why}; let this user write there, or name another `path`")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl LedgerError {
    /// Whether the same call may succeed later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::InUse { .. })
    }

    /// For `map_err` on a call of SQLite.
    pub(crate) fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        use rusqlite::ErrorCode as Code;
        let path = path.to_owned();
        move |error| {
            let (path, why) = (path.clone(), error.to_string());
            match error.sqlite_error_code() {
                Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged { path, why },
                Some(
                    Code::PermissionDenied
                    | Code::ReadOnly
                    | Code::CannotOpen
                    | Code::AuthorizationForStatementDenied,
                ) => Self::Unusable { path, why },
                Some(_) => Self::Busy { path, why },
                // a value of another type than was written
                None => Self::Damaged { path, why },
            }
        }
    }

    /// For `map_err` on a call of the operating system.
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Busy { path: path.clone(), why: error.to_string() }
            }
            _ => Self::Unusable { path: path.clone(), why: error.to_string() },
        }
    }
}
