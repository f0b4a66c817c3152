//! Reads batches in order.

use std::io;

use plugin_api::Batch;

use super::{
    Spool,
    layout::Placed,
    lossy::is_unreadable,
    stretch::{Stretch, Wrong},
};

impl Spool {
    /// The next unread batch, with its number as [`delivery`](Batch::delivery).
    ///
    /// # Errors
    /// When a segment cannot be read. Damage is skipped and reported in the
    /// [findings](Self::take_findings).
    pub fn read_next(&mut self) -> io::Result<Option<Batch>> {
        self.finish_repair()?;
        while let Some((index, cursor, at)) = self.next_place() {
            let Some((head, payload, next)) = self.peek(index, at)? else {
                self.pass_damage(index, at)?;
                continue;
            };
            if self.repair.as_ref().is_some_and(|repair| head.number >= repair.hold_from) {
                return Ok(None);
            }
            self.read.1 = self.segments[index].place_after(cursor, next);
            let number = head.number;
            if number <= self.position.committed {
                continue;
            }
            if self.position.is_done(number) {
                self.read_number = self.read_number.max(number);
                self.unread_done = self.unread_done.saturating_sub(1);
                continue;
            }
            if number <= self.read_number {
                // a copy in a second file
                continue;
            }
            self.read_number = number;
            let (place, records) = ((head.stream.clone(), head.seq), u64::from(head.records));
            let batch = match head.into_batch(payload) {
                Ok(batch) => batch,
                Err(error) => {
                    let stretch = unusable(at, next, records);
                    let path = self.segments[index].path.clone();
                    self.note_wrong(&path, &stretch, &error.message);
                    continue;
                }
            };
            if !self.position.offered.contains_key(&number) {
                self.taken.insert(number, place);
            }
            self.skip_done();
            return Ok(Some(batch));
        }
        Ok(None)
    }

    /// Skips what an earlier run had delivered.
    fn skip_done(&mut self) {
        while self.unread_done > 0
            && self.repair.is_none()
            && let Some((index, cursor, at)) = self.next_place()
            && let Ok(Some((head, _, next))) = self.peek(index, at)
            && self.position.is_done(head.number)
        {
            self.read = (index, self.segments[index].place_after(cursor, next));
            self.read_number = self.read_number.max(head.number);
            self.unread_done -= 1;
        }
    }

    /// Segment, cursor and file offset of the next entry.
    fn next_place(&mut self) -> Option<(usize, u64, u64)> {
        let count = self.segments.len();
        while let Some(segment) = self.segments.get_mut(self.read.0) {
            if let Some(at) = segment.place(self.read.1) {
                return Some((self.read.0, self.read.1, at));
            }
            if self.read.0 + 1 >= count {
                return None;
            }
            segment.close();
            self.read = (self.read.0 + 1, 0);
        }
        None
    }

    /// Whether every entry has been read.
    pub(super) fn is_fully_read(&self) -> bool {
        match self.segments.get(self.read.0) {
            None => true,
            Some(segment) => {
                self.read.0 + 1 >= self.segments.len() && segment.place(self.read.1).is_none()
            }
        }
    }

    /// The entry at that offset; `None` when it is damaged.
    fn peek(&mut self, index: usize, at: u64) -> io::Result<Option<Entry>> {
        match self.segments[index].read_at(at) {
            Err(error) if is_unreadable(&error) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read,
        }
    }

    /// Rescans a segment that is damaged at that offset, and continues with its intact entries.
    fn pass_damage(&mut self, index: usize, at: u64) -> io::Result<()> {
        let after = self.read_number;
        let last = self.segments[index].last;
        let layouts = self.rescan_file(index)?;
        let Some((path, layout)) = layouts else {
            let segment = &mut self.segments[index];
            (segment.order, self.read.1) = (Some(Vec::new()), 0);
            let path = segment.path.clone();
            self.note_wrong(&path, &Stretch::about(Wrong::Gone, 0, 0), "");
            return self.record_gaps();
        };
        let is_ahead = |it: &&Placed| it.head.number > after && it.head.number <= last.max(after);
        let (mut order, mut wrong) = (Vec::new(), layout.stretches);
        for entry in layout.entries.iter().filter(is_ahead) {
            if entry.at == at {
                // it could not be read just now: not retried
                wrong.push(unusable(at, entry.next, entry.head.records.into()));
            } else {
                order.push(entry.at);
            }
        }
        (self.segments[index].order, self.read.1) = (Some(order), 0);
        let before = self.findings.len();
        wrong.iter().for_each(|stretch| self.note_wrong(&path, stretch, ""));
        if self.findings.len() > before { self.record_gaps() } else { Ok(()) }
    }

    /// How many of the next batches an earlier run had offered together, when the first of them has
    /// this number.
    pub fn group_of(&mut self, first: u64) -> Option<usize> {
        while self.earlier_groups.front()?.front().is_none_or(|number| *number < first) {
            self.earlier_groups.pop_front();
        }
        let group = self.earlier_groups.front()?;
        (group.front() == Some(&first)).then_some(group.len())
    }
}

type Entry = (super::entry::Head, Vec<u8>, u64);

/// A batch that can never be decoded.
fn unusable(at: u64, end: u64, records: u64) -> Stretch {
    let bytes = end - at;
    Stretch { wrong: Wrong::Unusable, at, bytes, batches: 1, records, is_exact: true }
}
