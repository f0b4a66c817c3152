//! Looks into a spool without changing it, also while a host has it open.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    journal::Journal,
    layout::{Layout, SegmentContext},
    segment,
    stretch::{Stretch, Wrong},
};

/// Contents of a spool.
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
    /// Unusable files of the position, each with its fault.
    pub positions: Vec<(PathBuf, String)>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub path: PathBuf,
    /// Whole batches in it.
    pub entries: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its damage, by offset.
    pub damage: Vec<Stretch>,
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

/// Reads all of a spool; `each` is called with every checked segment.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn inspect_each(folder: &Path, each: &mut dyn FnMut(&SegmentReport)) -> io::Result<Inspection> {
    let (position, positions) = Journal::look(folder);
    let mut inspection = Inspection { positions, ..Inspection::default() };
    let (segments, newer) = segment::list(folder)?;
    let context = SegmentContext::of_all(&segments, position.committed);
    let mut behind = None;
    for (named, context) in segments.into_iter().zip(context) {
        let context = SegmentContext { behind, ..context };
        let layout = match Layout::of_file(&named, &context) {
            // the host has just delivered all of it
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            layout => layout?,
        };
        behind = layout.tally_behind().or(behind);
        for entry in layout.entries.iter().filter(|it| !position.is_done(it.head.number)) {
            inspection.entries += 1;
            inspection.records += u64::from(entry.head.records);
            inspection.bytes += entry.payload;
            let received_at_us = entry.head.received_at_us;
            let oldest_us = inspection.oldest_us.get_or_insert(received_at_us);
            *oldest_us = received_at_us.min(*oldest_us);
        }
        let records = layout.entries.iter().map(|it| u64::from(it.head.records)).sum();
        let Layout { entries, stretches, bytes, .. } = layout;
        let entries = entries.len() as u64;
        inspection.add(
            SegmentReport { path: named.path, entries, records, bytes, damage: stretches },
            each,
        );
    }
    for path in newer {
        let bytes = std::fs::metadata(&path).map_or(0, |it| it.len());
        let damage = vec![Stretch::about(Wrong::Newer, 0, bytes)];
        inspection.add(SegmentReport { path, entries: 0, records: 0, bytes, damage }, each);
    }
    Ok(inspection)
}

impl Inspection {
    fn add(&mut self, report: SegmentReport, each: &mut dyn FnMut(&SegmentReport)) {
        self.file_bytes += report.bytes;
        each(&report);
        self.segments.push(report);
    }
}
