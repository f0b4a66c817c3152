//! Days that are older than `keep_days` are removed from the lake.
//!
//! A day goes when the name of its folder says so. Only files of the lake are removed, and none
//! while a writer has not finished it; then folders that are empty. Readers that have a file open
//! go on reading it. A kill in between leaves a part of the day, which the next look removes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use plugin_api::schemas::time::{ExchangeTime, parse_date};

use crate::{fault::Fault, names::is_of_lake};

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files.
    pub files: u64,
    /// Folders of days that are gone as a whole, as their names say.
    pub days: Vec<String>,
    /// Folders that stay because of files that are not the lake's or not finished.
    pub kept: Vec<PathBuf>,
}

/// Removes the days of a lake that lie before that one, since 1970 on the exchange's calendar.
///
/// # Errors
/// The first file or folder that cannot be removed; others may be gone by then.
pub fn remove_before(lake: &Path, first_kept: i64) -> Result<Removed, Fault> {
    let mut removed = Removed::default();
    look_through(lake, first_kept, &mut removed)?;
    removed.days.sort();
    removed.days.dedup();
    Ok(removed)
}

fn look_through(folder: &Path, first_kept: i64, removed: &mut Removed) -> Result<(), Fault> {
    for below in folders(folder)? {
        let name = below.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match day_of(name) {
            Some(day) if day < first_kept => {
                let name = name.trim_start_matches("date=").to_owned();
                if remove_day(&below, removed)? {
                    removed.days.push(name);
                } else {
                    removed.kept.push(below);
                }
            }
            Some(_) => {}
            None => look_through(&below, first_kept, removed)?,
        }
    }
    Ok(())
}

/// The day of a folder such as `date=2021-12-01`, since 1970.
fn day_of(name: &str) -> Option<i64> {
    let date = parse_date(name.strip_prefix("date=")?)?;
    Some(ExchangeTime::from_utc_us(ExchangeTime::from_civil(date, (0, 0, 0, 0))?).day)
}

/// Whether nothing is left of the day.
fn remove_day(folder: &Path, removed: &mut Removed) -> Result<bool, Fault> {
    let mut is_empty = true;
    for below in folders(folder)? {
        is_empty &= remove_day(&below, removed)?;
    }
    for entry in fs::read_dir(folder).map_err(Fault::disk("list", folder))? {
        let path = entry.map_err(Fault::disk("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            continue;
        }
        if !is_of_lake(name) {
            is_empty = false;
            continue;
        }
        fs::remove_file(&path).map_err(Fault::disk("remove", &path))?;
        removed.files += 1;
    }
    match fs::remove_dir(folder) {
        Ok(()) => Ok(is_empty),
        // somebody else's file, or one that came meanwhile
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(Fault::disk("remove", folder)(error)),
    }
}

/// Folders of the lake's levels, in order. Links are not followed: what they lead to may be of
/// somebody else.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(Fault::disk("list", folder))? {
        let entry = entry.map_err(Fault::disk("list", folder))?;
        let is_level = entry.file_name().to_str().is_some_and(|name| name.contains('='));
        if is_level && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}
