//! Quarantines damaged bytes; their file names report the loss until it is acknowledged.
//!
//! A stretch of `NAME` at byte AT is copied to `NAME@AT.lost-RECORDS.damaged`, `about-` before a
//! number that is an estimate. When acknowledged, it gets another suffix and stays until somebody
//! removes it.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{lossy, stretch::Stretch};
use crate::own_file::{self, Access};

const DAMAGED: &str = ".damaged";
const ACKNOWLEDGED: &str = ".acknowledged";
const LOST: &str = ".lost-";
const ABOUT: &str = "about-";
/// Bytes of a stretch that are kept.
const MAX_KEPT: u64 = 64 << 20;

/// Something that was found wrong in a spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// What is wrong in it.
    pub stretch: Stretch,
    /// Further text for the log; may be empty.
    pub note: String,
    /// Where the damaged bytes are kept, or why they are not.
    pub kept: Result<PathBuf, String>,
}

impl Finding {
    /// What is wrong, for the log: the file, the place, and the loss.
    pub fn text(&self) -> String {
        let Self { file, stretch, note, .. } = self;
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        format!("{}: {stretch}{note}", file.display())
    }
}

/// What was found wrong in a spool and not acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unacknowledged {
    /// Damaged places.
    pub places: u64,
    /// Records that were lost with them.
    pub records: u64,
    /// That number is an estimate.
    pub is_about: bool,
}

impl Unacknowledged {
    /// With one more.
    pub fn add(&mut self, records: u64, is_about: bool) {
        self.places += 1;
        self.records = self.records.saturating_add(records);
        self.is_about |= is_about;
    }
}

/// Keeps a stretch of a file aside; `None` when that was done before, and it has not grown since.
pub(super) fn keep(folder: &Path, file: &Path, stretch: &Stretch, note: &str) -> Option<Finding> {
    if is_reported(folder, file, stretch) {
        return None;
    }
    let begin = name_prefix(file, stretch.at);
    let about = if stretch.is_exact { "" } else { ABOUT };
    let path = folder.join(format!("{begin}{about}{}{DAMAGED}", stretch.records));
    let kept = match copy(file, stretch, &path) {
        Ok(()) => Ok(path),
        // no partial copy, which would look complete: an empty file's name reports the loss
        Err(error) => match File::create(&path) {
            Ok(_) => Err(format!("{} is empty: {error}", path.display())),
            Err(_) => Err(format!("{}: {error}", path.display())),
        },
    };
    if let Ok(path) = &kept {
        remove_smaller(folder, &begin, path);
    }
    Some(Finding { file: file.to_owned(), stretch: stretch.clone(), note: note.to_owned(), kept })
}

/// Whether a stretch was told with all that is damaged now, also if somebody has acknowledged it. The
/// numbers of records cannot be compared: an estimate changes with what else is known.
pub(super) fn is_reported(folder: &Path, file: &Path, stretch: &Stretch) -> bool {
    let begin = name_prefix(file, stretch.at);
    let kept = names(folder).filter(|name| name.starts_with(&begin));
    let kept = kept.filter_map(|name| fs::metadata(folder.join(name)).ok()).map(|it| it.len());
    kept.max().is_some_and(|bytes| bytes >= stretch.bytes.min(MAX_KEPT))
}

/// Removes what was kept of a stretch before it grew; acknowledged files stay.
fn remove_smaller(folder: &Path, begin: &str, kept: &Path) {
    let smaller = names(folder).filter(|name| name.starts_with(begin) && name.ends_with(DAMAGED));
    for path in smaller.map(|name| folder.join(name)).filter(|path| path != kept) {
        let _ = fs::remove_file(path);
    }
}

/// Prefix of the file name of a quarantined stretch.
fn name_prefix(file: &Path, at: u64) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}@{at}{LOST}")
}

fn is_there(folder: &Path, begin: &str) -> bool {
    names(folder).any(|name| name.starts_with(begin))
}

/// Moves an unusable file to quarantine.
pub(super) fn move_file(folder: &Path, file: &Path, stretch: &Stretch) -> io::Result<PathBuf> {
    let is_free = |number: &u64| !is_there(folder, &name_prefix(file, *number));
    let number = (stretch.at..).find(is_free).unwrap_or(stretch.at);
    let path = folder.join(format!("{}{ABOUT}0{DAMAGED}", name_prefix(file, number)));
    match fs::rename(file, &path) {
        // an empty file's name reports that it is missing
        Err(error) if error.kind() == io::ErrorKind::NotFound => drop(File::create(&path)?),
        renamed => renamed?,
    }
    Ok(path)
}

fn copy(from: &Path, stretch: &Stretch, to: &Path) -> io::Result<()> {
    let bytes = match own_file::open(from, Access::Read) {
        Ok(file) => lossy::read(stretch.bytes.min(MAX_KEPT), |bytes, at| {
            file.read_at(bytes, stretch.at + at)
        })?,
        // an empty file's name reports the loss
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut kept = own_file::open(to, Access::Truncate)?;
    kept.write_all(&bytes)?;
    kept.sync_all()
}

/// What is not acknowledged in the spool of that folder.
pub fn unacknowledged(folder: &Path) -> Unacknowledged {
    let mut sum = Unacknowledged::default();
    for name in names(folder) {
        let Some(lost) = name.strip_suffix(DAMAGED).and_then(|it| it.rsplit_once(LOST)) else {
            continue;
        };
        let (records, is_about) = match lost.1.strip_prefix(ABOUT) {
            Some(records) => (records, true),
            None => (lost.1, false),
        };
        sum.add(records.parse().unwrap_or(0), is_about);
    }
    sum
}

/// Acknowledges all damage; returns how much that was.
///
/// # Errors
/// When the folder cannot be read or a file not be renamed.
pub fn acknowledge(folder: &Path) -> io::Result<Unacknowledged> {
    let before = unacknowledged(folder);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        if let Some(kept) = name.strip_suffix(DAMAGED).filter(|it| it.contains(LOST)) {
            fs::rename(&path, folder.join(format!("{kept}{ACKNOWLEDGED}")))?;
        }
    }
    Ok(before)
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
