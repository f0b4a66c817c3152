//! A queue on disk: what a sink has not delivered yet, in order, over restarts and crashes.
//!
//! A folder of [segments](segment) that grow at the end and go once all in them is delivered, and a
//! [position] that says how far that is. Every entry has a checksum; what a crash left unfinished is
//! cut off when the spool is opened. Entries are recognised when their source sends them again,
//! which it does with all that it has not heard the delivery of. So nothing is lost when an
//! unsafe tail goes, and nothing is doubled when it did not.
//!
//! Data is given to the disk after [`SYNC_BYTES`] or [`SYNC_AFTER`], whichever comes first: a killed
//! host loses nothing, a power cut at most that much of sources that cannot send again.

mod bytes;
mod entry;
mod inspect;
mod lanes;
mod position;
mod segment;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::Batch;

use self::{
    entry::Head,
    lanes::{Lane, Lanes, Mark},
    position::{Offered, Position, PositionFiles},
    segment::Segment,
};

pub use inspect::{Inspection, SegmentReport, inspect};

/// Data that was written is given to the disk after so many bytes.
pub const SYNC_BYTES: u64 = 4 << 20;
/// Data that was written is given to the disk after that time, if anything calls.
pub const SYNC_AFTER: Duration = Duration::from_millis(200);

const LARGEST_SEGMENT: u64 = 64 << 20;
const SMALLEST_SEGMENT: u64 = 64 << 10;
/// A spool has at least so many segments when it is full, so that room comes back bit by bit.
const SEGMENTS: u64 = 16;

/// What became of a batch that was given to the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is there, under that number.
    New(u64),
    /// It was there already, and may be delivered.
    Known,
}

/// What was found when the spool was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Batches that wait.
    pub entries: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Segments that were cut, and by how many bytes.
    pub cut: Vec<(PathBuf, u64)>,
}

/// A batch that was read or handed on, and is not committed.
#[derive(Debug)]
struct Known {
    lane: Lane,
    mark: Mark,
    /// The call in which it was offered.
    group: Option<u64>,
    done: bool,
}

/// The spool of one sink. One process may have it open.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    /// Oldest first; the last one is written to, unless it is full.
    segments: VecDeque<Segment>,
    /// Segment and place of the next entry to read.
    read: (usize, u64),
    /// Number of the last entry.
    last: u64,
    /// The last number that an earlier host gave out.
    floor: u64,
    committed: u64,
    /// How far each lane has come in.
    accepted: Lanes,
    /// How far each lane is delivered.
    delivered: Lanes,
    window: BTreeMap<u64, Known>,
    earlier: Earlier,
    next_group: u64,
    files: PositionFiles,
    unsynced: u64,
    synced_at: Instant,
}

/// What an earlier host had offered to the sink and did not live to commit.
#[derive(Debug, Default)]
struct Earlier {
    /// The numbers of each group of batches that are still there, in order.
    groups: VecDeque<VecDeque<u64>>,
    /// Delivered, though not all before it were.
    done: BTreeSet<u64>,
    /// Gone with a damaged tail; they come again from their source and get their numbers back.
    gone: HashMap<(Lane, Mark), u64>,
}

impl Spool {
    /// Opens the spool in that folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder or a file of it cannot be read or written.
    pub fn open(folder: &Path, max_bytes: u64) -> io::Result<(Self, Found)> {
        std::fs::create_dir_all(folder)?;
        let (files, position) = PositionFiles::open(folder)?;
        let mut spool = Self {
            folder: folder.to_owned(),
            max_bytes,
            segments: VecDeque::new(),
            read: (0, segment::EMPTY),
            last: position.committed,
            floor: position.last,
            committed: position.committed,
            accepted: position.lanes.clone(),
            delivered: position.lanes.clone(),
            window: BTreeMap::new(),
            earlier: Earlier::default(),
            next_group: 1,
            files,
            unsynced: 0,
            synced_at: Instant::now(),
        };
        let found = spool.recover(position.offered)?;
        spool.drop_delivered();
        Ok((spool, found))
    }

