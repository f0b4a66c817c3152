//! What an earlier host has left is checked and taken up.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    io,
    path::PathBuf,
};

use super::{
    Found, Spool,
    gaps::Gap,
    lanes::{Lane, Mark},
    layout::{Around, Layout, Placed},
    mend::Mend,
    position::Offered,
    segment::{self, Named, Segment},
    stretch::{Stretch, Wrong},
    survey::{Seen, Survey},
};

/// Entries of a file that have their place behind what is taken up already.
struct Rest {
    named: Named,
    entries: Vec<Placed>,
    ends_damaged: bool,
    /// The entries simply follow one another up to there.
    orderly_to: Option<u64>,
    /// Bytes that count against the bound.
    counted: u64,
    file_bytes: u64,
}

impl Rest {
    fn first(&self) -> u64 {
        self.entries.first().map_or(self.named.first, |entry| entry.head.number)
    }

    fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.head.number)
    }

    /// Takes off what comes at or behind that number.
    fn split_off(&mut self, number: u64) -> Option<Self> {
        let place = self.entries.partition_point(|entry| entry.head.number < number);
        if place == 0 || place == self.entries.len() {
            return None;
        }
        let entries = self.entries.split_off(place);
        let bytes = self.entries.iter().map(|entry| entry.next - entry.at).sum::<u64>();
        let counted = self.counted.saturating_sub(bytes);
        (self.counted, self.orderly_to) = (bytes, None);
        let ends_damaged = std::mem::take(&mut self.ends_damaged);
        let (named, file_bytes) = (self.named.clone(), self.file_bytes);
        Some(Self { named, entries, ends_damaged, orderly_to: None, counted, file_bytes })
    }
}

impl Spool {
    /// Checks all segments and goes on with what the host before had offered.
    pub(super) fn recover(&mut self) -> io::Result<Found> {
        let (segments, newer) = segment::list(&self.folder)?;
        newer.iter().for_each(|path| self.note_newer(path));
        let position = self.position.clone();
        let mut survey = Survey::new(&position);
        self.take_up_segments(segments, &mut survey)?;
        let Survey { mut found, accepted, missing, gaps, there, delivered, .. } = survey;
        (self.accepted, self.missing, self.position.gaps) = (accepted, missing, gaps);
        (found.awaited, found.given_up) = self.take_up(&there);
        // what is awaited comes before what is delivered behind it
        self.read_number = delivered.min(self.mend.as_ref().map_or(u64::MAX, Mend::before));
        let committed = self.committed_by_now();
        self.position.commit(&[], committed);
        self.unread_done = self.position.offered.iter().filter(|(_, it)| it.done).count();
        Ok(found)
    }

    /// Takes up all segments, with their entries in order.
    ///
    /// What came back after damage lies in segments of its own, between entries of another one.
    fn take_up_segments(
        &mut self,
        segments: Vec<Named>,
        survey: &mut Survey<'_>,
    ) -> io::Result<()> {
        let around = Around::of_all(&segments, self.position.committed);
        let mut files = segments.into_iter().zip(around).peekable();
        let mut rests: Vec<Rest> = Vec::new();
        loop {
            let next = files.peek().map_or(u64::MAX, |(named, _)| named.first);
            let earliest = (0..rests.len()).min_by_key(|rest| rests[*rest].first());
            let mut rest = match earliest.filter(|rest| rests[*rest].first() < next) {
                Some(rest) => rests.swap_remove(rest),
                None => match files.next() {
                    Some((named, around)) => match self.look_into(named, &around, survey)? {
                        Some(rest) => rest,
                        None => continue,
                    },
                    None => return Ok(()),
                },
            };
            let next = files.peek().map_or(u64::MAX, |(named, _)| named.first);
            let next = rests.iter().map(Rest::first).chain([next]).min().unwrap_or(next);
            if next < rest.first() && !rest.entries.is_empty() {
                // all of it comes behind what other files have
                rests.push(rest);
                continue;
            }
            let hole = self.first_hole(&rest).unwrap_or(u64::MAX);
            rests.extend(rest.split_off(next.min(hole)));
            self.take_up_part(rest, survey);
        }
    }

    /// The first number that was offered and is missing between the entries of a damaged file.
    fn first_hole(&self, rest: &Rest) -> Option<u64> {
        if rest.orderly_to.is_some() || rest.entries.is_empty() {
            return None;
        }
        let offered = self.position.offered.range(rest.first()..rest.last());
        let mut gone = offered.filter(|(number, it)| {
            let is_there = rest.entries.binary_search_by_key(*number, |it| it.head.number);
            !it.done && is_there.is_err()
        });
        gone.next().map(|(number, _)| *number)
    }

