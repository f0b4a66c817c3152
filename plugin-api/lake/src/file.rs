//! A file of the lake while it grows.
//!
//! ```text
//! PAR1 │ commit │ row groups │ footer │ commit │ row groups │ footer for all of them │ …
//! ```
//!
//! Every append begins with the name of its commit and ends with a complete footer, so the file is
//! valid Parquet after each, and nothing that was safe is ever overwritten. Its name is hidden until it is finished; then the footers
//! in between are dropped, if they take much room, and it gets its name for readers.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
};

use crate::{
    checksum,
    disk::{Disk, make_folder, sync_folder},
    fault::Fault,
    fnv::fnv1a,
    group::{MAGIC, RowGroup, moved},
    names::{self, COPY, DAMAGED, UNFINISHED},
};

/// Old footers are dropped when they take more than this share of the file.
const LARGEST_OLD_SHARE: u64 = 16;
const COPY_BUFFER: usize = 1 << 20;
const BEGIN: &str = "dataserver commit ";
/// Bytes that an append begins with, without the end of the line.
pub const BEGIN_LENGTH: usize = 95;

/// An unfinished file and what stands safely in it.
#[derive(Debug)]
pub struct LakeFile {
    folder: PathBuf,
    /// Name without the dot before and the endings behind.
    stem: String,
    safe: Safe,
    groups: Vec<RowGroupMetaData>,
    /// The checksum of each row group; none in a file of an earlier writer.
    sums: Vec<u32>,
    described: Option<FileMetaData>,
    /// Its name for readers, once it has it.
    finished: Option<PathBuf>,
}

/// How far a file is safe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Safe {
    /// End of the last complete footer.
    pub len: u64,
    /// Bytes of all row groups.
    page_bytes: u64,
    groups: usize,
    /// Number of rows.
    pub rows: i64,
}

impl LakeFile {
    /// Makes an empty file, by its name behind all others of its kind in that folder.
    pub fn create(
        disk: &dyn Disk,
        lake: &Path,
        folder: &str,
        kind: &str,
        writer: &str,
        now_us: i64,
    ) -> Result<Self, Fault> {
        let folder = lake.join(folder);
        make_folder(disk, &folder)?;
        let stem = names::next_stem(&folder, kind, writer, now_us)?;
        let file = Self {
            folder,
            stem,
            safe: Safe::default(),
            groups: Vec::new(),
            sums: Vec::new(),
            described: None,
            finished: None,
        };
        let path = file.path();
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(Fault::disk("make", &path))?;
        sync_folder(disk, &file.folder)?;
        Ok(file)
    }

