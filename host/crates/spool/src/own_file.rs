//! Opens the files that the host makes under fixed names in its data folder.
//!
//! An attacker with write access could place a link under such a name, so that the host writes to
//! its target, or a named pipe that blocks for ever.

use std::{
    fs::{File, FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is read and written; made when it is not there, and left as it is.
    Write,
    /// As `Write`, each write at its end.
    Append,
    /// As `Write`, emptied first.
    Truncate,
    /// As `Write`, but it must be there.
    Existing,
    /// It is read alone, and must be there.
    Read,
}

/// Opens the regular file of that name.
///
/// # Errors
/// When that is impossible, or something else has the name: a link, a named pipe, a folder.
pub fn open(path: &Path, access: Access) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    match access {
        Access::Append => options.append(true).create(true),
        Access::Write | Access::Truncate => options.write(true).create(true).truncate(false),
        Access::Existing => options.write(true),
        Access::Read => &mut options,
    };
    let opened = options.open(path).map_err(|error| named(path, error))?;
    let found = opened.metadata()?;
    if !found.is_file() {
        return Err(foreign(path, found.file_type()));
    }
    if access == Access::Truncate {
        opened.set_len(0)?;
    }
    Ok(opened)
}

/// Reads the regular file of that name whole.
///
/// # Errors
/// As of `open`, and when it cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, Access::Read)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says what has the name, when that is why it cannot be opened.
fn named(path: &Path, error: io::Error) -> io::Error {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => foreign(path, found.file_type()),
        _ => error,
    }
}

fn foreign(path: &Path, kind: FileType) -> io::Error {
    let what = if kind.is_symlink() {
        "a link"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else {
        "a device or socket"
    };
    let text = format!("{} is {what}, not a file of the host's own; remove it", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
