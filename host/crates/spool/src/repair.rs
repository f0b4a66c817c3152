//! Repairs damage to batches that had been offered to the sink.
//!
//! A sink may have stored some of them under their numbers. So a resent batch gets its old number,
//! group and position, whatever else is appended meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    io,
    time::Instant,
};

use plugin_api::Batch;

use super::{
    RESEND_WAIT, Spool,
    entry::Head,
    position::Offered,
    segment::Segment,
    streams::{ProducerStream, SeqNo},
};

/// Batches that had been offered, are lost, and are expected to be resent.
#[derive(Debug)]
pub(super) struct Repair {
    /// Nothing from that number on is read until the repair is over.
    pub hold_from: u64,
    /// What has not been resent yet.
    expected: HashMap<ProducerStream, BTreeMap<SeqNo, u64>>,
    /// All numbers.
    numbers: BTreeSet<u64>,
    /// What has been resent.
    resent: BTreeMap<u64, (ProducerStream, Batch)>,
    /// Set when the reader first waits, and extended while the sources resend.
    deadline: Option<Instant>,
}

impl Repair {
    /// Expects batches that are missing from those groups and between segments.
    pub fn of(batches: Vec<(u64, Offered)>, groups: &[VecDeque<u64>]) -> Option<Self> {
        let numbers: BTreeSet<_> = batches.iter().map(|(number, _)| *number).collect();
        let first = *numbers.first()?;
        let is_missing = |group: &&VecDeque<u64>| group.iter().any(|it| numbers.contains(it));
        let begins = groups.iter().filter(is_missing).filter_map(|group| group.front().copied());
        let hold_from = begins.chain([first]).min()?;
        let mut expected: HashMap<ProducerStream, BTreeMap<SeqNo, u64>> = HashMap::new();
        for (number, Offered { stream, seq, .. }) in batches {
            expected.entry(stream).or_default().insert(seq, number);
        }
        Some(Self { hold_from, expected, numbers, resent: BTreeMap::new(), deadline: None })
    }

    /// The number right before the first one.
    pub fn before(&self) -> u64 {
        self.numbers.first().map_or(u64::MAX, |first| first.saturating_sub(1))
    }

    /// The last number.
    pub fn last(&self) -> u64 {
        self.numbers.last().copied().unwrap_or(0)
    }

    /// Whether that batch is expected and not resent yet.
    pub fn expects(&self, stream: &ProducerStream, seq: SeqNo) -> bool {
        self.expected.get(stream).is_some_and(|seqs| seqs.contains_key(&seq))
    }

    /// Accepts a resent batch that is expected; returns its number.
    pub fn accept_resend(
        &mut self,
        stream: &ProducerStream,
        seq: SeqNo,
        batch: &Batch,
    ) -> Option<u64> {
        let number = self.expected.get_mut(stream)?.remove(&seq)?;
        self.resent.insert(number, (stream.clone(), batch.clone()));
        self.skip_to(stream, seq);
        Some(number)
    }

    /// The stream is at that number: nothing before it will be resent.
    pub fn skip_to(&mut self, stream: &ProducerStream, seq: SeqNo) {
        if let Some(seqs) = self.expected.get_mut(stream) {
            *seqs = seqs.split_off(&seq);
            self.deadline = self.deadline.map(|_| Instant::now() + RESEND_WAIT);
        }
    }

    /// When the repair gives up, once that is set.
    #[cfg(test)]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Lets the repair end now.
    pub fn stop_waiting(&mut self) {
        self.deadline = Some(Instant::now());
    }

    fn is_over(&mut self) -> bool {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + RESEND_WAIT);
        self.expected.values().all(BTreeMap::is_empty) || Instant::now() >= deadline
    }
}

impl Spool {
    /// Whether lost batches are expected to be resent; until they are, or the wait is over, nothing
    /// after them is read.
    pub fn is_repairing(&self) -> bool {
        self.repair.is_some()
    }

    /// All writers are gone, so nothing will be resent.
    pub fn end_of_input(&mut self) {
        if let Some(repair) = &mut self.repair {
            repair.stop_waiting();
        }
    }

    /// Inserts resent batches at their position, once the repair is over.
    pub(super) fn finish_repair(&mut self) -> io::Result<()> {
        let Some(repair) = self.repair.take_if(Repair::is_over) else { return Ok(()) };
        if let Err(error) = self.insert_resent(&repair) {
            self.repair = Some(repair);
            return Err(error);
        }
        let is_resent = |number: &u64| repair.resent.contains_key(number);
        let given_up: Vec<_> = repair.numbers.iter().copied().filter(|it| !is_resent(it)).collect();
        self.give_up(&given_up, &given_up);
        let offered = &self.position.offered;
        self.earlier_groups.iter_mut().for_each(|it| it.retain(|it| offered.contains_key(it)));
        self.journal.mark_stale();
        Ok(())
    }

    fn insert_resent(&mut self, repair: &Repair) -> io::Result<()> {
        let place_of =
            |number: &u64| self.segments.partition_point(|segment| segment.first < *number);
        let mut by_place: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for number in repair.resent.keys() {
            by_place.entry(place_of(number)).or_default().push(*number);
        }
        let mut made = Vec::new();
        for (place, numbers) in &by_place {
            match self.write_segment(repair, numbers) {
                Ok(segment) => made.push((*place, segment)),
                Err(error) => {
                    // retried later; leftovers are recognised at the next start
                    made.iter().for_each(|(_, it)| drop(std::fs::remove_file(&it.path)));
                    return Err(error);
                }
            }
        }
        for (before, (place, segment)) in made.into_iter().enumerate() {
            let place = place + before;
            self.used += segment.counted;
            self.segments.insert(place, segment);
            if self.read.0 >= place {
                // nothing but damage was skipped there
                self.read = (place, 0);
            }
        }
        Ok(())
    }

    /// Writes a segment of resent batches.
    fn write_segment(&self, repair: &Repair, numbers: &[u64]) -> io::Result<Segment> {
        let mut segment = Segment::create(&self.folder, numbers[0], None)?;
        let mut fill = || {
            for number in numbers {
                let (stream, batch) = &repair.resent[number];
                let head = Head::of(*number, stream.clone(), batch);
                segment.append(&head, batch.payload())?;
            }
            segment.file()?.sync_data()
        };
        match fill() {
            Ok(()) => Ok(segment),
            Err(error) => {
                let _ = std::fs::remove_file(&segment.path);
                Err(error)
            }
        }
    }
}