    /// An unfinished file that was found, cut to a complete footer.
    pub fn found(path: &Path, len: u64, metadata: &ParquetMetaData) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let stem = name.strip_prefix('.')?.strip_suffix(UNFINISHED)?;
        let groups = metadata.row_groups().to_vec();
        let safe = Safe {
            len,
            page_bytes: groups
                .iter()
                .map(|group| {
                    let (start, end) = pages(group);
                    end - start
                })
                .sum(),
            groups: groups.len(),
            rows: metadata.file_metadata().num_rows(),
        };
        let described = metadata.file_metadata().clone();
        let sums = checksum::sums_in(&described, groups.len()).unwrap_or_default();
        let described = Some(described);
        let (folder, stem) = (path.parent()?.to_owned(), stem.to_owned());
        Some(Self { folder, stem, safe, groups, sums, described, finished: None })
    }

    /// Where the file is while it grows.
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!(".{}{UNFINISHED}", self.stem))
    }

    /// How far it is safe.
    pub fn safe(&self) -> Safe {
        self.safe
    }

    /// Number of row groups in it.
    pub fn row_groups(&self) -> usize {
        self.groups.len()
    }

    /// Appends row groups and a footer; returns when they are safe.
    ///
    /// After an error the file stands as before, or does so after the next append or recovery.
    pub fn append(
        &mut self,
        disk: &dyn Disk,
        groups: &[RowGroup],
        commit: &str,
        describe: impl FnOnce(i64) -> FileMetaData,
    ) -> Result<(), Fault> {
        let before = self.safe;
        let result = self.try_append(disk, groups, commit, describe);
        if result.is_err() {
            self.cut_back(disk, before);
        }
        result
    }

    fn try_append(
        &mut self,
        disk: &dyn Disk,
        groups: &[RowGroup],
        commit: &str,
        describe: impl FnOnce(i64) -> FileMetaData,
    ) -> Result<(), Fault> {
        let path = self.path();
        let file =
            OpenOptions::new().write(true).open(&path).map_err(Fault::disk("open", &path))?;
        file.set_len(self.safe.len).map_err(Fault::disk("cut", &path))?;
        let write =
            |bytes: &[u8], at| disk.write_at(&file, bytes, at).map_err(Fault::disk("write", &path));
        let mut safe = self.safe;
        if safe.len == 0 {
            write(MAGIC, 0)?;
            safe.len = MAGIC.len() as u64;
        }
        let begin = begin_of(commit);
        write(begin.as_bytes(), safe.len)?;
        safe.len += begin.len() as u64;
        for group in groups {
            let placed = group.placed(self.groups.len(), safe.len)?;
            write(group.pages(), safe.len)?;
            safe.len += group.pages().len() as u64;
            safe.page_bytes += group.pages().len() as u64;
            safe.rows += placed.num_rows();
            safe.groups += 1;
            self.groups.push(placed);
            self.sums.push(crc32fast::hash(group.pages()));
        }
        // a footer never reaches the disk before the pages it speaks of
        disk.sync(&file).map_err(Fault::disk("write", &path))?;
        let described = describe(safe.rows);
        let footer = footer(&described, &self.groups, &self.sums)?;
        write(&footer, safe.len)?;
        disk.sync(&file).map_err(Fault::disk("write", &path))?;
        safe.len += footer.len() as u64;
        self.safe = safe;
        self.described = Some(described);
        Ok(())
    }

    /// Takes back what was appended since.
    pub fn cut_back(&mut self, disk: &dyn Disk, to: Safe) {
        self.groups.truncate(to.groups);
        self.sums.truncate(to.groups);
        self.safe = to;
        // best effort, to free the room: what stays is cut by the next append or by recovery
        if let Ok(file) = OpenOptions::new().write(true).open(self.path())
            && file.set_len(to.len).is_ok()
        {
            let _ = disk.sync(&file);
        }
    }

    /// Keeps all of the file under another name that readers pass over, and leaves here nothing but
    /// these of its row groups; gives that name.
    pub fn set_aside(&mut self, disk: &dyn Disk, sound: &[usize]) -> Result<PathBuf, Fault> {
        let path = self.path();
        let kept = keep(&path)?;
        let is_sound = |index: usize| sound.contains(&index);
        let (mut group, mut sum) = (0.., 0..);
        self.groups.retain(|_| group.next().is_some_and(is_sound));
        self.sums.retain(|_| sum.next().is_some_and(is_sound));
        let rows = self.groups.iter().map(RowGroupMetaData::num_rows).sum();
        let described = self.described.as_ref().map(|it| checksum::with_rows(it, rows));
        self.described = described;
        (self.safe.rows, self.safe.groups) = (rows, self.groups.len());
        if self.groups.is_empty() {
            fs::remove_file(&path).map_err(Fault::disk("remove", &path))?;
        } else {
            self.drop_old_footers(disk)?;
        }
        sync_folder(disk, &self.folder)?;
        Ok(kept)
    }

    /// Gives the file its name for readers; returns that name. May be repeated after an error.
    pub fn finish(&mut self, disk: &dyn Disk) -> Result<PathBuf, Fault> {
        let finished = match self.finished.take() {
            Some(finished) => finished,
            None => self.take_name(disk)?,
        };
        self.finished = Some(finished.clone());
        sync_folder(disk, &self.folder)?;
        Ok(finished)
    }

    fn take_name(&mut self, disk: &dyn Disk) -> Result<PathBuf, Fault> {
        let old_bytes = self.safe.len - self.safe.page_bytes;
        if self.groups.len() > 1 && old_bytes > self.safe.len / LARGEST_OLD_SHARE {
            // without room for a copy the file keeps its old footers, which no reader minds
            let _ = self.drop_old_footers(disk);
        }
        // a file of another origin is not replaced; `~` sorts behind `.`
        let name = |number: u32| match number {
            0 => format!("{}.parquet", self.stem),
            _ => format!("{}~{number}.parquet", self.stem),
        };
        let mut names = (0..).map(|number| self.folder.join(name(number)));
        let finished = names.find(|name| !name.exists()).unwrap_or_default();
        let unfinished = self.path();
        fs::rename(&unfinished, &finished).map_err(Fault::disk("rename", &unfinished))?;
        Ok(finished)
    }

    /// Replaces the file by a copy with the last footer alone, at one stroke.
    fn drop_old_footers(&mut self, disk: &dyn Disk) -> Result<(), Fault> {
        let copy = self.folder.join(format!(".{}{COPY}", self.stem));
        let result = self.write_copy(disk, &copy);
        if result.is_err() {
            let _ = fs::remove_file(&copy);
        }
        let (groups, len) = result?;
        self.groups = groups;
        self.safe.len = len;
        Ok(())
    }

    fn write_copy(
        &self,
        disk: &dyn Disk,
        copy: &Path,
    ) -> Result<(Vec<RowGroupMetaData>, u64), Fault> {
        let path = self.path();
        let from = File::open(&path).map_err(Fault::disk("open", &path))?;
        let to = File::create(copy).map_err(Fault::disk("make", copy))?;
        let write =
            |bytes: &[u8], at| disk.write_at(&to, bytes, at).map_err(Fault::disk("write", copy));
        write(MAGIC, 0)?;
        let mut at = MAGIC.len() as u64;
        let mut groups = Vec::with_capacity(self.groups.len());
        let mut buffer = vec![0; COPY_BUFFER];
        for (ordinal, group) in self.groups.iter().enumerate() {
            let (mut start, end) = pages(group);
            groups.push(moved(group, ordinal, start, at)?);
            while start < end {
                let part = COPY_BUFFER.min(usize::try_from(end - start).unwrap_or(COPY_BUFFER));
                from.read_exact_at(&mut buffer[..part], start)
                    .map_err(Fault::disk("read", &path))?;
                write(&buffer[..part], at)?;
                start += part as u64;
                at += part as u64;
            }
        }
        if let Some(described) = &self.described {
            let footer = footer(described, &groups, &self.sums)?;
            write(&footer, at)?;
            at += footer.len() as u64;
        }
        disk.sync(&to).map_err(Fault::disk("write", copy))?;
        fs::rename(copy, &path).map_err(Fault::disk("rename", copy))?;
        Ok((groups, at))
    }
}

