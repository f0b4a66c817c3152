//! Scans the segments of a spool for what is intact and what is lost.

use std::collections::{HashMap, HashSet};

use super::{
    RecoveryReport,
    entry::{Head, Tally},
    gaps::{Gap, Gaps},
    layout::Placed,
    position::Position,
    streams::{ProducerStream, SeqNo, StreamTable},
};

/// What a scan visits.
pub(super) enum ScanItem<'a> {
    /// An intact entry, with the bytes of its payload.
    Entry(&'a Head, u64),
    /// Damage that may have lost entries.
    Damage,
}

/// What the segments hold, beyond the position.
pub(super) struct RecoveryScan<'a> {
    pub position: &'a Position,
    pub found: RecoveryReport,
    pub accepted: StreamTable,
    pub missing: Gaps,
    pub gaps: Gaps,
    /// After damage: the last number of each stream before it, until the stream continues.
    before_damage: Option<HashMap<ProducerStream, Option<SeqNo>>>,
    /// Resent entries, out of their stream's order.
    resent: Vec<(ProducerStream, SeqNo)>,
    /// Numbers of offered entries that are intact.
    pub present: HashSet<u64>,
    /// Everything intact up to that number is delivered.
    pub delivered: u64,
    /// What had come by the end of the segment that was looked into last.
    pub behind: Option<Tally>,
}

impl<'a> RecoveryScan<'a> {
    pub fn new(position: &'a Position) -> Self {
        Self {
            position,
            found: RecoveryReport::default(),
            accepted: position.streams.clone(),
            missing: position.gaps.clone(),
            gaps: position.gaps.clone(),
            before_damage: None,
            resent: Vec::new(),
            present: HashSet::new(),
            delivered: position.committed,
            behind: None,
        }
    }

    /// Visits entries in order.
    pub fn visit_all<'b>(&mut self, entries: impl Iterator<Item = &'b Placed>) {
        for entry in entries {
            if entry.after_damage {
                self.visit(ScanItem::Damage);
            }
            self.visit(ScanItem::Entry(&entry.head, entry.payload));
        }
    }

    pub fn visit(&mut self, seen: ScanItem<'_>) {
        match seen {
            ScanItem::Damage => self.visit_damage(),
            // damage before this was in delivered entries
            ScanItem::Entry(head, _) if head.number <= self.position.committed => {
                self.before_damage = None;
            }
            ScanItem::Entry(head, bytes) => self.visit_entry(head, bytes),
        }
    }

    fn visit_damage(&mut self) {
        let is_first = self.before_damage.is_none();
        let before = self.before_damage.get_or_insert_default();
        for (stream, seq) in self.accepted.by_use() {
            match before.get_mut(stream) {
                Some(gone_on @ None) => *gone_on = Some(seq),
                None if is_first => {
                    before.insert(stream.clone(), Some(seq));
                }
                // the stream has not continued since earlier damage
                Some(Some(_)) | None => {}
            }
        }
    }

    /// Detects the gap that damage left in a stream, when the stream continues.
    fn detect_gap(&mut self, stream: &ProducerStream, seq: SeqNo) {
        let Some(before) = &mut self.before_damage else { return };
        let after = match before.get(stream) {
            Some(None) => return,
            Some(Some(after)) => *after,
            None => SeqNo::default(),
        };
        if after < seq {
            before.insert(stream.clone(), None);
            let gap = Gap::new(stream.clone(), after, seq);
            self.missing.open(gap.clone());
            self.gaps.open(gap);
            self.resent.iter().for_each(|(stream, seq)| self.missing.fill(stream, *seq));
        }
    }

    fn visit_entry(&mut self, head: &Head, bytes: u64) {
        let Head { number, stream, seq, .. } = head;
        if self.gaps.covers(stream, *seq) {
            // a resent entry does not advance its stream
            self.missing.fill(stream, *seq);
            self.resent.push((stream.clone(), *seq));
        } else {
            self.detect_gap(stream, *seq);
            self.accepted.advance(stream, *seq);
        }
        let offered = self.position.offered.get(number);
        let offered = offered.filter(|it| (&it.stream, it.seq) == (stream, *seq));
        if offered.is_some() {
            self.present.insert(*number);
        }
        if offered.is_some_and(|it| it.done) {
            if self.found.entries == 0 {
                self.delivered = *number;
            }
        } else {
            self.found.entries += 1;
            self.found.records += u64::from(head.records);
            self.found.bytes += bytes;
        }
    }
}
