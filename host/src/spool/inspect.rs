//! Looks into a spool without changing it, also while a host has it open.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    position::PositionFiles,
    segment::{self, Scanned},
};

/// What lies in a spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Every segment, oldest first.
    pub segments: Vec<SegmentReport>,
    /// Batches that wait for their sink.
    pub entries: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Bytes of the files.
    pub file_bytes: u64,
    /// When the oldest batch that waits came in, microseconds since 1970 UTC.
    pub oldest_us: Option<i64>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub scanned: Scanned,
}

/// Reads all of a spool and checks every entry.
///
/// A tail that a running host is just writing shows as cut.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn inspect(folder: &Path) -> io::Result<Inspection> {
    let position = PositionFiles::look(folder);
    let mut inspection = Inspection::default();
    for path in segment::list(folder)? {
        let file = match File::open(&path) {
            Ok(file) => file,
            // the host has just delivered all of it
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let scanned = segment::scan(&file, &mut |head, bytes| {
            let is_done = position.offered.iter().any(|it| it.done && it.number == head.number);
            if head.number > position.committed && !is_done {
                inspection.entries += 1;
                inspection.records += u64::from(head.records);
                inspection.bytes += bytes;
                inspection.oldest_us.get_or_insert(head.received_at_us);
            }
        })?;
        inspection.file_bytes += scanned.sound_bytes + scanned.cut_bytes;
        inspection.segments.push(SegmentReport { path, scanned });
    }
    Ok(inspection)
}
