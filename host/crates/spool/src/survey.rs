//! What the segments of a spool have, and what damage has cost.

use std::collections::{HashMap, HashSet};

use super::{
    Found,
    entry::Head,
    gaps::{Gap, Gaps},
    lanes::{Lane, Lanes, Mark},
    layout::Placed,
    position::Position,
};

/// What a survey comes upon.
pub(super) enum Seen<'a> {
    /// A whole entry, with the bytes of its payload.
    Entry(&'a Head, u64),
    /// Something that may have cost entries.
    Damage,
}

/// What the segments have, beyond what the position knows.
pub(super) struct Survey<'a> {
    pub position: &'a Position,
    pub found: Found,
    pub accepted: Lanes,
    pub missing: Gaps,
    pub gaps: Gaps,
    /// Behind damage, how far each lane had come before it, until it goes on.
    before_damage: Option<HashMap<Lane, Option<Mark>>>,
    /// What came again, out of the order of its lane.
    again: Vec<(Lane, Mark)>,
    /// What was offered and is there.
    pub there: HashSet<u64>,
    /// Up to that number everything that is there is delivered.
    pub delivered: u64,
}

impl<'a> Survey<'a> {
    pub fn new(position: &'a Position) -> Self {
        Self {
            position,
            found: Found::default(),
            accepted: position.lanes.clone(),
            missing: position.gaps.clone(),
            gaps: position.gaps.clone(),
            before_damage: None,
            again: Vec::new(),
            there: HashSet::new(),
            delivered: position.committed,
        }
    }

    /// Sees entries in order.
    pub fn see_all<'b>(&mut self, entries: impl Iterator<Item = &'b Placed>) {
        for entry in entries {
            if entry.after_damage {
                self.see(Seen::Damage);
            }
            self.see(Seen::Entry(&entry.head, entry.payload));
        }
    }

    pub fn see(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Damage => self.see_damage(),
            // what was damaged before it was delivered
            Seen::Entry(head, _) if head.number <= self.position.committed => {
                self.before_damage = None;
            }
            Seen::Entry(head, bytes) => self.see_entry(head, bytes),
        }
    }

    fn see_damage(&mut self) {
        let is_first = self.before_damage.is_none();
        let before = self.before_damage.get_or_insert_default();
        for (lane, mark) in self.accepted.by_use() {
            match before.get_mut(lane) {
                Some(gone_on @ None) => *gone_on = Some(mark),
                None if is_first => {
                    before.insert(lane.clone(), Some(mark));
                }
                // it has not gone on since the damage before
                Some(Some(_)) | None => {}
            }
        }
    }

    /// Finds what damage has cost a lane, once that goes on.
    fn look_for_gap(&mut self, lane: &Lane, mark: Mark) {
        let Some(before) = &mut self.before_damage else { return };
        let after = match before.get(lane) {
            Some(None) => return,
            Some(Some(after)) => *after,
            None => Mark::default(),
        };
        if after < mark {
            before.insert(lane.clone(), None);
            let gap = Gap::new(lane.clone(), after, mark);
            self.missing.open(gap.clone());
            self.gaps.open(gap);
            self.again.iter().for_each(|(lane, mark)| self.missing.fill(lane, *mark));
        }
    }

    fn see_entry(&mut self, head: &Head, bytes: u64) {
        let Head { number, lane, mark, .. } = head;
        if self.gaps.are_around(lane, *mark) {
            // it says nothing about how far its lane has come
            self.missing.fill(lane, *mark);
            self.again.push((lane.clone(), *mark));
        } else {
            self.look_for_gap(lane, *mark);
            self.accepted.raise(lane, *mark);
        }
        let offered = self.position.offered.get(number);
        let offered = offered.filter(|it| (&it.lane, it.mark) == (lane, *mark));
        if offered.is_some() {
            self.there.insert(*number);
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