/// Gives an unfinished file a second name, under which it is kept.
pub fn keep(path: &Path) -> Result<PathBuf, Fault> {
    let kept = damaged_name(path);
    if fs::hard_link(path, &kept).is_err() {
        // not every file system has links
        let copied = fs::copy(path, &kept);
        copied.map_err(Fault::disk("copy", path))?;
    }
    Ok(kept)
}

/// A name that is free for what is damaged of an unfinished file.
pub fn damaged_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(UNFINISHED).unwrap_or(&name);
    let name = |number: u32| match number {
        0 => format!("{stem}{DAMAGED}"),
        _ => format!("{stem}~{number}{DAMAGED}"),
    };
    let mut names = (0..).map(|number| path.with_file_name(name(number)));
    names.find(|name| !name.exists()).unwrap_or_default()
}

/// Start and end of a row group's pages.
pub fn pages(group: &RowGroupMetaData) -> (u64, u64) {
    let ranges = group.columns().iter().map(|column| {
        let start =
            column.dictionary_page_offset().unwrap_or(i64::MAX).min(column.data_page_offset());
        (start, start.saturating_add(column.compressed_size()))
    });
    let (start, end) =
        ranges.fold((i64::MAX, 0), |(start, end), (from, to)| (start.min(from), end.max(to)));
    let start = u64::try_from(start).unwrap_or(0);
    (start, u64::try_from(end).unwrap_or(0).max(start))
}

fn footer(
    described: &FileMetaData,
    groups: &[RowGroupMetaData],
    sums: &[u32],
) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let described = if sums.len() == groups.len() {
        checksum::with_sums(described, sums)
    } else {
        described.clone()
    };
    let metadata = ParquetMetaData::new(described, groups.to_vec());
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish()?;
    checksum::seal_footer(&mut bytes);
    Ok(bytes)
}

/// What an append of that commit begins with.
fn begin_of(commit: &str) -> String {
    let text = format!("{BEGIN}{commit}");
    let line = format!("{text} sum {:016x}", fnv1a(&text));
    format!("{line:BEGIN_LENGTH$}\n")
}

/// The commit that bytes say they are of, if they are what an append begins with.
pub fn commit_in(bytes: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(bytes.get(..BEGIN_LENGTH + 1)?).ok()?.strip_suffix('\n')?;
    let (text, found) = line.trim_end().rsplit_once(" sum ")?;
    (found == format!("{:016x}", fnv1a(text))).then(|| text.strip_prefix(BEGIN))?
}
