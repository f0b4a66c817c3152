//! A queue on disk: what a sink has not delivered yet, in order, over restarts and crashes.
//!
//! A folder of [segments](segment) that grow at the end and go once all in them is delivered, and a
//! [journal] of what was offered to the sink and delivered. Every entry has a checksum; what a crash
//! left unfinished is cut off when the spool is opened. Entries are recognised when their source
//! sends them again, which it does with all that it has not heard the delivery of. So nothing is
//! lost when an unsafe tail goes, and nothing is doubled when it did not.
//!
//! Damage costs the entries that it has touched: behind it the next whole one is
//! [looked for](search). What is damaged is [kept aside](aside), and its file stays as it is until
//! all else in it is delivered.
//!
//! Data is given to the disk after [`SYNC_BYTES`] or [`SYNC_AFTER`], whichever comes first: a killed
//! host loses nothing, a power cut at most that much of sources that cannot send again.

mod aside;
mod bytes;
mod coder;
mod deliver;
mod entry;
mod gaps;
mod inspect;
mod journal;
mod lanes;
mod layout;
mod losses;
mod lossy;
mod mend;
pub mod own_file;
mod position;
mod read;
mod recover;
mod search;
mod segment;
mod stretch;
mod survey;
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
    lanes::{Lane, Lanes, Mark},
    mend::Mend,
    position::Position,
    segment::Segment,
};

pub use self::{
    aside::{Finding, Unacknowledged, acknowledge, unacknowledged},
    inspect::{Inspection, SegmentReport, inspect, inspect_each},
    stretch::{Stretch, Wrong},
    write::{Appended, SYNC_AFTER, SYNC_BYTES},
};

const LARGEST_SEGMENT: u64 = 64 << 20;
const SMALLEST_SEGMENT: u64 = 64 << 10;
/// A spool has at least so many segments when it is full, so that room comes back bit by bit.
const SEGMENTS: u64 = 16;
/// How long batches that were offered and are gone are awaited from sources that send nothing.
const MEND_WAIT: Duration = Duration::from_secs(3);

/// What was found when the spool was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Batches that wait.
    pub entries: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// What a killed host had not come to the end of and is cut off: file, and bytes.
    pub unfinished: Option<(PathBuf, u64)>,
    /// What was found wrong and was not told by an earlier host.
    pub damage: Vec<Finding>,
    /// Batches that had been offered to the sink, went with the damage, and are awaited from their
    /// sources for some seconds.
    pub awaited: u64,
    /// Batches that had been offered to the sink, are not there, and have no place to come back to.
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
    /// Segment, and place in it, of the next entry to read.
    read: (usize, u64),
    /// Number of the last entry that was read, or need not be.
    read_number: u64,
    /// Number of the last entry, or the last one that a sink has seen.
    last: u64,
    /// How far each lane has come in.
    accepted: Lanes,
    /// Of the gaps in the lanes, what has not come in again.
    missing: Gaps,
    position: Position,
    journal: Journal,
    /// Read or kept, and not offered yet.
    taken: BTreeMap<u64, (Lane, Mark)>,
    /// Batches that an earlier host had offered together, by their numbers, in order.
    earlier_groups: VecDeque<VecDeque<u64>>,
    next_group: u64,
    /// What is done among what was not read yet.
    unread_done: usize,
    mend: Option<Mend>,
    /// What has come in.
    tally: Tally,
    /// What was found wrong since somebody asked.
    findings: Vec<Finding>,
    /// Of the damage, what no file says.
    unkept: Unacknowledged,
    unsynced: u64,
    synced_at: Instant,
}

impl Spool {
    /// Opens the spool in that folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder or a file of it cannot be read or written.
    pub fn open(folder: &Path, max_bytes: u64) -> io::Result<(Self, Found)> {
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
            accepted: position.lanes.clone(),
            missing: position.gaps.clone(),
            position,
            journal,
            taken: BTreeMap::new(),
            earlier_groups: VecDeque::new(),
            next_group: 1,
            unread_done: 0,
            mend: None,
            tally: Tally::START,
            findings: Vec::new(),
            unkept: Unacknowledged::default(),
            unsynced: 0,
            synced_at: Instant::now(),
        };
        findings.into_iter().for_each(|finding| spool.add_finding(finding));
        let mut found = spool.recover()?;
        found.damage = spool.take_findings();
        // a full disk does not stop the start: every delivery tries again
        let _ = spool.journal.write_whole(&spool.position);
        spool.drop_delivered();
        segment::sync_folder(folder);
        Ok((spool, found))
    }

    /// Sets the bound of all segments together.
    pub fn set_max_bytes(&mut self, max_bytes: u64) {
        self.max_bytes = max_bytes;
    }

    /// What was found wrong since the last call.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// What was found wrong, by this host or earlier ones, and is not acknowledged.
    pub fn unacknowledged(&self) -> Unacknowledged {
        let mut sum = aside::unacknowledged(&self.folder);
        sum.places += self.unkept.places;
        sum.records = sum.records.saturating_add(self.unkept.records);
        sum.is_about |= self.unkept.is_about;
        sum
    }

    /// Notes that somebody knows of all damage; gives how much that was.
    ///
    /// # Errors
    /// When the folder cannot be read or a file of it not be renamed.
    pub fn acknowledge(&mut self) -> io::Result<Unacknowledged> {
        let before = self.unacknowledged();
        aside::acknowledge(&self.folder)?;
        self.unkept = Unacknowledged::default();
        Ok(before)
    }

    /// Keeps a stretch aside, unless that was done before.
    fn note_wrong(&mut self, file: &Path, stretch: &Stretch, note: &str) {
        if let Some(finding) = aside::keep(&self.folder, file, stretch, note) {
            self.add_finding(finding);
        }
    }

    fn add_finding(&mut self, finding: Finding) {
        let Finding { kept, stretch, .. } = &finding;
        let is_marked = match kept {
            Ok(_) => true,
            Err(_) => aside::is_told(&self.folder, &finding.file, stretch),
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

    /// Whether a batch of that writer fits; when nothing waits, any does.
    ///
    /// What is there already, or is awaited, needs no room: it must not be held up by what it is
    /// awaited for.
    pub fn has_room(&self, writer: &str, batch: &Batch) -> bool {
        if self.used + batch.payload().len() as u64 <= self.max_bytes || self.is_idle() {
            return true;
        }
        let (lane, mark) = (Lane::of(writer, batch), Mark::of(batch));
        self.is_known(&lane, mark) || self.mend.as_ref().is_some_and(|it| it.awaits(&lane, mark))
    }

    /// Whether a batch is there, or was.
    fn is_known(&self, lane: &Lane, mark: Mark) -> bool {
        if self.missing.are_around(lane, mark) {
            self.missing.have_again(lane, mark)
        } else {
            self.accepted.has(lane, mark)
        }
    }

    /// Notes that a batch is there.
    fn note_known(&mut self, lane: &Lane, mark: Mark) {
        if self.missing.are_around(lane, mark) {
            self.missing.fill(lane, mark);
        } else {
            self.accepted.raise(lane, mark);
        }
    }

    /// Whether everything that came in is delivered.
    fn is_idle(&self) -> bool {
        self.mend.is_none()
            && self.is_read_up()
            && self.taken.is_empty()
            && self.position.offered.values().all(|offered| offered.done)
    }
}

#[cfg(test)]
mod tests;
