//! A writer's place in a lake: its lock, and the note by which a commit to several files is undone.
//!
//! A place is one hidden file at the root of the lake. Whoever holds its lock owns all unfinished
//! files that bear its name; the system drops the lock with the process, so a name whose lock can
//! be had belongs to a dead writer.
//!
//! Before a commit touches more than one file, the length of each is noted in that file; the note
//! is emptied when all are safe. A note that is found later names what was not confirmed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::{fault::Fault, file::Disk};

/// A file of an open commit: its path within the lake and its length before.
pub type Note = (PathBuf, u64);

/// Last line of a note; one that lacks it was not complete when the first file was touched.
const END: &str = "end\n";

/// A locked place.
#[derive(Debug)]
pub struct Slot {
    name: String,
    path: PathBuf,
    file: File,
}

impl Slot {
    /// Takes the first free place of an instance, whose name is fit for a file name.
    pub fn take(lake: &Path, instance: &str) -> Result<Self, Fault> {
        for number in 0_u32.. {
            if let Some(slot) = Self::try_take(lake, &format!("{instance}-{number}"))? {
                return Ok(slot);
            }
        }
        let error = io::Error::from(io::ErrorKind::ResourceBusy);
        Err(Fault::disk("find a free place in", lake)(error))
    }

    /// Takes the place of that name; `None` while another writer has it.
    pub fn try_take(lake: &Path, name: &str) -> Result<Option<Self>, Fault> {
        let path = lake.join(format!(".writer-{name}.lock"));
        loop {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&path).map_err(Fault::disk("make", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(Fault::disk("lock", &path)(error)),
            }
            // its last owner may have removed the file between our open and our lock
            let locked = file.metadata().map_err(Fault::disk("look at", &path))?.ino();
            if fs::metadata(&path).is_ok_and(|there| there.ino() == locked) {
                return Ok(Some(Self { name: name.to_owned(), path, file }));
            }
        }
    }

    /// Name that the unfinished files of this writer bear.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes what must be undone if the commit that follows does not end.
    pub fn note(&self, disk: &dyn Disk, files: &[Note]) -> Result<(), Fault> {
        let mut text = String::new();
        for (path, len) in files {
            text.push_str(&format!("{len} {}\n", path.display()));
        }
        text.push_str(END);
        self.file
            .set_len(0)
            .and_then(|()| disk.write_at(&self.file, text.as_bytes(), 0))
            .and_then(|()| disk.sync(&self.file))
            .map_err(Fault::disk("write", &self.path))
    }

    /// Empties the note: from here on the commit holds.
    pub fn confirm(&self, disk: &dyn Disk) -> Result<(), Fault> {
        self.file
            .set_len(0)
            .and_then(|()| disk.sync(&self.file))
            .map_err(Fault::disk("write", &self.path))
    }

    /// What a commit that did not end has left to undo.
    pub fn noted(&self) -> Result<Vec<Note>, Fault> {
        let len = self.file.metadata().map_err(Fault::disk("look at", &self.path))?.len();
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, 0).map_err(Fault::disk("read", &self.path))?;
        let text = String::from_utf8_lossy(&bytes);
        let Some(lines) = text.strip_suffix(END) else { return Ok(Vec::new()) };
        let entries = lines.lines().filter_map(|line| {
            let (len, path) = line.split_once(' ')?;
            Some((PathBuf::from(path), len.parse().ok()?))
        });
        Ok(entries.collect())
    }

    /// Gives the place back when nothing unfinished bears its name any more.
    pub fn give_back(&self) -> Result<(), Fault> {
        fs::remove_file(&self.path).map_err(Fault::disk("remove", &self.path))
    }
}
