//! A file of whole lines.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use plugin_api::PluginError;

/// How far back the end of the last whole line is looked for; no line is longer.
const LONGEST_LINE: u64 = 1 << 20;

/// Open at the end of its last whole line.
pub struct JsonFile {
    path: PathBuf,
    file: File,
    /// Bytes up to the end of the last whole line.
    len: u64,
}

/// Tells whether a file could be written, without making it.
pub fn check(path: &Path) -> Result<(), PluginError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    // the folder of a bare name is the current one
    let is_folder = folder.as_os_str().is_empty() || folder.is_dir();
    if path.is_dir() {
        return Err(PluginError::config(format!(
            "path {} is a folder; name a file in it",
            path.display()
        )));
    }
    if !is_folder {
        return Err(PluginError::config(format!(
            "the folder {} of path is not there; make it, and in a sandbox grant it with \
             `grants.dirs`",
            folder.display()
        )));
    }
    Ok(())
}

impl JsonFile {
    /// Opens or makes a file, and cuts off a line that is not whole. Says how many bytes that were.
    pub fn open(path: PathBuf) -> Result<(Self, u64), PluginError> {
        check(&path)?;
        let opened = (|| {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)?;
            let found = file.metadata()?.len();
            let len = end_of_lines(&mut file, found)?;
            if len < found {
                file.set_len(len)?;
            }
            file.seek(SeekFrom::Start(len))?;
            Ok((file, len, found - len))
        })();
        match opened {
            Ok((file, len, cut)) => Ok((Self { path, file, len }, cut)),
            Err(error) => Err(failed(&path, "opened", &error)),
        }
    }

    /// Appends whole lines; after an error the file ends where it did before.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), PluginError> {
        let Err(error) = self.file.write_all(lines) else {
            self.len += lines.len() as u64;
            return Ok(());
        };
        let restored = self.file.set_len(self.len);
        match restored.and_then(|()| self.file.seek(SeekFrom::Start(self.len))) {
            Ok(_) => Err(failed(&self.path, "written", &error)),
            // the next instance cuts the file when it opens it
            Err(second) => Err(PluginError::fatal(format!(
                "{} cannot be written: {error}, nor cut again: {second}; check the disk",
                self.path.display()
            ))),
        }
    }

    /// Returns when all that was appended survives a crash.
    pub fn sync(&mut self) -> Result<(), PluginError> {
        self.file.sync_data().map_err(|error| failed(&self.path, "synced", &error))
    }
}

fn end_of_lines(file: &mut File, len: u64) -> io::Result<u64> {
    let from = len.saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    match tail.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => Ok(from + at as u64 + 1),
        None if from == 0 => Ok(0),
        None => Err(io::Error::other("it does not consist of lines")),
    }
}

fn failed(path: &Path, what: &str, error: &io::Error) -> PluginError {
    PluginError::retry(format!(
        "{} cannot be {what}: {error}; check the disk, the permissions and `grants.dirs`",
        path.display()
    ))
}
