//! Puts in order what a killed writer left behind.
//!
//! An unfinished file is cut at the last complete footer of a commit that holds, and finished; one
//! without any is removed.
//! Files of writers that live are left alone.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::{
    fault::Fault,
    file::{Disk, LakeFile, pages},
    group::MAGIC,
    names::{UNFINISHED, is_copy, writer_of},
    schema::{COMMIT_KEY, SCHEMA_KEY},
    slot::Slot,
};

/// Length of the footer and magic, at the end of a file.
const TAIL: u64 = 8;
const WINDOW: u64 = 1 << 20;

/// What was found and done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Files that were finished.
    pub files: usize,
    /// Rows in them.
    pub rows: i64,
    /// Files without a complete row group, removed.
    pub removed: usize,
    /// Bytes behind the last complete footers, cut off or removed.
    pub cut_bytes: u64,
}

/// Recovers the files of this writer's name and of all writers that are gone.
pub fn lake(disk: &dyn Disk, lake: &Path, own: &Slot) -> Result<Recovered, Fault> {
    let mut by_writer = BTreeMap::<String, Vec<PathBuf>>::new();
    list_unfinished(lake, &mut by_writer)?;
    by_writer.entry(own.name().to_owned()).or_default();
    let mut recovered = Recovered::default();
    for (writer, files) in by_writer {
        if writer == own.name() {
            recover_writer(disk, own, &files, &mut recovered)?;
        } else if let Some(slot) = Slot::try_take(lake, &writer)? {
            recover_writer(disk, &slot, &files, &mut recovered)?;
            slot.give_back()?;
        }
    }
    Ok(recovered)
}

fn list_unfinished(
    folder: &Path,
    by_writer: &mut BTreeMap<String, Vec<PathBuf>>,
) -> Result<(), Fault> {
    for entry in fs::read_dir(folder).map_err(Fault::disk("list", folder))? {
        let entry = entry.map_err(Fault::disk("list", folder))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && name.contains('=') {
            list_unfinished(&entry.path(), by_writer)?;
        } else if !is_folder && let Some(writer) = writer_of(name) {
            by_writer.entry(writer.to_owned()).or_default().push(entry.path());
        }
    }
    Ok(())
}

fn recover_writer(
    disk: &dyn Disk,
    slot: &Slot,
    files: &[PathBuf],
    recovered: &mut Recovered,
) -> Result<(), Fault> {
    let mut files = files.to_vec();
    files.sort();
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_copy(name) {
            fs::remove_file(&path).map_err(Fault::disk("remove", &path))?;
        } else if name.ends_with(UNFINISHED) {
            recover_file(disk, &path, slot, recovered)?;
        }
    }
    Ok(())
}

fn recover_file(
    disk: &dyn Disk,
    path: &Path,
    slot: &Slot,
    recovered: &mut Recovered,
) -> Result<(), Fault> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(Fault::disk("open", path))?;
    let found = file.metadata().map_err(Fault::disk("look at", path))?.len();
    let last = last_footer(&file, found, slot).map_err(Fault::disk("read", path))?;
    let Some((mut lake_file, len)) =
        last.and_then(|(len, metadata)| Some((LakeFile::found(path, len, &metadata)?, len)))
    else {
        recovered.removed += 1;
        recovered.cut_bytes += found;
        return fs::remove_file(path).map_err(Fault::disk("remove", path));
    };
    if len < found {
        file.set_len(len).and_then(|()| disk.sync(&file)).map_err(Fault::disk("cut", path))?;
        recovered.cut_bytes += found - len;
    }
    lake_file.finish(disk)?;
    recovered.files += 1;
    recovered.rows += lake_file.safe().rows;
    Ok(())
}

/// The last complete footer of a commit that holds, with the place where it ends.
fn last_footer(
    file: &File,
    len: u64,
    slot: &Slot,
) -> std::io::Result<Option<(u64, ParquetMetaData)>> {
    let mut window = Vec::new();
    let mut end = len; // everything behind it was looked at
    while end >= MAGIC.len() as u64 {
        let start = end.saturating_sub(WINDOW);
        window.resize(usize::try_from(end - start).unwrap_or(0), 0);
        file.read_exact_at(&mut window, start)?;
        for at in (0..=window.len() - MAGIC.len()).rev() {
            if window[at..].starts_with(MAGIC) {
                let footer_end = start + (at + MAGIC.len()) as u64;
                if let Some(metadata) = footer_at(file, footer_end)?
                    && slot.holds(key(&metadata, COMMIT_KEY).unwrap_or_default())
                {
                    return Ok(Some((footer_end, metadata)));
                }
            }
        }
        if start == 0 {
            break;
        }
        // windows overlap, since the magic may lie across their border
        end = start + MAGIC.len() as u64 - 1;
    }
    Ok(None)
}

/// The footer that ends there, if it is one and all that it speaks of lies before it.
fn footer_at(file: &File, end: u64) -> std::io::Result<Option<ParquetMetaData>> {
    if end < MAGIC.len() as u64 + TAIL {
        return Ok(None);
    }
    let mut length = [0; 4];
    file.read_exact_at(&mut length, end - TAIL)?;
    let length = u32::from_le_bytes(length);
    let Some(start) = (end - TAIL).checked_sub(u64::from(length)) else { return Ok(None) };
    if start < MAGIC.len() as u64 {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, start)?;
    let Ok(metadata) = ParquetMetaDataReader::decode_metadata(&bytes) else { return Ok(None) };
    let groups = metadata.row_groups();
    let rows = groups.iter().map(|group| group.num_rows()).sum::<i64>();
    let is_whole = key(&metadata, SCHEMA_KEY).is_some()
        && rows == metadata.file_metadata().num_rows()
        && !groups.is_empty()
        && groups.iter().all(|group| pages(group).1 <= start);
    Ok(is_whole.then_some(metadata))
}

fn key<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    entries.iter().find(|entry| entry.key == key)?.value.as_deref()
}
