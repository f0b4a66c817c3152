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
    MEND_WAIT, Spool,
    entry::Head,
    lanes::{Lane, Mark},
    position::Offered,
    segment::Segment,
};

/// Batches that had been offered, are gone, and are awaited.
#[derive(Debug)]
pub(super) struct Mend {
    /// From that number on nothing is read until this is over.
    pub hold: u64,
    /// What has not come yet.
    awaited: HashMap<Lane, BTreeMap<Mark, u64>>,
    /// The numbers of all.
    numbers: BTreeSet<u64>,
    /// What has come.
    back: BTreeMap<u64, (Lane, Batch)>,
    /// Set when the first reader waits, and put off while their sources are at it.
    until: Option<Instant>,
}

impl Mend {
    /// Awaits batches, which are missing from those groups and between segments.
    pub fn of(batches: Vec<(u64, Offered)>, groups: &[VecDeque<u64>]) -> Option<Self> {
        let numbers: BTreeSet<_> = batches.iter().map(|(number, _)| *number).collect();
        let first = *numbers.first()?;
        let is_missing = |group: &&VecDeque<u64>| group.iter().any(|it| numbers.contains(it));
        let begins = groups.iter().filter(is_missing).filter_map(|group| group.front().copied());
        let hold = begins.chain([first]).min()?;
        let mut awaited: HashMap<Lane, BTreeMap<Mark, u64>> = HashMap::new();
        for (number, Offered { lane, mark, .. }) in batches {
            awaited.entry(lane).or_default().insert(mark, number);
        }
        Some(Self { hold, awaited, numbers, back: BTreeMap::new(), until: None })
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
    pub fn awaits(&self, lane: &Lane, mark: Mark) -> bool {
        self.awaited.get(lane).is_some_and(|marks| marks.contains_key(&mark))
    }

    /// Takes a batch back that is awaited, and gives its number.
    pub fn take_back(&mut self, lane: &Lane, mark: Mark, batch: &Batch) -> Option<u64> {
        let number = self.awaited.get_mut(lane)?.remove(&mark)?;
        self.back.insert(number, (lane.clone(), batch.clone()));
        self.pass(lane, mark);
        Some(number)
    }

    /// A lane has come to that mark: what is before it does not come any more.
    pub fn pass(&mut self, lane: &Lane, mark: Mark) {
        if let Some(marks) = self.awaited.get_mut(lane) {
            *marks = marks.split_off(&mark);
            self.until = self.until.map(|_| Instant::now() + MEND_WAIT);
        }
    }

    /// When what has not come is given up, as far as that is known.
    #[cfg(test)]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Waits no longer.
    pub fn stop_waiting(&mut self) {
        self.until = Some(Instant::now());
    }

    fn is_over(&mut self) -> bool {
        let until = *self.until.get_or_insert_with(|| Instant::now() + MEND_WAIT);
        self.awaited.values().all(BTreeMap::is_empty) || Instant::now() >= until
    }
}

impl Spool {
    /// Whether batches are awaited that had been offered and are gone; until they are back, or
    /// were awaited long enough, nothing that comes after them is read.
    pub fn awaits(&self) -> bool {
        self.mend.is_some()
    }

    /// Says that nothing comes in any more, so that nothing is awaited either.
    pub fn end_of_input(&mut self) {
        if let Some(mend) = &mut self.mend {
            mend.stop_waiting();
        }
    }

    /// Puts what came back into its place, once nothing more is awaited.
    pub(super) fn finish_mend(&mut self) -> io::Result<()> {
        let Some(mend) = self.mend.take_if(Mend::is_over) else { return Ok(()) };
        if let Err(error) = self.put_back(&mend) {
            self.mend = Some(mend);
            return Err(error);
        }
        let is_back = |number: &u64| mend.back.contains_key(number);
        let given_up: Vec<_> = mend.numbers.iter().copied().filter(|it| !is_back(it)).collect();
        self.give_up(&given_up, &given_up);
        let offered = &self.position.offered;
        self.earlier_groups.iter_mut().for_each(|it| it.retain(|it| offered.contains_key(it)));
        self.journal.outdate();
        Ok(())
    }

    fn put_back(&mut self, mend: &Mend) -> io::Result<()> {
        let place_of =
            |number: &u64| self.segments.partition_point(|segment| segment.first < *number);
        let mut by_place: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for number in mend.back.keys() {
            by_place.entry(place_of(number)).or_default().push(*number);
        }
        let mut made = Vec::new();
        for (place, numbers) in &by_place {
            match self.make(mend, numbers) {
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
    fn make(&self, mend: &Mend, numbers: &[u64]) -> io::Result<Segment> {
        let mut segment = Segment::create(&self.folder, numbers[0], None)?;
        let mut fill = || {
            for number in numbers {
                let (lane, batch) = &mend.back[number];
                let head = Head::of(*number, lane.clone(), batch);
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