    /// Checks all segments and goes on with what the host before had offered.
    fn recover(&mut self, offered: Vec<Offered>) -> io::Result<Found> {
        let mut found = Found::default();
        let mut offered: BTreeMap<_, _> =
            offered.into_iter().map(|offered| (offered.number, (offered, false))).collect();
        for path in segment::list(&self.folder)? {
            let (committed, accepted) = (self.committed, &mut self.accepted);
            let mut each = |head: Head, bytes: u64| {
                let is_done = offered.get_mut(&head.number).is_some_and(|(offered, is_there)| {
                    *is_there = true;
                    offered.done
                });
                if head.number > committed {
                    accepted.raise(&head.lane, head.mark);
                }
                if head.number > committed && !is_done {
                    found.entries += 1;
                    found.records += u64::from(head.records);
                    found.bytes += bytes;
                }
            };
            let (segment, scanned) = Segment::recover(&path, &mut each)?;
            if scanned.cut_bytes > 0 {
                found.cut.push((path, scanned.cut_bytes));
            }
            self.last = self.last.max(segment.last);
            self.segments.push_back(segment);
        }
        self.take_up(offered.into_values());
        Ok(found)
    }

    fn take_up(&mut self, offered: impl Iterator<Item = (Offered, bool)>) {
        let mut groups: BTreeMap<u64, VecDeque<u64>> = BTreeMap::new();
        for (offered, is_there) in offered {
            self.next_group = self.next_group.max(offered.group + 1);
            match (offered.done, is_there) {
                (true, true) => {
                    self.earlier.done.insert(offered.number);
                }
                (true, false) => self.accepted.raise(&offered.lane, offered.mark),
                (false, true) => {
                    groups.entry(offered.group).or_default().push_back(offered.number);
                }
                (false, false) => {
                    self.earlier.gone.insert((offered.lane, offered.mark), offered.number);
                }
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_unstable();
        self.earlier.groups = groups.into();
    }

    /// Adds a batch at the end, unless it is there already.
    ///
    /// `keep`: the caller has everything that was not read and keeps this one too, so that it need
    /// not be read.
    ///
    /// # Errors
    /// When the disk does not take it, whole or not at all.
    pub fn append(&mut self, writer: &str, batch: &Batch, keep: bool) -> io::Result<Appended> {
        let source = batch.provenance().source().to_owned();
        let lane = Lane { writer: writer.to_owned(), source, epoch: batch.provenance().epoch };
        let mark = Mark::of(batch);
        let key = (lane, mark);
        let gone = self.earlier.gone.get(&key).copied();
        let (lane, mark) = key;
        if gone.is_none() && self.accepted.has(&lane, mark) {
            return Ok(Appended::Known);
        }
        let received_at_us = u64::try_from(batch.provenance().received_at_us).unwrap_or(0);
        let number = gone
            .filter(|number| *number > self.last)
            .unwrap_or_else(|| (self.last.max(self.floor) + 1).max(received_at_us));
        let head = Head::of(number, lane, batch);
        self.make_segment(number)?;
        let Some(segment) = self.segments.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let before = segment.bytes;
        segment.append(&head, batch.payload())?;
        self.unsynced += segment.bytes - before;
        if keep {
            self.read = (self.segments.len() - 1, self.segments[self.segments.len() - 1].bytes);
            let known = Known { lane: head.lane.clone(), mark, group: None, done: false };
            self.window.insert(number, known);
        }
        self.last = number;
        self.accepted.raise(&head.lane, mark);
        if gone.is_some() {
            self.earlier.gone.remove(&(head.lane, mark));
        }
        Ok(Appended::New(number))
    }

    /// Sees to it that there is a segment to write to.
    fn make_segment(&mut self, number: u64) -> io::Result<()> {
        let largest = (self.max_bytes / SEGMENTS).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
        if self.segments.back().is_some_and(|segment| segment.bytes < largest) {
            return Ok(());
        }
        if let Some(full) = self.segments.back() {
            full.file.sync_data()?;
            self.unsynced = 0;
        }
        self.segments.push_back(Segment::create(&self.folder, number)?);
        Ok(())
    }

    /// The next batch that was not read yet, with its number as
    /// [`delivery`](Batch::delivery).
    ///
    /// # Errors
    /// When a segment cannot be read; what is damaged is passed over, and the text says so.
    pub fn read_next(&mut self) -> io::Result<Option<Batch>> {
        loop {
            let (index, at) = self.read;
            let Some(segment) = self.segments.get(index) else { return Ok(None) };
            if at >= segment.bytes {
                if index + 1 >= self.segments.len() {
                    return Ok(None);
                }
                self.read = (index + 1, segment::EMPTY);
                continue;
            }
            let Some((head, payload, next)) = segment::read_at(&segment.file, at, segment.bytes)?
            else {
                self.read.1 = segment.bytes;
                return Err(damaged(segment, at, "its checksum is wrong"));
            };
            self.read.1 = next;
            let (number, is_done) = (head.number, self.earlier.done.remove(&head.number));
            if number <= self.committed {
                continue;
            }
            let known =
                Known { lane: head.lane.clone(), mark: head.mark, group: None, done: is_done };
            self.window.insert(number, known);
            if !is_done {
                let batch = head.into_batch(payload);
                return batch.map(Some).map_err(|error| {
                    // nobody can ever take it
                    self.window.remove(&number);
                    damaged(&self.segments[index], at, &error.message)
                });
            }
        }
    }

    /// The numbers of a group that an earlier host had offered, when it begins with this one.
    pub fn group_of(&mut self, first: u64) -> Option<usize> {
        while self.earlier.groups.front()?.front().is_none_or(|number| *number < first) {
            self.earlier.groups.pop_front();
        }
        let group = self.earlier.groups.front()?;
        (group.front() == Some(&first)).then_some(group.len())
    }

    /// Notes that these batches are now offered to the sink in one call.
    ///
    /// # Errors
    /// When that cannot be written; it holds all the same, until a crash.
    pub fn offer(&mut self, numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        let group = self.next_group;
        self.next_group += 1;
        for number in numbers {
            if let Some(known) = self.window.get_mut(&number) {
                known.group = Some(group);
            }
        }
        self.write_position()
    }

    /// Notes that these batches are delivered, and gives room back.
    ///
    /// # Errors
    /// When that cannot be written; it holds all the same, until a crash.
    pub fn commit(&mut self, numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        for number in numbers {
            if let Some(known) = self.window.get_mut(&number) {
                known.done = true;
            }
        }
        while let Some(first) = self.window.first_entry().filter(|first| first.get().done) {
            self.committed = *first.key();
            let known = first.remove();
            self.delivered.raise(&known.lane, known.mark);
        }
        let written = self.write_position();
        self.drop_delivered();
        written
    }

    fn write_position(&mut self) -> io::Result<()> {
        let offered = self.window.iter().filter_map(|(number, known)| {
            let Known { lane, mark, group, done } = known;
            let offered = Offered {
                group: (*group)?,
                number: *number,
                lane: lane.clone(),
                mark: *mark,
                done: *done,
            };
            Some(offered)
        });
        let gone = self.earlier.gone.iter().map(|((lane, mark), number)| Offered {
            group: 0,
            number: *number,
            lane: lane.clone(),
            mark: *mark,
            done: false,
        });
        self.files.write(&Position {
            committed: self.committed,
            last: self.last.max(self.floor),
            lanes: self.delivered.clone(),
            offered: offered.chain(gone).collect(),
        })
    }

    /// Removes segments of which everything is delivered.
    fn drop_delivered(&mut self) {
        let count = self.segments.iter().take_while(|it| it.last <= self.committed).count();
        // the one that is written to stays until it is worth the removal
        let count = if count == self.segments.len() && !self.is_worth_dropping() {
            count.saturating_sub(1)
        } else {
            count
        };
        // a position that a power cut could take back must not point before what is gone
        if count == 0 || self.files.sync().is_err() {
            return;
        }
        for segment in self.segments.drain(..count) {
            // one that stays is passed over at the next start
            let _ = std::fs::remove_file(&segment.path);
        }
        self.read = match self.read.0.checked_sub(count) {
            Some(index) => (index, self.read.1),
            None => (0, segment::EMPTY),
        };
        if self.segments.is_empty() {
            self.read = (0, segment::EMPTY);
            self.unsynced = 0;
        }
    }

    fn is_worth_dropping(&self) -> bool {
        let largest = (self.max_bytes / SEGMENTS).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
        self.segments.back().is_some_and(|segment| segment.bytes >= largest / 4)
    }

    /// Everything up to that number is delivered.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Number of the last batch that came in.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether a batch of so many bytes fits; when nothing waits, any does.
    pub fn has_room(&self, bytes: u64) -> bool {
        let used: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        used + bytes <= self.max_bytes
    }

    /// What has to be given to the disk now, if anything; the caller does it with
    /// [`sync_data`](File::sync_data), without holding others up.
    pub fn sync_due(&mut self) -> Option<Arc<File>> {
        let is_due = self.unsynced >= SYNC_BYTES
            || (self.unsynced > 0 && self.synced_at.elapsed() >= SYNC_AFTER);
        if !is_due {
            return None;
        }
        self.unsynced = 0;
        self.synced_at = Instant::now();
        self.segments.back().map(|segment| Arc::clone(&segment.file))
    }

    /// Makes sure that everything survives a power cut.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Some(segment) = self.segments.back() {
            segment.file.sync_data()?;
        }
        self.unsynced = 0;
        self.files.sync()
    }
}

fn damaged(segment: &Segment, at: u64, why: &str) -> io::Error {
    let text = format!(
        "{}: damaged at byte {at}: {why}; the rest of this file is passed over",
        segment.path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}
