//! Looks into a spool without changing it, also while a host has it open.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    journal::Journal,
    segment::{self, Scanned, Seen},
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
    /// Bytes of the segments.
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
/// A tail that a running host is just writing shows as damage.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn inspect(folder: &Path) -> io::Result<Inspection> {
    inspect_each(folder, &mut |_| ())
}

/// Reads all of a spool; `each` hears of every segment when it was checked.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn inspect_each(folder: &Path, each: &mut dyn FnMut(&SegmentReport)) -> io::Result<Inspection> {
    let position = Journal::look(folder);
    let mut inspection = Inspection::default();
    let paths = segment::list(folder)?;
    let count = paths.len();
    for (index, (_, path)) in paths.into_iter().enumerate() {
        let file = match File::open(&path) {
            Ok(file) => file,
            // the host has just delivered all of it
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut see = |seen| {
            let Seen::Entry(head, bytes) = seen else { return };
            if !position.is_done(head.number) {
                inspection.entries += 1;
                inspection.records += u64::from(head.records);
                inspection.bytes += bytes;
                inspection.oldest_us.get_or_insert(head.received_at_us);
            }
        };
        let end = file.metadata()?.len();
        let delivered = (index + 1 == count).then_some(position.committed);
        let part = segment::EMPTY.min(end)..end;
        let scanned = segment::scan(&file, part, delivered, &mut see)?;
        inspection.file_bytes += scanned.bytes;
        let report = SegmentReport { path, scanned };
        each(&report);
        inspection.segments.push(report);
    }
    Ok(inspection)
}