    /// Looks into a file; `None` when nothing of it is to be taken up.
    fn look_into(
        &mut self,
        named: Named,
        around: &Around,
        survey: &mut Survey<'_>,
    ) -> io::Result<Option<Rest>> {
        let layout = match Layout::of_file(&named, around) {
            // a host that ends late has just delivered it
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            layout => layout?,
        };
        self.last = self.last.max(named.first);
        for stretch in &layout.stretches {
            self.note_wrong(&named.path, stretch, "");
        }
        if layout.is_newer {
            return Ok(None);
        }
        if let Some(tally) = layout.tally_behind() {
            self.tally = tally;
        }
        let is_last = around.next_first.is_none();
        let end = layout.end + named.frame.end_bytes();
        if layout.is_unfinished && is_last && layout.is_orderly() {
            survey.found.unfinished = Some((named.path.clone(), layout.bytes.saturating_sub(end)));
            let mut segment = Segment::of_file(named.clone(), layout.end);
            segment.cut(layout.end)?;
        }
        if layout.entries.is_empty() && is_last && layout.is_orderly() {
            // nothing is in it; should it stay, it is as good as a new one
            let _ = std::fs::remove_file(&named.path);
            return Ok(None);
        }
        let orderly_to = layout.is_orderly().then_some(layout.end);
        let counted = if orderly_to.is_some() { layout.end } else { layout.bytes };
        let Layout { entries, ends_damaged, bytes: file_bytes, .. } = layout;
        Ok(Some(Rest { named, entries, ends_damaged, orderly_to, counted, file_bytes }))
    }

    fn take_up_part(&mut self, rest: Rest, survey: &mut Survey<'_>) {
        survey.see_all(rest.entries.iter());
        if rest.ends_damaged {
            survey.see(Seen::Damage);
        }
        let (first, last) = (rest.first(), rest.last());
        let bytes = rest.orderly_to.unwrap_or(rest.file_bytes);
        let mut segment = Segment::of_file(rest.named, bytes);
        if rest.orderly_to.is_none() {
            segment.counted = rest.counted;
            segment.order = Some(rest.entries.iter().map(|entry| entry.at).collect());
        }
        (segment.first, segment.last) = (first, last);
        self.last = self.last.max(last);
        self.used += segment.counted;
        self.segments.push_back(segment);
    }

    /// A file of a later format is left alone.
    fn note_newer(&mut self, path: &PathBuf) {
        let bytes = std::fs::metadata(path).map_or(0, |it| it.len());
        let stretch = Stretch::about(Wrong::Newer, 0, bytes);
        self.note_wrong(path, &stretch, "");
    }

    /// Looks into the file of a segment that is taken up already; `None` when it is gone.
    pub(super) fn look_again(&self, index: usize) -> io::Result<Option<(PathBuf, Layout)>> {
        let Some(named) = Named::of(self.segments[index].path.clone()) else { return Ok(None) };
        let others = self.segments.iter().skip(index).filter(|it| it.path != named.path);
        let others = others.filter_map(|it| Named::of(it.path.clone()));
        let all: Vec<_> = [named.clone()].into_iter().chain(others).collect();
        let mut around = Around::of_all(&all, self.position.committed).swap_remove(0);
        if around.next_first.is_none() {
            // whoever writes it knows
            around.next_start = Some(self.tally);
        }
        match Layout::of_file(&named, &around) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            layout => Ok(Some((named.path, layout?))),
        }
    }

    /// Sorts out what the host before had offered. Gives how many of it are awaited, and how many
    /// are given up.
    fn take_up(&mut self, there: &HashSet<u64>) -> (u64, u64) {
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
        let counts = (awaited.len() as u64, (gone.len() - awaited.len()) as u64);
        self.mend = Mend::of(awaited, &groups);
        self.earlier_groups = groups.into();
        counts
    }

    /// Of what was offered and is gone, that which can come again to its old place.
    fn can_be_awaited(&mut self, gone: &[u64]) -> Vec<(u64, Offered)> {
        let (mut awaited, mut given_up) = (Vec::new(), Vec::new());
        for &number in gone {
            let place = self.segments.partition_point(|segment| segment.first <= number);
            let before = place.checked_sub(1).map_or(0, |before| self.segments[before].last);
            let offered = &self.position.offered[&number];
            if before < number && offered.mark.is_numbered() {
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
        let after = self.read_number;
        for index in self.read.0..self.segments.len() {
            let last = self.segments[index].last;
            match self.look_again(index)? {
                Some((_, layout)) => {
                    let is_in = |it: &&Placed| (after + 1..=last).contains(&it.head.number);
                    survey.see_all(layout.entries.iter().filter(is_in));
                }
                None => survey.see(Seen::Damage),
            }
        }
        (self.missing, self.position.gaps) = (survey.missing, survey.gaps);
        self.journal.outdate();
        Ok(())
    }
}
