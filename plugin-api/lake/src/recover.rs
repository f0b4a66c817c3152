//! Recovers the files that a killed writer left unfinished.
//!
//! An unfinished file is cut at the last whole footer of a complete commit, and finished; one
//! without any is removed. What is damaged, of complete commits, is kept under another name: row
//! groups whose checksum is wrong or that cannot be read, and what is behind the last footer. Files
//! of running writers are not touched.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};

use crate::{
    checksum,
    disk::{Disk, sync_folder},
    fault::Fault,
    file::{BEGIN_LENGTH, LakeFile, commit_in, damaged_name, pages},
    group::MAGIC,
    names::{UNFINISHED, is_copy, writer_of},
    schema::{COMMIT_KEY, SCHEMA_KEY},
    writer_lock::WriterLock,
};

/// Length of the footer and magic, at the end of a file.
const TAIL: u64 = 8;
const WINDOW: u64 = 1 << 20;
/// What the system answers for a sector that cannot be read.
const UNREADABLE: i32 = 5;

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
    /// What is damaged: each file with what that costs and where it is kept.
    pub damaged: Vec<String>,
}

/// Recovers the files of this writer's name and of all writers that are gone.
pub fn lake(disk: &dyn Disk, lake: &Path, own: &WriterLock) -> Result<Recovered, Fault> {
    let mut by_writer = BTreeMap::<String, Vec<PathBuf>>::new();
    list_unfinished(lake, &mut by_writer)?;
    by_writer.entry(own.name().to_owned()).or_default();
    let mut recovered = Recovered::default();
    for (writer, files) in by_writer {
        if writer == own.name() {
            recover_writer(disk, own, &files, &mut recovered)?;
        } else if let Some(lock) = WriterLock::try_acquire(lake, &writer)? {
            recover_writer(disk, &lock, &files, &mut recovered)?;
            lock.release()?;
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
    lock: &WriterLock,
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
            recover_file(disk, &path, lock, recovered)?;
        }
    }
    Ok(())
}

fn recover_file(
    disk: &dyn Disk,
    path: &Path,
    lock: &WriterLock,
    recovered: &mut Recovered,
) -> Result<(), Fault> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(Fault::disk("open", path))?;
    let found = file.metadata().map_err(Fault::disk("look at", path))?.len();
    let is_complete = |tag: &str| lock.is_complete(tag);
    let last = last_footer(&file, found, is_complete).map_err(Fault::disk("read", path))?;
    let found_footer = last
        .and_then(|(len, metadata)| Some((LakeFile::found(path, len, &metadata)?, len, metadata)));
    let Some((mut lake_file, len, metadata)) = found_footer else {
        if is_damage(&file, 0, found, lock).map_err(Fault::disk("read", path))? {
            let kept = damaged_name(path);
            fs::rename(path, &kept).map_err(Fault::disk("rename", path))?;
            recovered.damaged.push(format!(
                "{}: no row group in it can be read any more, and how many rows it had is not \
                 known; it is kept as {}",
                path.display(),
                kept.display()
            ));
            return sync_folder(disk, path.parent().unwrap_or(path));
        }
        recovered.removed += 1;
        recovered.cut_bytes += found;
        return fs::remove_file(path).map_err(Fault::disk("remove", path));
    };
    if len < found {
        if is_damage(&file, len, found, lock).map_err(Fault::disk("read", path))? {
            let kept = keep_tail(disk, path, len)?;
            recovered.damaged.push(format!(
                "{}: rows behind byte {len} cannot be read any more, and how many they were is not \
                 known; these bytes are kept as {}",
                path.display(),
                kept.display()
            ));
        } else {
            recovered.cut_bytes += found - len;
        }
        file.set_len(len).and_then(|()| disk.sync(&file)).map_err(Fault::disk("cut", path))?;
    }
    let sound = sound_groups(&file, &metadata).map_err(Fault::disk("read", path))?;
    let groups = metadata.row_groups();
    if sound.len() < groups.len() {
        let rows = lake_file.safe().rows;
        let kept = lake_file.set_aside(disk, &sound)?;
        recovered.damaged.push(format!(
            "{}: {} of its {} row groups with {} rows are damaged; all of it is kept as {}, and \
             the other row groups go on",
            path.display(),
            groups.len() - sound.len(),
            groups.len(),
            rows - lake_file.safe().rows,
            kept.display()
        ));
        if sound.is_empty() {
            return Ok(());
        }
    }
    lake_file.finish(disk)?;
    recovered.files += 1;
    recovered.rows += lake_file.safe().rows;
    Ok(())
}

