//! One host at a time uses a data folder: its spools and checkpoints have one owner.

use std::{
    fs::TryLockError,
    io,
    path::Path,
    time::{Duration, Instant},
};

use dataserver_config::{BufferKind, Pipeline};
use dataserver_engine::topology;
use dataserver_spool::own_file;
use plugin_api::RoleKind;

const FILE: &str = "host.lock";
/// How long a verb waits for another one to be through, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(20);
const BACKFILL_FILE: &str = "backfill.lock";

/// A data folder that is in use, until this is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct HostLock {
    file: std::fs::File,
}

impl Drop for HostLock {
    /// Processes that were forked from this one share the open file, and would keep the lock.
    fn drop(&mut self) {
        // closing it does the same where nobody shares it
        let _ = self.file.unlock();
    }
}

impl HostLock {
    /// Takes the data folder of a pipeline: a second host would deliver what waits there twice, and
    /// both would write the same checkpoints and dead letters. `None` where nobody could: a folder
    /// that cannot be written, for a pipeline that keeps nothing there.
    ///
    /// # Errors
    /// When another process has it, or it cannot be used; the text says what to do.
    pub fn for_pipeline(pipeline: &Pipeline) -> Result<Option<Self>, String> {
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
            Err(error) if is_read_only(&error) && !keeps_something(pipeline) => {
                let data_dir = data_dir.display();
                tracing::warn!(%data_dir, "data_dir cannot be written: {error}; nothing is kept");
                Ok(None)
            }
            Err(error) => Err(format!(
                "data_dir {}: {error}; change its owner or permissions, or set another one",
                data_dir.display()
            )),
        }
    }

    /// Takes the folder for a verb that works on it without a host. Another verb may have it for a
    /// moment, which is waited for.
    ///
    /// # Errors
    /// When a host or a longer work has it, or it cannot be used; the text says what to do.
    pub fn for_verb(data_dir: &Path) -> Result<Self, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let taken = Self::take(data_dir);
            match taken.map_err(|error| unusable(data_dir, &error))? {
                Some(lock) => return Ok(lock),
                None if Instant::now() < until => std::thread::sleep(RETRY_EVERY),
                None => return Err(used(data_dir)),
            }
        }
    }

    /// Takes the folder, which is made when it is not there; `None` when another process has it.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn take(data_dir: &Path) -> io::Result<Option<Self>> {
        Self::take_file(data_dir, FILE)
    }

    /// Takes the folder of backfills for a process that fills gaps without a host, beside the folder of
    /// the pipeline: so a second one can tell it from a host. `None` when another process has it.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn take_for_backfill(folder: &Path) -> io::Result<Option<Self>> {
        Self::take_file(folder, BACKFILL_FILE)
    }

    fn take_file(folder: &Path, name: &str) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let file = own_file::open(&folder.join(name), own_file::Access::Write)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// A folder that cannot be written.
pub fn unusable(data_dir: &Path, error: &io::Error) -> String {
    format!("data_dir {}: {error}; mend the folder", data_dir.display())
}

/// A folder that another process has.
fn used(data_dir: &Path) -> String {
    format!(
        "{} is used by a host that cannot be asked over `[host] http`, or by another verb that works \
         without one; stop the host or start it with `http` in this file, or wait for the verb",
        data_dir.display()
    )
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether a sink has its buffer on disk.
fn keeps_something(pipeline: &Pipeline) -> bool {
    pipeline.components.iter().any(|component| {
        component.kind == RoleKind::Sink && component.buffer.kind == BufferKind::Disk
    })
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

    #[test]
    fn verbs_wait_for_each_other_and_name_who_else_may_have_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let all = std::thread::scope(|scope| {
            let work = || drop(HostLock::for_verb(dir.path()).unwrap());
            let verbs: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            verbs.into_iter().all(|verb| verb.join().is_ok())
        });
        assert!(all);
        let _host = HostLock::take(dir.path()).unwrap();
        let error = HostLock::for_verb(dir.path()).unwrap_err();
        assert!(error.contains("by a host") && error.contains("by another verb"), "{error}");
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed_and_its_target_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (data_dir, precious) = (dir.path().join("data"), dir.path().join("precious"));
        std::fs::create_dir(&data_dir).unwrap();
        std::fs::write(&precious, "precious").unwrap();
        let lock = data_dir.join(FILE);
        std::os::unix::fs::symlink(&precious, &lock).unwrap();
        let error = HostLock::take(&data_dir).unwrap_err().to_string();
        assert!(error.contains("host.lock is a link"), "{error}");
        std::fs::remove_file(&lock).unwrap();
        // a hard link cannot be told from a file of one's own, but nothing is cut off
        std::fs::hard_link(&precious, &lock).unwrap();
        assert!(HostLock::take(&data_dir).unwrap().is_some());
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
        std::fs::remove_file(&lock).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&lock).status().unwrap();
        assert!(made.success());
        assert!(HostLock::take(&data_dir).unwrap_err().to_string().contains("named pipe"));
        std::fs::remove_file(&lock).unwrap();
        std::fs::create_dir(&lock).unwrap();
        assert!(HostLock::take(&data_dir).unwrap_err().to_string().contains("folder"));
    }
}
