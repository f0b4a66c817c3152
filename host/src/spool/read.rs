//! Batches are read, in order.

use std::io;

use plugin_api::Batch;

use super::{
    Spool,
    segment::{self, Segment},
};

impl Spool {
    /// The next batch that was not read yet, with its number as
    /// [`delivery`](Batch::delivery).
    ///
    /// # Errors
    /// When a segment cannot be read; what is damaged is passed over, and the text says so.
    pub fn read_next(&mut self) -> io::Result<Option<Batch>> {
        self.finish_mend()?;
        while let Some((index, at)) = self.next_place() {
            let Some((head, payload, next)) = self.read_entry(index, at)? else { continue };
            if self.mend.as_ref().is_some_and(|mend| head.number >= mend.hold) {
                return Ok(None);
            }
            self.read.1 = next;
            let number = head.number;
            if number <= self.position.committed {
                continue;
            }
            self.read_number = number;
            if self.position.is_done(number) {
                self.unread_done = self.unread_done.saturating_sub(1);
                continue;
            }
            let place = (head.lane.clone(), head.mark);
            let batch = head.into_batch(payload).map_err(|error| {
                // its checksum is right: nobody can ever take it
                damaged(&self.segments[index], at, &error.message)
            })?;
            if !self.position.offered.contains_key(&number) {
                self.taken.insert(number, place);
            }
            self.skip_done();
            return Ok(Some(batch));
        }
        Ok(None)
    }

    /// Passes over what an earlier host had delivered.
    fn skip_done(&mut self) {
        while self.unread_done > 0
            && self.mend.is_none()
            && let Some((index, at)) = self.next_place()
            && let Ok(Some((head, _, next))) = self.peek(index, at)
            && self.position.is_done(head.number)
        {
            self.read = (index, next);
            self.read_number = self.read_number.max(head.number);
            self.unread_done -= 1;
        }
    }

    /// Segment and place of what is to be read next.
    fn next_place(&mut self) -> Option<(usize, u64)> {
        let count = self.segments.len();
        while let Some(segment) = self.segments.get_mut(self.read.0) {
            if self.read.1 < segment.bytes {
                return Some(self.read);
            }
            if self.read.0 + 1 >= count {
                return None;
            }
            segment.close();
            self.read = (self.read.0 + 1, segment::EMPTY);
        }
        None
    }

    /// Whether nothing that is in a segment is still to be read.
    pub(super) fn is_read_up(&self) -> bool {
        match self.segments.get(self.read.0) {
            None => true,
            Some(segment) => self.read.0 + 1 >= self.segments.len() && self.read.1 >= segment.bytes,
        }
    }

    /// The entry at that place; `None` when it passed over damage that was told before.
    fn read_entry(&mut self, index: usize, at: u64) -> io::Result<Option<Entry>> {
        let next = match self.peek(index, at) {
            Ok(Some(entry)) => return Ok(Some(entry)),
            Ok(None) => {
                let segment = &mut self.segments[index];
                segment::after_damage(&*segment.file()?, at, segment.bytes)?.0
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.segments[index].bytes,
            Err(error) => return Err(error),
        };
        self.read.1 = next;
        let segment = &self.segments[index];
        if segment.is_damaged {
            return Ok(None);
        }
        let error = damaged(segment, at, &format!("{} bytes are no whole batch", next - at));
        self.remember_gaps()?;
        Err(error)
    }

    fn peek(&mut self, index: usize, at: u64) -> io::Result<Option<Entry>> {
        let segment = &mut self.segments[index];
        let file = segment.file()?;
        segment::read_at(&file, at, segment.bytes)
    }

    /// How many of the next batches an earlier host had offered together, when the first of them
    /// has this number.
    pub fn group_of(&mut self, first: u64) -> Option<usize> {
        while self.earlier_groups.front()?.front().is_none_or(|number| *number < first) {
            self.earlier_groups.pop_front();
        }
        let group = self.earlier_groups.front()?;
        (group.front() == Some(&first)).then_some(group.len())
    }
}

type Entry = (super::entry::Head, Vec<u8>, u64);

fn damaged(segment: &Segment, at: u64, why: &str) -> io::Error {
    let text = format!(
        "{}: damaged at byte {at}: {why}, and passed over; its source may send it again at the \
         next start",
        segment.path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}
