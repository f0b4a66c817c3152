//! The lock of the one that counts: a file beside the ledger that says who that is.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::LedgerError;

/// Held as long as this value is there; the system releases it with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of that ledger, and writes down who has it.
    ///
    /// # Errors
    /// `InUse` with the name of the holder, `Unusable` when the folder cannot be written.
    pub fn take(ledger: &Path, holder: &str) -> Result<Self, LedgerError> {
        let path = path_of(ledger);
        let fault = LedgerError::io(&path);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(&fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // who has it may just be writing its name
                let _ = file.take(200).read_to_string(&mut text);
                let holder = match text.trim() {
                    "" => "another process".to_owned(),
                    name => name.to_owned(),
                };
                return Err(LedgerError::InUse { path: ledger.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        let line = format!("{holder} (process {})\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(line.as_bytes()))
            .map_err(&fault)?;
        Ok(Self { _file: file })
    }
}

fn path_of(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it_and_gets_it_after() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.sqlite");
        let first = Lock::take(&ledger, "sink days").unwrap();
        let error = Lock::take(&ledger, "sink other").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sink days (process ") && text.contains("ledger.sqlite"), "{text}");
        assert!(error.may_pass());
        drop(first);
        assert!(Lock::take(&ledger, "other").is_ok());
    }
}
