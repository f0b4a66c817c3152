//! One host at a time uses a data folder: its spools and checkpoints have one owner.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

const FILE: &str = "host.lock";

/// A data folder that is in use, until this is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct HostLock {
    _file: File,
}

impl HostLock {
    /// Takes the folder, which is made when it is not there; `None` when another process has it.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn take(data_dir: &Path) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(data_dir)?;
        let file = File::create(data_dir.join(FILE))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_until_he_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let owner = HostLock::take(&data_dir).unwrap();
        assert!(owner.is_some());
        assert!(HostLock::take(&data_dir).unwrap().is_none());
        drop(owner);
        assert!(HostLock::take(&data_dir).unwrap().is_some());
    }
}
