//! What an earlier host has left is checked and taken up.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    io,
};

use super::{
    Found, Spool,
    gaps::Gap,
    lanes::{Lane, Mark},
    mend::Mend,
    position::Offered,
    segment::{self, Seen, Segment},
    survey::Survey,
};

impl Spool {
    /// Checks all segments and goes on with what the host before had offered.
    pub(super) fn recover(&mut self) -> io::Result<Found> {
        let paths = segment::list(&self.folder)?;
        let count = paths.len();
        let mut survey = Survey::new(&self.position);
        for (index, (first, path)) in paths.into_iter().enumerate() {
            let mut segment = Segment::of_file(path, first)?;
            check(&mut segment, index + 1 == count, &mut survey)?;
            if segment.last == 0 && index + 1 == count {
                // nothing of it is left; should it stay, that is said again at the next start
                let _ = std::fs::remove_file(&segment.path);
                continue;
            }
            self.last = self.last.max(segment.last).max(segment.first);
            self.used += segment.bytes;
            segment.close();
            self.segments.push_back(segment);
        }
        let Survey { mut found, accepted, missing, gaps, there, delivered, .. } = survey;
        (self.accepted, self.missing, self.position.gaps) = (accepted, missing, gaps);
        found.awaited = self.take_up(&there);
        self.read_number = delivered;
        let committed = self.committed_by_now();
        self.position.commit(&[], committed);
        self.unread_done = self.position.offered.iter().filter(|(_, it)| it.done).count();
        Ok(found)
    }

    /// Sorts out what the host before had offered. Gives how many of it are awaited.
    fn take_up(&mut self, there: &HashSet<u64>) -> u64 {
        let mut groups: BTreeMap<u64, VecDeque<u64>> = BTreeMap::new();
        let (mut gone, mut done_and_gone) = (Vec::new(), Vec::new());
        for (number, offered) in &self.position.offered {
            self.next_group = self.next_group.max(offered.group + 1);
            match (offered.done, there.contains(number)) {
                (true, true) => {}
                (true, false) => done_and_gone.push((offered.lane.clone(), offered.mark)),
                (false, true) => groups.entry(offered.group).or_default().push_back(*number),
                (false, false) => gone.push(*number),
            }
        }
        done_and_gone.iter().for_each(|(lane, mark)| self.note_known(lane, *mark));
        let awaited = self.can_be_awaited(&gone);
        for (number, offered) in &awaited {
            groups.entry(offered.group).or_default().push_back(*number);
        }
        // what was committed without being offered belongs to no group
        groups.remove(&0);
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_unstable();
        let count = awaited.len() as u64;
        self.mend = Mend::of(awaited, &groups, &self.segments);
        self.earlier_groups = groups.into();
        count
    }

    /// Of what was offered and is gone, that which can come again to its old place.
    fn can_be_awaited(&mut self, gone: &[u64]) -> Vec<(u64, Offered)> {
        let (mut awaited, mut given_up) = (Vec::new(), Vec::new());
        let mut hole = None;
        for &number in gone {
            let place = self.segments.partition_point(|segment| segment.first < number);
            let next = self.segments.get(place).map_or(u64::MAX, |segment| segment.first);
            let before = place.checked_sub(1).map_or(0, |before| self.segments[before].last);
            let offered = &self.position.offered[&number];
            let is_between = before < number && number < next;
            if is_between && offered.mark.is_numbered() && hole.is_none_or(|hole| hole == place) {
                hole = Some(place);
                awaited.push((number, offered.clone()));
            } else {
                given_up.push(number);
            }
        }
        self.give_up(&given_up, gone);
        awaited
    }

    /// Batches that were offered and are gone: should they come again, they are taken for new ones.
    /// In order, all that is gone.
    pub(super) fn give_up(&mut self, numbers: &[u64], gone: &[u64]) {
        let mut ends_by_lane: HashMap<Lane, (Mark, Mark)> = HashMap::new();
        for offered in numbers.iter().filter_map(|number| self.position.offered.remove(number)) {
            let mark = offered.mark;
            if mark.is_numbered() {
                let ends = ends_by_lane.entry(offered.lane).or_insert((mark, mark));
                *ends = (ends.0.min(mark), ends.1.max(mark));
            }
        }
        for (lane, (first, last)) in ends_by_lane {
            let gap = Gap::new(lane, first.previous(), last.following());
            self.missing.open(gap.clone());
            self.position.gaps.open(gap);
        }
        for (number, offered) in &self.position.offered {
            if gone.binary_search(number).is_err() {
                self.missing.fill(&offered.lane, offered.mark);
            }
        }
    }

    /// Finds out what damage behind the last entry that was read may have cost.
    pub(super) fn remember_gaps(&mut self) -> io::Result<()> {
        let mut survey = Survey::new(&self.position);
        survey.missing = self.missing.clone();
        let under_way = self.position.offered.range(..=self.read_number);
        let under_way = under_way.map(|(_, offered)| (&offered.lane, offered.mark));
        let taken = self.taken.values().map(|(lane, mark): &(Lane, Mark)| (lane, *mark));
        for (lane, mark) in under_way.chain(taken) {
            if !survey.missing.are_around(lane, mark) {
                survey.accepted.raise(lane, mark);
            }
        }
        survey.see(Seen::Damage);
        let (read, mut at) = self.read;
        for segment in self.segments.iter_mut().skip(read) {
            let is_open = segment.is_open();
            match segment.file() {
                Ok(file) => {
                    segment::scan(&file, at..segment.bytes, None, &mut |seen| survey.see(seen))?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => survey.see(Seen::Damage),
                Err(error) => return Err(error),
            }
            if !is_open {
                segment.close();
            }
            at = segment::EMPTY;
        }
        (self.missing, self.position.gaps) = (survey.missing, survey.gaps);
        self.journal.outdate();
        Ok(())
    }
}

/// Checks a segment, and cuts it off where a crash left the last one unfinished.
fn check(segment: &mut Segment, is_last: bool, survey: &mut Survey<'_>) -> io::Result<()> {
    let delivered = is_last.then_some(survey.position.committed);
    let file = segment.file()?;
    // where only the mark at the head is damaged nothing is lost
    let part = segment::EMPTY.min(segment.bytes)..segment.bytes;
    let scanned = segment::scan(&file, part, delivered, &mut |seen| survey.see(seen))?;
    segment.last = scanned.last;
    if scanned.entries > 0 {
        segment.first = segment.first.min(scanned.first);
    }
    let cost: u64 = scanned.damage.iter().map(|damage| damage.bytes).sum();
    if cost > 0 {
        survey.found.cut.push((segment.path.clone(), cost));
    }
    let tail = scanned.damage.last().filter(|it| is_last && it.at + it.bytes == scanned.bytes);
    if let Some(tail) = tail {
        segment.cut(tail.at)?;
    }
    segment.is_damaged = scanned.damage.len() > usize::from(tail.is_some());
    Ok(())
}
