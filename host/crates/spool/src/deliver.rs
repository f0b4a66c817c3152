//! Offers batches to the sink, commits them, and drops segments.

use std::io;

use super::{Spool, position::Offered, segment::Segment};

impl Spool {
    /// Notes that these batches are offered to the sink in one call.
    ///
    /// # Errors
    /// When that cannot be written; it holds until a crash.
    pub fn offer(&mut self, numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        let numbers: Vec<_> = numbers.filter(|number| !self.position.is_done(*number)).collect();
        let group = self.next_group;
        self.next_group += 1;
        self.mark_in_flight(&numbers, group);
        self.journal.offer(&self.position, group, &numbers)
    }

    fn mark_in_flight(&mut self, numbers: &[u64], group: u64) {
        for number in numbers {
            if let Some((stream, seq)) = self.taken.remove(number) {
                self.position.offer(*number, Offered { group, stream, seq, done: false });
            } else if let Some(offered) = self.position.offered.get_mut(number) {
                offered.group = group;
            }
        }
    }

    /// Notes that these batches are delivered, and frees room.
    ///
    /// # Errors
    /// When that cannot be written; it holds until a crash.
    pub fn commit(&mut self, numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        let unoffered: Vec<_> =
            numbers.iter().copied().filter(|number| self.taken.contains_key(number)).collect();
        let noted = if unoffered.is_empty() {
            Ok(())
        } else {
            self.mark_in_flight(&unoffered, 0);
            self.journal.offer(&self.position, 0, &unoffered)
        };
        self.position.commit(&numbers, 0);
        let committed = self.committed_by_now();
        self.position.commit(&[], committed);
        let noted = noted.and(self.journal.commit(&self.position, &numbers));
        match noted {
            Ok(()) => {
                self.drop_delivered();
                Ok(())
            }
            // dropping delivered entries makes room for the journal
            Err(error) if is_full(&error) && self.drop_written() => {
                self.journal.write_whole(&self.position)
            }
            failed => failed,
        }
    }

    /// The last number up to which everything is delivered.
    pub(super) fn committed_by_now(&self) -> u64 {
        let first_taken = self.taken.keys().next().copied().unwrap_or(u64::MAX);
        let end = self.read_number.saturating_add(1).min(first_taken);
        let done = self.position.offered.range(..end).take_while(|(_, offered)| offered.done);
        done.last().map_or(self.position.committed, |(number, _)| *number)
    }

    /// Removes segments of which everything is delivered.
    pub(super) fn drop_delivered(&mut self) {
        // the segment that is written to stays until it is large enough
        let is_kept =
            !self.is_worth_dropping() && self.segments.back().is_some_and(Segment::is_continued);
        let most = self.segments.len().saturating_sub(usize::from(is_kept));
        self.drop_segments(self.delivered_segments().min(most));
    }

    /// Removes the segment that is written to as well, if all in it is delivered.
    pub(super) fn drop_written(&mut self) -> bool {
        let before = self.used;
        self.drop_segments(self.delivered_segments());
        self.used < before
    }

    fn delivered_segments(&self) -> usize {
        let committed = self.position.committed;
        self.segments.iter().take_while(|it| it.last <= committed).count()
    }

    fn drop_segments(&mut self, count: usize) {
        // sync first: after a power cut the position must not point before removed segments
        if count == 0 || self.journal.sync().is_err() {
            return;
        }
        let mut gone: Vec<_> = self.segments.drain(..count).collect();
        // a file may back several segments, with resent ones between them
        gone.retain(|segment| {
            self.used = self.used.saturating_sub(segment.counted);
            !self.segments.iter().any(|it| it.path == segment.path)
        });
        for segment in gone {
            // a leftover is skipped at the next start
            let _ = std::fs::remove_file(&segment.path);
        }
        self.read = match self.read.0.checked_sub(count) {
            Some(index) => (index, self.read.1),
            None => (0, 0),
        };
        if self.segments.is_empty() {
            self.read = (0, 0);
            self.unsynced = 0;
        }
    }

    fn is_worth_dropping(&self) -> bool {
        self.segments.back().is_some_and(|it| it.counted >= self.largest_segment() / 4)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