/// Whether what is behind the last footer belongs to a complete commit, and so is lost by damage.
fn is_damage(file: &File, from: u64, len: u64, lock: &WriterLock) -> std::io::Result<bool> {
    let from = from.max(MAGIC.len() as u64);
    let mut begin = vec![0; BEGIN_LENGTH + 1];
    if len >= from + begin.len() as u64 {
        file.read_exact_at(&mut begin, from)?;
        if let Some(commit) = commit_in(&begin) {
            return Ok(lock.is_complete(commit));
        }
    }
    // the last commit may have begun with what is damaged, but had come to its end
    let mut magic = [0; MAGIC.len()];
    if len < from + TAIL {
        return Ok(false);
    }
    file.read_exact_at(&mut magic, len - MAGIC.len() as u64)?;
    Ok(&magic == MAGIC && !is_of_incomplete_commit(file, len, lock)?)
}

/// Whether the file ends with a footer of a commit that is not complete.
fn is_of_incomplete_commit(file: &File, len: u64, lock: &WriterLock) -> std::io::Result<bool> {
    let footer = footer_at(file, len)?;
    Ok(footer.is_some_and(|it| !lock.is_complete(key(&it, COMMIT_KEY).unwrap_or_default())))
}

/// Copies what is behind that byte to a file of its own.
fn keep_tail(disk: &dyn Disk, path: &Path, from: u64) -> Result<PathBuf, Fault> {
    let kept = damaged_name(path);
    let copy = || {
        let mut tail = File::open(path)?;
        tail.seek(SeekFrom::Start(from))?;
        let mut to = File::create(&kept)?;
        std::io::copy(&mut tail, &mut to)?;
        disk.sync(&to)
    };
    copy().map_err(Fault::disk("copy", path))?;
    sync_folder(disk, path.parent().unwrap_or(path))?;
    Ok(kept)
}

/// The row groups that are as they were written.
fn sound_groups(file: &File, metadata: &ParquetMetaData) -> std::io::Result<Vec<usize>> {
    let groups = metadata.row_groups();
    let sums = checksum::sums_in(metadata.file_metadata(), groups.len());
    let mut sound = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let is_sound = match &sums {
            Some(sums) => sum_of(file, pages(group))? == Some(sums[index]),
            None => can_be_read(file, metadata, index),
        };
        if is_sound {
            sound.push(index);
        }
    }
    Ok(sound)
}

/// The checksum of that part of a file; `None` when it has become shorter.
fn sum_of(file: &File, (mut at, end): (u64, u64)) -> std::io::Result<Option<u32>> {
    let mut crc = crc32fast::Hasher::new();
    let mut buffer = vec![0; usize::try_from(WINDOW).unwrap_or(0)];
    while at < end {
        let part = usize::try_from((end - at).min(WINDOW)).unwrap_or(0);
        match file.read_at(&mut buffer[..part], at) {
            Ok(0) => return Ok(None),
            Ok(read) => {
                crc.update(&buffer[..read]);
                at += read as u64;
            }
            Err(error) if error.raw_os_error() == Some(UNREADABLE) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(crc.finalize()))
}

/// Whether a row group without a checksum, of an earlier writer, can be read to its end.
fn can_be_read(file: &File, metadata: &ParquetMetaData, group: usize) -> bool {
    let rows = metadata.row_group(group).num_rows();
    let read = || {
        let metadata = ArrowReaderMetadata::try_new(
            Arc::new(metadata.clone()),
            ArrowReaderOptions::default(),
        )?;
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file.try_clone()?, metadata)
                .with_row_groups(vec![group])
                .build()?;
        let mut read = 0;
        for batch in reader {
            read += batch?.num_rows();
        }
        Ok::<_, ParquetError>(read)
    };
    // damaged pages may be more than the decoder can bear
    let read = catch_unwind(AssertUnwindSafe(read));
    read.is_ok_and(|read| read.is_ok_and(|read| i64::try_from(read) == Ok(rows)))
}

/// The last complete footer of a commit that holds, with the place where it ends.
pub fn last_footer(
    file: &File,
    len: u64,
    is_complete: impl Fn(&str) -> bool,
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
                    && is_complete(key(&metadata, COMMIT_KEY).unwrap_or_default())
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
    let mut bytes = vec![0; length as usize + MAGIC.len() * 2];
    file.read_exact_at(&mut bytes, start)?;
    if !checksum::is_sealed(&bytes) {
        return Ok(None);
    }
    bytes.truncate(length as usize);
    let Ok(metadata) = ParquetMetaDataReader::decode_metadata(&bytes) else { return Ok(None) };
    let groups = metadata.row_groups();
    let rows = groups.iter().map(|group| group.num_rows()).sum::<i64>();
    let is_whole = key(&metadata, SCHEMA_KEY).is_some()
        && rows == metadata.file_metadata().num_rows()
        && !groups.is_empty()
        && groups.iter().all(|group| pages(group).1 <= start);
    Ok(is_whole.then_some(metadata))
}

/// The value of a key in a footer.
pub fn key<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    entries.iter().find(|entry| entry.key == key)?.value.as_deref()
}
