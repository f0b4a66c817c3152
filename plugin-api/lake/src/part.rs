//! One partition of the lake: the file that grows, and the rows that wait for it.

use std::{path::Path, sync::Arc};

use parquet::errors::ParquetError;
use plugin_api::{Record, RecordKind};

use crate::{
    disk::Disk,
    fault::Fault,
    file::LakeFile,
    group::{OpenGroup, RowGroup},
    options::Settings,
    schema::{Layout, Sequences},
};

/// What a new file is named after.
pub struct Naming<'a> {
    pub lake: &'a Path,
    pub writer: &'a str,
    pub now_us: i64,
}

/// The rows of one folder that go into one file.
pub struct Part {
    folder: String,
    layout: Arc<Layout>,
    open: OpenGroup,
    /// Full row groups that are not in the file yet.
    ready: Vec<RowGroup>,
    file: Option<LakeFile>,
    /// Rows in the file, ready or open.
    rows: u64,
    sequences: Sequences,
    opened_at_us: i64,
}

impl Part {
    pub fn new(folder: String, layout: Arc<Layout>, now_us: i64) -> Self {
        Self {
            folder,
            open: OpenGroup::new(&layout),
            layout,
            ready: Vec::new(),
            file: None,
            rows: 0,
            sequences: Sequences::default(),
            opened_at_us: now_us,
        }
    }

    /// What the records are.
    pub fn kind(&self) -> RecordKind {
        self.layout.kind
    }

    /// Row groups in the file.
    pub fn row_groups(&self) -> usize {
        self.file.as_ref().map_or(0, LakeFile::row_groups)
    }

    /// The folder, relative to the lake.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Takes a record in, of the batch with that number of that source; some records carry a
    /// number of their own.
    #[inline]
    pub fn push(
        &mut self,
        record: &impl Record,
        batch: (&str, u64),
        settings: &Settings,
    ) -> Result<(), ParquetError> {
        self.open.push(&self.layout, record)?;
        let (source, sequence) = record.origin().unwrap_or(batch);
        self.sequences.note(source, sequence);
        self.rows += 1;
        if self.open.len() as u64 >= settings.row_group_records {
            self.close_group()?;
        }
        Ok(())
    }

    /// Whether no further row belongs into the file.
    #[inline]
    pub fn is_full(&self, settings: &Settings) -> bool {
        self.rows >= settings.roll_records
    }

    /// Whether the file should be finished for its age or size.
    pub fn is_due(&self, settings: &Settings, now_us: i64) -> bool {
        let age_us = now_us.saturating_sub(self.opened_at_us);
        age_us >= settings.roll_interval_us
            || self.file.as_ref().is_some_and(|file| file.safe().len >= settings.roll_bytes)
            || self.is_full(settings)
    }

    /// Encodes the open rows.
    pub fn close_group(&mut self) -> Result<(), ParquetError> {
        let group = self.open.close(&self.layout)?;
        self.ready.extend(group);
        Ok(())
    }

    /// Whether rows wait for the file.
    pub fn is_waiting(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Makes the file that the rows need; `Some` with what was lost when it was removed meanwhile.
    pub fn prepare(
        &mut self,
        disk: &dyn Disk,
        naming: &Naming<'_>,
    ) -> Result<Option<String>, Fault> {
        let mut lost = None;
        if let Some(file) = self.file.take_if(|file| !file.path().exists()) {
            let (path, rows) = (file.path(), file.safe().rows);
            self.rows -= u64::try_from(rows).unwrap_or(0);
            lost =
                Some(format!("{} was removed by somebody, with its {rows} rows", path.display()));
        }
        if self.file.is_none() {
            let Naming { lake, writer, now_us } = *naming;
            let prefix = self.layout.kind.as_str();
            self.file = Some(LakeFile::create(disk, lake, &self.folder, prefix, writer, now_us)?);
        }
        Ok(lost)
    }

    /// The file, once it was needed.
    pub fn file(&mut self) -> Option<&mut LakeFile> {
        self.file.as_mut()
    }

    /// Appends what waits to the file, by the commit of that tag, and keeps it until [`forget`](Self::forget).
    pub fn append(&mut self, disk: &dyn Disk, commit: &str) -> Result<(), Fault> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let (layout, sequences) = (&self.layout, &self.sequences);
        file.append(disk, &self.ready, commit, |rows| layout.file_metadata(rows, sequences, commit))
    }

    /// Drops the row groups that waited: they are committed.
    pub fn forget(&mut self) {
        self.ready.clear();
    }
}
