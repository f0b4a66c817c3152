//! A queue on disk: what a sink has not delivered yet, in order, over restarts and crashes.
//!
//! A folder of append-only [segments](segment), each removed once all of it is delivered, and a
//! [journal] of what was offered to the sink and delivered. Every entry has a checksum; an
//! incomplete tail is truncated when the spool is opened. A source resends everything that was not
//! confirmed, and duplicates are recognised. So nothing is lost with an unsynced tail, and nothing
//! is doubled when it survived.
//!
//! Damage loses only the entries that it touched: after it the next intact one is
//! [searched](search). Damaged bytes are [quarantined](quarantine), and their file is left
//! unchanged until the rest of it is delivered.
//!
//! Data is synced after [`SYNC_BYTES`] or [`SYNC_AFTER`], whichever comes first: a killed host
//! loses nothing, a power cut at most that much of sources that cannot resend.

mod bytes;
mod coder;
mod deliver;
mod entry;
mod gaps;
mod inspect;
mod journal;
mod layout;
mod losses;
mod lossy;
pub mod own_file;
mod position;
mod quarantine;
mod read;
mod recover;
mod repair;
mod scan;
mod search;
mod segment;
mod streams;
mod stretch;
mod write;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use plugin_api::Batch;

use self::{
    entry::Tally,
    gaps::Gaps,
    journal::Journal,
    position::Position,
    repair::Repair,
    segment::Segment,
    streams::{ProducerStream, SeqNo, StreamTable},
};

pub use self::{
    inspect::{Inspection, SegmentReport, inspect, inspect_each},
    quarantine::{Finding, Unacknowledged, acknowledge, unacknowledged},
    stretch::{Stretch, Wrong},
    write::{Appended, SYNC_AFTER, SYNC_BYTES},
};

const MAX_SEGMENT: u64 = 64 << 20;
const MIN_SEGMENT: u64 = 64 << 10;
/// A full spool has at least so many segments, so that room is freed in steps.
const SEGMENTS: u64 = 16;
/// How long lost batches are expected from sources that send nothing.
const RESEND_WAIT: Duration = Duration::from_secs(3);

/// What was found when a spool was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Batches that wait.
    pub entries: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// The incomplete tail that was truncated: file, and bytes.
    pub unfinished: Option<(PathBuf, u64)>,
    /// Damage that was not reported by an earlier host.
    pub damage: Vec<Finding>,
    /// Lost batches that had been offered to the sink, and are expected from their sources for some
    /// seconds.
    pub awaited: u64,
    /// Lost batches that had been offered to the sink and cannot be restored to their position.
    pub given_up: u64,
}

/// The spool of one sink. One process may have it open.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    /// Oldest first; the last one is written to, unless it is full.
    segments: VecDeque<Segment>,
    /// Bytes of all segments.
    used: u64,
    /// Segment and cursor of the next entry to read.
    read: (usize, u64),
    /// Number of the last entry that was read or skipped.
    read_number: u64,
    /// Number of the last entry, or the last one that a sink has seen.
    last: u64,
    /// Last appended number of each stream.
    accepted: StreamTable,
    /// Gaps in the streams, less what was resent.
    missing: Gaps,
    position: Position,
    journal: Journal,
    /// Read or kept, and not offered yet.
    taken: BTreeMap<u64, (ProducerStream, SeqNo)>,
    /// Batches that an earlier host had offered together, by their numbers, in order.
    earlier_groups: VecDeque<VecDeque<u64>>,
    next_group: u64,
    /// Delivered batches among the unread ones.
    unread_done: usize,
    repair: Option<Repair>,
    /// Count of what was appended.
    tally: Tally,
    /// Damage found since the last call of [`take_findings`](Self::take_findings).
    findings: Vec<Finding>,
    /// Damage that no quarantine file reports.
    unkept: Unacknowledged,
    unsynced: u64,
    synced_at: Instant,
}

