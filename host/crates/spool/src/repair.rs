//! Damage at what had been offered to the sink.
//!
//! A sink may have some of it already, under its number. So when it comes again from its source it
//! gets its old number, its old group and its old place, whatever else comes in meanwhile.

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

/// Batches that had been offered, are gone, and are awaited.
#[derive(Debug)]
pub(super) struct Repair {
    /// From that number on nothing is read until this is over.
    pub hold_from: u64,
    /// What has not come yet.
    expected: HashMap<ProducerStream, BTreeMap<SeqNo, u64>>,
    /// The numbers of all.
    numbers: BTreeSet<u64>,
    /// What has come.
    resent: BTreeMap<u64, (ProducerStream, Batch)>,
    /// Set when the first reader waits, and put off while their sources are at it.
    deadline: Option<Instant>,
}

impl Repair {
    /// Awaits batches, which are missing from those groups and between segments.
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

    /// Right before the first number of all.
    pub fn before(&self) -> u64 {
        self.numbers.first().map_or(u64::MAX, |first| first.saturating_sub(1))
    }

    /// The last number of all.
    pub fn last(&self) -> u64 {
        self.numbers.last().copied().unwrap_or(0)
    }

    /// Whether that batch has not come yet.
    pub fn expects(&self, stream: &ProducerStream, seq: SeqNo) -> bool {
        self.expected.get(stream).is_some_and(|seqs| seqs.contains_key(&seq))
    }

    /// Takes a batch back that is awaited, and gives its number.
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

    /// A lane has come to that mark: what is before it does not come any more.
    pub fn skip_to(&mut self, stream: &ProducerStream, seq: SeqNo) {
        if let Some(seqs) = self.expected.get_mut(stream) {
            *seqs = seqs.split_off(&seq);
            self.deadline = self.deadline.map(|_| Instant::now() + RESEND_WAIT);
        }
    }

    /// When what has not come is given up, as far as that is known.
    #[cfg(test)]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Waits no longer.
    pub fn stop_waiting(&mut self) {
        self.deadline = Some(Instant::now());
    }

    fn is_over(&mut self) -> bool {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + RESEND_WAIT);
        self.expected.values().all(BTreeMap::is_empty) || Instant::now() >= deadline
    }
}

impl Spool {
    /// Whether batches are awaited that had been offered and are gone; until they are back, or
    /// were awaited long enough, nothing that comes after them is read.
    pub fn is_repairing(&self) -> bool {
        self.repair.is_some()
    }

    /// Says that nothing comes in any more, so that nothing is awaited either.
    pub fn end_of_input(&mut self) {
        if let Some(repair) = &mut self.repair {
            repair.stop_waiting();
        }
    }

    /// Puts what came back into its place, once nothing more is awaited.
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
                    // tried again; should they stay, their entries are known at the next start
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
                // nothing but damage was passed there
                self.read = (place, 0);
            }
        }
        Ok(())
    }

    /// A segment of batches that came back.
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
