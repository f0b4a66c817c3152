//! Files that options name: regular ones alone. A named pipe is waited for, and a device may never
//! end.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Bytes of the largest file that is read whole.
const MAX_BYTES: u64 = 64 << 20;

/// Opens a regular file to read it.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub fn open(path: &Path) -> io::Result<File> {
    // looked at before: opening it may be what never ends
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

/// Reads a regular file whole.
///
/// # Errors
/// As of [`open`], and when it cannot be read or has more than 64 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has more than 64 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, process::Command};

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        symlink("/dev/zero", path("endless")).unwrap();
        symlink(path("pipe"), path("link")).unwrap();
        for name in ["pipe", "endless", "link", ".", "absent"] {
            assert!(open(&path(name)).is_err() && read(&path(name)).is_err(), "{name}");
        }
        fs::write(path("plain"), "text").unwrap();
        assert_eq!(read(&path("plain")).unwrap(), b"text");
        File::create(path("large")).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(open(&path("large")).is_ok() && read(&path("large")).is_err());
    }
}
