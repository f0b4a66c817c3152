//! The log file, which is bounded: full, it becomes `dataserver.log.1`, of which there is one.
//!
//! Several processes may write to it. Each line is one write at the end of the file, and whoever
//! finds that the file was renamed opens the new one.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

/// Bytes after which another file is begun.
const MOST_BYTES: u64 = 10 << 20;

/// A bounded file of lines.
pub struct LogFile {
    path: PathBuf,
    most_bytes: u64,
    file: Mutex<File>,
}

impl LogFile {
    /// Opens the file; its folder is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or written; the text names it and the remedy.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        Self::bounded(path, MOST_BYTES)
    }

    fn bounded(path: PathBuf, most_bytes: u64) -> Result<Self, String> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let file = fs::create_dir_all(folder).and_then(|()| append(&path)).map_err(|error| {
            format!("{}: {error}; let the user write there, or set HOME", path.display())
        })?;
        Ok(Self { path, most_bytes, file: Mutex::new(file) })
    }

    /// Begins another file when this one is full.
    fn turn(&self, file: &mut File) -> io::Result<()> {
        let here = file.metadata()?;
        if here.len() < self.most_bytes {
            return Ok(());
        }
        // another process may have renamed it already
        let is_current = fs::metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (here.dev(), here.ino()));
        if is_current {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        *file = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Writes one line.
pub struct Line<'a> {
    log: &'a LogFile,
    file: MutexGuard<'a, File>,
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, file: self.file.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // what cannot be renamed is written on: a line must not be lost for that
        let _ = self.log.turn(&mut self.file);
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(log: &LogFile, text: &str) {
        log.make_writer().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_full_file_is_put_aside_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/dataserver.log");
        let log = LogFile::bounded(path.clone(), 10).unwrap();
        for text in ["first line\n", "second line\n", "third\n"] {
            write(&log, text);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
        let aside = fs::read_to_string(path.with_extension("log.1")).unwrap();
        assert_eq!(aside, "second line\n");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
    }

    #[test]
    fn two_writers_of_one_file_lose_nothing_when_one_puts_it_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataserver.log");
        let (first, second) = (
            LogFile::bounded(path.clone(), 10).unwrap(),
            LogFile::bounded(path.clone(), 10).unwrap(),
        );
        write(&first, "0123456789\n");
        write(&first, "of the first\n");
        write(&second, "of the second\n");
        let aside = fs::read_to_string(path.with_extension("log.1")).unwrap();
        let now = fs::read_to_string(&path).unwrap();
        // the second finds its file full, and the name given to another
        assert_eq!(
            (aside.as_str(), now.as_str()),
            ("0123456789\n", "of the first\nof the second\n")
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let problem = LogFile::open(folder.path().join("file/dataserver.log")).err().unwrap();
        assert!(problem.contains("file/dataserver.log") && problem.contains("HOME"), "{problem}");
    }
}
