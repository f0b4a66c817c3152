//! Socket files: taken over when stale, removed at the end.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

/// A socket file that this process made. Removed when dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens at a path. A file left behind by a process that has ended is replaced.
    ///
    /// # Errors
    /// A text that names the path, what is in the way, and the remedy.
    pub fn listen(path: &Path, mode: u32) -> Result<(UnixListener, Self), String> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path)?;
                UnixListener::bind(path)
            }
            bound => bound,
        };
        let listener = listener.map_err(|error| bind_fault(path, &error))?;
        let file = fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .and_then(|()| fs::symlink_metadata(path));
        let file = file.map_err(|error| {
            format!(
                "cannot set the permissions of {}: {error}; use a folder of a local file \
                     system that is the host's own",
                path.display()
            )
        })?;
        Ok((listener, Self { path: path.to_owned(), identity: identity(&file) }))
    }

    /// Removes the file, unless another has replaced it. To be done while the listener is open.
    pub fn remove(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity) {
            // a file that cannot be removed is stale, and replaced by the next to listen
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes a socket file at which nobody listens any more.
fn remove_stale(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let Ok(file) = fs::symlink_metadata(path) else { return Ok(()) };
    if !file.file_type().is_socket() {
        return Err(format!(
            "{shown} exists and is no socket; remove it or listen at another path"
        ));
    }
    match has_listener(path) {
        Ok(false) => fs::remove_file(path).map_err(|error| {
            format!(
                "{shown} is left behind by another process and cannot be removed: {error}; \
                     remove it or listen at another path"
            )
        }),
        Ok(true) => Err(format!(
            "{shown} is in use by another process, maybe a Hikyuu collector or another \
             dataserver; find it with `ss -lxp | grep {shown}` and end it, or listen at another \
             path"
        )),
        Err(error) => Err(format!(
            "{shown} exists and it cannot be told whether it is in use: {error}; remove it if it \
             is not, or listen at another path"
        )),
    }
}

/// Whether a process listens at a socket file. Never blocks, not even if that process hangs.
fn has_listener(path: &Path) -> io::Result<bool> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN) => Ok(true), // AGAIN: more wait there than it lets
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn bind_fault(path: &Path, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "make its folder first",
        io::ErrorKind::PermissionDenied => "use a folder in which the host may make files",
        io::ErrorKind::InvalidInput => "use a path of at most 107 bytes",
        io::ErrorKind::AddrInUse => "another process took it at this moment; start again",
        _ => "listen at another path",
    };
    format!("cannot listen at {}: {error}; {remedy}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_stale_file_is_replaced_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ipc");
        drop(UnixListener::bind(&path).unwrap()); // leaves its file behind
        let (_listener, file) = SocketFile::listen(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_in_use_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ipc");
        let (_listener, _file) = SocketFile::listen(&path, 0o600).unwrap();
        let fault = SocketFile::listen(&path, 0o600).unwrap_err();
        assert!(fault.contains("a.ipc is in use") && fault.contains("ss -lxp"), "{fault}");
        assert!(UnixStream::connect(&path).is_ok(), "the first one goes on");
    }

    #[test]
    fn what_is_no_socket_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        fs::write(&path, "keep").unwrap();
        let fault = SocketFile::listen(&path, 0o600).unwrap_err();
        assert!(fault.contains("is no socket"), "{fault}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "keep");
    }

    #[test]
    fn the_file_of_a_successor_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ipc");
        let (_first, file) = SocketFile::listen(&path, 0o600).unwrap();
        fs::rename(&path, folder.path().join("old")).unwrap(); // keeps the inode taken
        let (_second, _its_file) = SocketFile::listen(&path, 0o600).unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn every_other_fault_names_its_remedy() {
        let long = "x".repeat(200);
        for (path, remedy) in [("/no/such/folder/a.ipc", "folder"), (long.as_str(), "107 bytes")] {
            let fault = SocketFile::listen(Path::new(path), 0o600).unwrap_err();
            assert!(fault.contains(path) && fault.contains(remedy), "{fault}");
        }
    }
}
