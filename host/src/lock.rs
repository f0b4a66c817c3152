//! One host at a time uses a data folder: its spools and checkpoints have one owner.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use plugin_api::RoleKind;

use crate::{
    config::{BufferKind, Component, Pipeline},
    topology,
};

const FILE: &str = "host.lock";

/// A data folder that is in use, until this is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct HostLock {
    file: File,
}

impl Drop for HostLock {
    /// Processes that were forked from this one share the open file, and would keep the lock.
    fn drop(&mut self) {
        // closing it does the same where nobody shares it
        let _ = self.file.unlock();
    }
}

impl HostLock {
    /// Takes the data folder of a pipeline that keeps something there which must not be shared:
    /// a second host would deliver everything twice. `None` for a pipeline that keeps nothing.
    ///
    /// # Errors
    /// When another process has it, or it cannot be used; the text says what to do.
    pub fn for_pipeline(pipeline: &Pipeline) -> Result<Option<Self>, String> {
        let is_kept = |component: &Component| {
            component.kind == RoleKind::Sink && component.buffer.kind == BufferKind::Disk
        };
        if !pipeline.components.iter().any(is_kept) {
            return Ok(None);
        }
        let data_dir = pipeline.host.data_dir.as_path();
        match Self::take(data_dir) {
            Ok(Some(lock)) => {
                for (folder, sink) in topology::orphans(pipeline) {
                    tracing::warn!(
                        folder,
                        "records wait for `{sink}`, which is no sink of this pipeline with a \
                         buffer on disk; bring it back to deliver them, or remove the folder"
                    );
                }
                Ok(Some(lock))
            }
            Ok(None) => Err(format!(
                "{} is used by another host; stop that one, or set another `data_dir`",
                data_dir.display()
            )),
            Err(error) => Err(format!(
                "data_dir {}: {error}; change its owner or permissions, or set another one",
                data_dir.display()
            )),
        }
    }

    /// Takes the folder, which is made when it is not there; `None` when another process has it.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn take(data_dir: &Path) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(data_dir)?;
        let file = File::create(data_dir.join(FILE))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
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
