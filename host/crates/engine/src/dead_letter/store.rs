//! The files of one component's letters: reads them, and removes lines.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use dataserver_spool::own_file::{self, Access};
use serde::{Deserialize, Serialize};

use super::is_there;

const ENDING: &str = "jsonl";
const JOURNAL: &str = ".replay.json";

/// A folder of letters.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where it begins, bytes.
    pub at: u64,
    /// Its length with its end, bytes.
    pub length: u64,
    /// CRC-32 of it, so that no other line is taken for it.
    pub sum: u32,
}

/// The letters that a replay has in flight, so that after a crash the same ones are sent under the
/// same numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Epoch of the numbers; the letters have 1, 2, 3 …
    pub epoch: u64,
    /// Name of the file.
    pub file: String,
    /// The letters.
    pub letters: Vec<Place>,
}

impl Store {
    /// The letters in that folder, which need not be there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All files, oldest day first.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Bytes of all files.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.files()?.iter().filter_map(|path| fs::metadata(path).ok()).map(|it| it.len()).sum())
    }

    /// Passes each complete line of a file from `from` on to `use_line`, until that returns false.
    ///
    /// # Errors
    /// When the file cannot be read; a missing one has no lines.
    pub fn lines(
        path: &Path,
        from: u64,
        mut use_line: impl FnMut(Place, &[u8]) -> bool,
    ) -> io::Result<()> {
        let mut file = match own_file::open(path, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        file.seek(SeekFrom::Start(from))?;
        let (mut reader, mut at, mut line) = (BufReader::new(file), from, Vec::new());
        // a line without its end is being written, or was never completed
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            if !use_line(place(at, &line), &line) {
                break;
            }
            at += line.len() as u64;
            line.clear();
        }
        Ok(())
    }

    /// Removes lines from a file atomically, and none that were added meanwhile. Missing lines are
    /// skipped. Returns the number of bytes removed.
    ///
    /// # Errors
    /// When the file cannot be read or written anew; it is as it was then.
    pub fn remove(&self, path: &Path, places: &[Place]) -> io::Result<u64> {
        let Some(file) = open_locked(path)? else { return Ok(0) };
        let wanted: BTreeMap<_, _> = places.iter().map(|place| (place.at, *place)).collect();
        let new = path.with_extension("new");
        let mut kept = io::BufWriter::new(own_file::open(&new, Access::Truncate)?);
        let (mut at, mut removed, mut line) = (0, 0, Vec::new());
        let mut reader = BufReader::new(&file);
        while reader.read_until(b'\n', &mut line)? > 0 {
            let length = line.len() as u64;
            if wanted.get(&at) == Some(&place(at, &line)) {
                removed += length;
            } else {
                kept.write_all(&line)?;
            }
            at += length;
            line.clear();
        }
        let kept = kept.into_inner().map_err(io::IntoInnerError::into_error)?;
        kept.sync_all()?;
        if removed < at {
            fs::rename(&new, path)?;
        } else {
            fs::remove_file(path)?;
            fs::remove_file(&new)?;
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(removed)
    }

    /// The letters that an earlier replay had in flight.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn journal(&self) -> io::Result<Option<Journal>> {
        match own_file::read(&self.folder.join(JOURNAL)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // replays write this file atomically, so no replay left it
            bytes => Ok(serde_json::from_slice(&bytes?).ok()),
        }
    }

    /// Stores the letters that a replay has in flight, or that it has none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, journal: Option<&Journal>) -> io::Result<()> {
        let path = self.folder.join(JOURNAL);
        let Some(journal) = journal else {
            fs::remove_file(&path)?;
            return File::open(&self.folder)?.sync_all();
        };
        let new = path.with_extension("new");
        let mut file = own_file::open(&new, Access::Truncate)?;
        file.write_all(&serde_json::to_vec(journal)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.folder)?.sync_all()
    }
}

fn place(at: u64, line: &[u8]) -> Place {
    Place { at, length: line.len() as u64, sum: crc32fast::hash(line) }
}

/// The file of that name, locked until it is dropped.
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = match own_file::open(path, Access::Existing) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        file.lock()?;
        if is_there(&file, path)? {
            return Ok(Some(file));
        }
    }
}
