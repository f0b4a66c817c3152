//! Appends batches.

use std::{fs::File, io, sync::Arc, time::Duration, time::Instant};

use plugin_api::Batch;

use super::{
    MAX_SEGMENT, MIN_SEGMENT, SEGMENTS, Spool,
    entry::Head,
    repair::Repair,
    segment::Segment,
    streams::{ProducerStream, SeqNo},
};

/// Bytes after which written data is synced.
pub const SYNC_BYTES: u64 = 4 << 20;
/// Time after which written data is synced by the next call.
pub const SYNC_AFTER: Duration = Duration::from_millis(200);

/// Result of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// Appended under that number; the caller keeps it in memory if it asked to.
    New(u64),
    /// Appended under that number, and returned by a later read, even if it was to be kept.
    ///
    /// The number is below the last one when the batch fills a gap left by damage.
    Deferred(u64),
    /// It is in the spool already, or was delivered.
    Duplicate,
}

impl Spool {
    /// Appends a batch, unless it is a duplicate.
    ///
    /// `keep`: the caller has everything unread in memory and keeps this one too, so that it is not
    /// read again.
    ///
    /// # Errors
    /// When the disk fails; nothing is appended then.
    pub fn append(&mut self, writer: &str, batch: &Batch, keep: bool) -> io::Result<Appended> {
        match self.try_append(writer, batch, keep) {
            // on a full disk, dropping delivered entries makes room
            Err(_) if self.drop_written() => self.try_append(writer, batch, keep),
            done => done,
        }
    }

    fn try_append(&mut self, writer: &str, batch: &Batch, keep: bool) -> io::Result<Appended> {
        let (stream, seq) = (ProducerStream::of(writer, batch), SeqNo::of(batch));
        if let Some(number) =
            self.repair.as_mut().and_then(|it| it.accept_resend(&stream, seq, batch))
        {
            self.note_known(&stream, seq);
            return Ok(Appended::Deferred(number));
        }
        if self.is_known(&stream, seq) {
            self.skip_to(&stream, seq);
            return Ok(Appended::Duplicate);
        }
        let received_at_us = u64::try_from(batch.provenance().received_at_us).unwrap_or(0);
        let number = (self.last + 1).max(received_at_us);
        self.make_segment(number)?;
        let is_kept = keep && self.repair.is_none() && self.is_fully_read();
        let head = Head { tally: Some(self.tally), ..Head::of(number, stream, batch) };
        let Some(segment) = self.segments.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let bytes = segment.append(&head, batch.payload())?;
        let end = segment.bytes;
        self.used += bytes;
        self.unsynced += bytes;
        self.last = number;
        self.tally = self.tally.and(1, u64::from(head.records));
        self.note_known(&head.stream, seq);
        self.skip_to(&head.stream, seq);
        if is_kept {
            let last = self.segments.len() - 1;
            if let Some(left) = self.segments.get_mut(self.read.0).filter(|_| self.read.0 < last) {
                left.close();
            }
            self.read = (last, end);
            self.read_number = number;
            self.taken.insert(number, (head.stream, seq));
        }
        Ok(if keep && !is_kept { Appended::Deferred(number) } else { Appended::New(number) })
    }

    /// The stream is at that number: nothing before it will be resent.
    fn skip_to(&mut self, stream: &ProducerStream, seq: SeqNo) {
        if let Some(repair) = &mut self.repair {
            repair.skip_to(stream, seq);
        }
    }

    /// Makes sure that the last segment can be written to.
    fn make_segment(&mut self, number: u64) -> io::Result<()> {
        let largest = self.largest_segment();
        // expected batches get a segment of their own, between old and new ones
        let awaited = self.repair.as_ref().map_or(0, Repair::last);
        let has_room = |segment: &Segment| {
            segment.bytes < largest
                && segment.is_continued()
                && awaited <= segment.first.max(segment.last)
        };
        if self.segments.back().is_some_and(has_room) {
            return Ok(());
        }
        if let Some(full) = self.segments.back_mut() {
            full.file()?.sync_data()?;
            self.unsynced = 0;
        }
        let next = Segment::create(&self.folder, number, Some(self.tally))?;
        let full = self.segments.len().checked_sub(1);
        if let Some(full) = full.filter(|full| *full != self.read.0) {
            self.segments[full].close();
        }
        self.used += next.counted;
        self.segments.push_back(next);
        Ok(())
    }

    pub(super) fn largest_segment(&self) -> u64 {
        (self.max_bytes / SEGMENTS).clamp(MIN_SEGMENT, MAX_SEGMENT)
    }

    /// The file that is due to be synced; the caller does so with [`sync_data`](File::sync_data),
    /// without blocking others.
    pub fn sync_due(&mut self) -> Option<Arc<File>> {
        let is_due = self.unsynced >= SYNC_BYTES
            || (self.unsynced > 0 && self.synced_at.elapsed() >= SYNC_AFTER);
        if !is_due {
            return None;
        }
        self.unsynced = 0;
        self.synced_at = Instant::now();
        self.segments.back_mut()?.file().ok()
    }

    /// Makes sure that everything survives a power cut.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Some(segment) = self.segments.back_mut() {
            segment.file()?.sync_data()?;
        }
        self.unsynced = 0;
        self.journal.sync()
    }
}