impl Spool {
    /// Opens the spool in that folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder or a file of it cannot be read or written.
    pub fn open(folder: &Path, max_bytes: u64) -> io::Result<(Self, RecoveryReport)> {
        std::fs::create_dir_all(folder)?;
        let (journal, position, findings) = Journal::open(folder)?;
        let mut spool = Self {
            folder: folder.to_owned(),
            max_bytes,
            segments: VecDeque::new(),
            used: 0,
            read: (0, 0),
            read_number: position.committed,
            last: position.committed.max(position.floor),
            accepted: position.streams.clone(),
            missing: position.gaps.clone(),
            position,
            journal,
            taken: BTreeMap::new(),
            earlier_groups: VecDeque::new(),
            next_group: 1,
            unread_done: 0,
            repair: None,
            tally: Tally::START,
            findings: Vec::new(),
            unkept: Unacknowledged::default(),
            unsynced: 0,
            synced_at: Instant::now(),
        };
        findings.into_iter().for_each(|finding| spool.add_finding(finding));
        let mut found = spool.recover()?;
        found.damage = spool.take_findings();
        // a full disk does not stop the start: every commit retries
        let _ = spool.journal.write_whole(&spool.position);
        spool.drop_delivered();
        segment::sync_folder(folder);
        Ok((spool, found))
    }

    /// Sets the bound of all segments together.
    pub fn set_max_bytes(&mut self, max_bytes: u64) {
        self.max_bytes = max_bytes;
    }

    /// Damage found since the last call.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Damage found by this host or earlier ones that is not acknowledged.
    pub fn unacknowledged(&self) -> Unacknowledged {
        let mut sum = quarantine::unacknowledged(&self.folder);
        sum.places += self.unkept.places;
        sum.records = sum.records.saturating_add(self.unkept.records);
        sum.is_about |= self.unkept.is_about;
        sum
    }

    /// Acknowledges all damage; returns how much that was.
    ///
    /// # Errors
    /// When the folder cannot be read or a file of it not be renamed.
    pub fn acknowledge(&mut self) -> io::Result<Unacknowledged> {
        let before = self.unacknowledged();
        quarantine::acknowledge(&self.folder)?;
        self.unkept = Unacknowledged::default();
        Ok(before)
    }

    /// Quarantines a stretch, unless that was done before.
    fn note_wrong(&mut self, file: &Path, stretch: &Stretch, note: &str) {
        if let Some(finding) = quarantine::keep(&self.folder, file, stretch, note) {
            self.add_finding(finding);
        }
    }

    fn add_finding(&mut self, finding: Finding) {
        let Finding { kept, stretch, .. } = &finding;
        let is_marked = match kept {
            Ok(_) => true,
            Err(_) => quarantine::is_reported(&self.folder, &finding.file, stretch),
        };
        if !is_marked {
            self.unkept.add(stretch.records, !stretch.is_exact);
        }
        self.findings.push(finding);
    }

    /// Everything up to that number is delivered.
    pub fn committed(&self) -> u64 {
        self.position.committed
    }

    /// Number of the last batch that came in.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether a batch of that writer fits; in an empty spool any does.
    ///
    /// Duplicates and expected batches need no room: blocking them would block the repair.
    pub fn has_room(&self, writer: &str, batch: &Batch) -> bool {
        if self.used + batch.payload().len() as u64 <= self.max_bytes || self.is_idle() {
            return true;
        }
        let (stream, seq) = (ProducerStream::of(writer, batch), SeqNo::of(batch));
        self.is_known(&stream, seq)
            || self.repair.as_ref().is_some_and(|it| it.expects(&stream, seq))
    }

    /// Whether a batch is a duplicate.
    fn is_known(&self, stream: &ProducerStream, seq: SeqNo) -> bool {
        if self.missing.covers(stream, seq) {
            self.missing.is_refilled(stream, seq)
        } else {
            self.accepted.has_seen(stream, seq)
        }
    }

    /// Notes that a batch is in the spool.
    fn note_known(&mut self, stream: &ProducerStream, seq: SeqNo) {
        if self.missing.covers(stream, seq) {
            self.missing.fill(stream, seq);
        } else {
            self.accepted.advance(stream, seq);
        }
    }

    /// Whether everything that came in is delivered.
    fn is_idle(&self) -> bool {
        self.repair.is_none()
            && self.is_fully_read()
            && self.taken.is_empty()
            && self.position.offered.values().all(|offered| offered.done)
    }
}

#[cfg(test)]
mod tests;
