//! Recovers the spool of an earlier run.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    io,
    path::PathBuf,
};

use super::{
    RecoveryReport, Spool,
    gaps::Gap,
    layout::{Layout, Placed, SegmentContext},
    position::Offered,
    repair::Repair,
    scan::{RecoveryScan, ScanItem},
    segment::{self, Named, Segment},
    streams::{ProducerStream, SeqNo},
    stretch::{Stretch, Wrong},
};

/// Entries of a file that come after what is loaded already.
struct Remainder {
    named: Named,
    entries: Vec<Placed>,
    ends_damaged: bool,
    /// The entries are contiguous up to there.
    orderly_to: Option<u64>,
    /// Bytes that count against the bound.
    counted: u64,
    file_bytes: u64,
}

impl Remainder {
    fn first(&self) -> u64 {
        self.entries.first().map_or(self.named.first, |entry| entry.head.number)
    }

    fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.head.number)
    }

    /// Splits off what comes at or after that number.
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
    /// Checks all segments and restores what was in flight.
    pub(super) fn recover(&mut self) -> io::Result<RecoveryReport> {
        let (segments, newer) = segment::list(&self.folder)?;
        newer.iter().for_each(|path| self.note_newer(path));
        let position = self.position.clone();
        let mut scan = RecoveryScan::new(&position);
        self.load_segments(segments, &mut scan)?;
        let RecoveryScan { mut found, accepted, missing, gaps, present, delivered, .. } = scan;
        (self.accepted, self.missing, self.position.gaps) = (accepted, missing, gaps);
        (found.awaited, found.given_up) = self.restore_in_flight(&present);
        // expected batches come before those that are delivered after them
        self.read_number = delivered.min(self.repair.as_ref().map_or(u64::MAX, Repair::before));
        let committed = self.committed_by_now();
        self.position.commit(&[], committed);
        self.unread_done = self.position.offered.iter().filter(|(_, it)| it.done).count();
        Ok(found)
    }

    /// Loads all segments, with their entries in order.
    ///
    /// Batches resent after damage are in segments of their own, between entries of another one.
    fn load_segments(
        &mut self,
        segments: Vec<Named>,
        scan: &mut RecoveryScan<'_>,
    ) -> io::Result<()> {
        let context = SegmentContext::of_all(&segments, self.position.committed);
        let mut files = segments.into_iter().zip(context).peekable();
        let mut rests: Vec<Remainder> = Vec::new();
        loop {
            let next = files.peek().map_or(u64::MAX, |(named, _)| named.first);
            let earliest = (0..rests.len()).min_by_key(|rest| rests[*rest].first());
            let mut rest = match earliest.filter(|rest| rests[*rest].first() < next) {
                Some(rest) => rests.swap_remove(rest),
                None => match files.next() {
                    Some((named, context)) => match self.scan_file(named, &context, scan)? {
                        Some(rest) => rest,
                        None => continue,
                    },
                    None => return Ok(()),
                },
            };
            let next = files.peek().map_or(u64::MAX, |(named, _)| named.first);
            let next = rests.iter().map(Remainder::first).chain([next]).min().unwrap_or(next);
            if next < rest.first() && !rest.entries.is_empty() {
                // all of it comes after entries of other files
                rests.push(rest);
                continue;
            }
            let hole = self.first_hole(&rest).unwrap_or(u64::MAX);
            rests.extend(rest.split_off(next.min(hole)));
            self.load_part(rest, scan);
        }
    }

    /// The first offered number that is missing between the entries of a damaged file.
    fn first_hole(&self, rest: &Remainder) -> Option<u64> {
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

    /// Scans a file; `None` when nothing of it is to be loaded.
    fn scan_file(
        &mut self,
        named: Named,
        context: &SegmentContext,
        scan: &mut RecoveryScan<'_>,
    ) -> io::Result<Option<Remainder>> {
        let context = SegmentContext { behind: scan.behind, ..context.clone() };
        let layout = match Layout::of_file(&named, &context) {
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
            scan.behind = Some(tally);
        }
        let is_last = context.next_first.is_none();
        let end = layout.end + named.frame.end_bytes();
        if layout.is_unfinished && is_last && layout.is_orderly() {
            scan.found.unfinished = Some((named.path.clone(), layout.bytes.saturating_sub(end)));
            let mut segment = Segment::of_file(named.clone(), layout.end);
            segment.cut(layout.end)?;
        }
        if layout.entries.is_empty() && is_last && layout.is_orderly() {
            // it is empty; left behind, it is as good as a new one
            let _ = std::fs::remove_file(&named.path);
            return Ok(None);
        }
        let orderly_to = layout.is_orderly().then_some(layout.end);
        let counted = if orderly_to.is_some() { layout.end } else { layout.bytes };
        let Layout { entries, ends_damaged, bytes: file_bytes, .. } = layout;
        Ok(Some(Remainder { named, entries, ends_damaged, orderly_to, counted, file_bytes }))
    }

    fn load_part(&mut self, rest: Remainder, scan: &mut RecoveryScan<'_>) {
        scan.visit_all(rest.entries.iter());
        if rest.ends_damaged {
            scan.visit(ScanItem::Damage);
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

    /// Reports a file of a later format, which is left alone.
    fn note_newer(&mut self, path: &PathBuf) {
        let bytes = std::fs::metadata(path).map_or(0, |it| it.len());
        let stretch = Stretch::about(Wrong::Newer, 0, bytes);
        self.note_wrong(path, &stretch, "");
    }

    /// Scans the file of a loaded segment again; `None` when it is gone.
    pub(super) fn rescan_file(&self, index: usize) -> io::Result<Option<(PathBuf, Layout)>> {
        let Some(named) = Named::of(self.segments[index].path.clone()) else { return Ok(None) };
        let others = self.segments.iter().skip(index).filter(|it| it.path != named.path);
        let others = others.filter_map(|it| Named::of(it.path.clone()));
        let all: Vec<_> = [named.clone()].into_iter().chain(others).collect();
        let mut context = SegmentContext::of_all(&all, self.position.committed).swap_remove(0);
        if context.next_first.is_none() {
            // the last segment: its writer knows the count
            context.next_start = Some(self.tally);
        }
        match Layout::of_file(&named, &context) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            layout => Ok(Some((named.path, layout?))),
        }
    }

    /// Restores the groups that were in flight. Returns how many lost batches are expected to be
    /// resent, and how many are given up.
    fn restore_in_flight(&mut self, present: &HashSet<u64>) -> (u64, u64) {
        let mut groups: BTreeMap<u64, VecDeque<u64>> = BTreeMap::new();
        let (mut gone, mut done_and_gone) = (Vec::new(), Vec::new());
        for (number, offered) in &self.position.offered {
            self.next_group = self.next_group.max(offered.group + 1);
            match (offered.done, present.contains(number)) {
                (true, true) => {}
                (true, false) => done_and_gone.push((offered.stream.clone(), offered.seq)),
                (false, true) => groups.entry(offered.group).or_default().push_back(*number),
                (false, false) => gone.push(*number),
            }
        }
        done_and_gone.iter().for_each(|(stream, seq)| self.note_known(stream, *seq));
        let awaited = self.expected_again(&gone);
        for (number, offered) in &awaited {
            groups.entry(offered.group).or_default().push_back(*number);
        }
        // group 0 is for batches that were committed without an offer
        groups.remove(&0);
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_unstable();
        let counts = (awaited.len() as u64, (gone.len() - awaited.len()) as u64);
        self.repair = Repair::of(awaited, &groups);
        self.earlier_groups = groups.into();
        counts
    }

    /// The lost batches that can be resent to their old position.
    fn expected_again(&mut self, gone: &[u64]) -> Vec<(u64, Offered)> {
        let (mut awaited, mut given_up) = (Vec::new(), Vec::new());
        for &number in gone {
            let place = self.segments.partition_point(|segment| segment.first <= number);
            let before = place.checked_sub(1).map_or(0, |before| self.segments[before].last);
            let offered = &self.position.offered[&number];
            if before < number && offered.seq.is_numbered() {
                awaited.push((number, offered.clone()));
            } else {
                given_up.push(number);
            }
        }
        self.give_up(&given_up, gone);
        awaited
    }

    /// Gives up lost batches: when resent, they count as new. `gone` are all lost numbers, in
    /// order.
    pub(super) fn give_up(&mut self, numbers: &[u64], gone: &[u64]) {
        let mut ends_by_stream: HashMap<ProducerStream, (SeqNo, SeqNo)> = HashMap::new();
        for offered in numbers.iter().filter_map(|number| self.position.offered.remove(number)) {
            let seq = offered.seq;
            if seq.is_numbered() {
                let ends = ends_by_stream.entry(offered.stream).or_insert((seq, seq));
                *ends = (ends.0.min(seq), ends.1.max(seq));
            }
        }
        for (stream, (first, last)) in ends_by_stream {
            let gap = Gap::new(stream, first.previous(), last.next());
            self.missing.open(gap.clone());
            self.position.gaps.open(gap);
        }
        for (number, offered) in &self.position.offered {
            if gone.binary_search(number).is_err() {
                self.missing.fill(&offered.stream, offered.seq);
            }
        }
    }

    /// Records the gaps that damage after the last read entry has left.
    pub(super) fn record_gaps(&mut self) -> io::Result<()> {
        let mut scan = RecoveryScan::new(&self.position);
        scan.missing = self.missing.clone();
        let in_flight = self.position.offered.range(..=self.read_number);
        let in_flight = in_flight.map(|(_, offered)| (&offered.stream, offered.seq));
        let taken =
            self.taken.values().map(|(stream, seq): &(ProducerStream, SeqNo)| (stream, *seq));
        for (stream, seq) in in_flight.chain(taken) {
            if !scan.missing.covers(stream, seq) {
                scan.accepted.advance(stream, seq);
            }
        }
        scan.visit(ScanItem::Damage);
        let after = self.read_number;
        for index in self.read.0..self.segments.len() {
            let last = self.segments[index].last;
            match self.rescan_file(index)? {
                Some((_, layout)) => {
                    let is_in = |it: &&Placed| (after + 1..=last).contains(&it.head.number);
                    scan.visit_all(layout.entries.iter().filter(is_in));
                }
                None => scan.visit(ScanItem::Damage),
            }
        }
        (self.missing, self.position.gaps) = (scan.missing, scan.gaps);
        self.journal.mark_stale();
        Ok(())
    }
}
