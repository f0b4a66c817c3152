//! Which days are kept.

use std::collections::BTreeSet;

/// The newest days that had records.
///
/// Days without trading do not count, so that Friday is there on Sunday.
#[derive(Debug)]
pub struct Days {
    most: usize,
    seen: BTreeSet<i64>,
    /// The first day of all, begun by a quote whose time nothing confirmed yet.
    doubtful: Option<i64>,
    /// Days before that one were given up.
    first: i64,
}

/// What a record's day means for what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is one of the days that are kept.
    Kept,
    /// It is a new one, in whose place all days before that one go.
    Begins(i64),
    /// It is older than the days that are kept.
    Outdated,
}

impl Days {
    /// Keeps so many days, at least one.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), seen: BTreeSet::new(), doubtful: None, first: i64::MIN }
    }

    /// Gives the oldest day up, unless it is the only one; returns the oldest that is left.
    pub fn evict_oldest(&mut self) -> Option<i64> {
        if self.seen.len() < 2 {
            return None;
        }
        self.seen.pop_first();
        self.first = self.seen.first().copied()?;
        Some(self.first)
    }

    /// Whether records of that day are kept at once: it has begun, or nothing has.
    pub fn has_room_for(&self, day: i64) -> bool {
        self.seen.is_empty() || self.seen.contains(&day)
    }

    /// Begins the first day of all with a record whose time is in doubt.
    pub fn doubt(&mut self, day: i64) {
        if self.seen.is_empty() {
            self.doubtful = Some(day);
        }
    }

    /// Notes that a day has a record whose time is believed; returns the day in doubt that lies ahead
    /// of it, which then is none.
    pub fn believe(&mut self, day: i64) -> Option<i64> {
        let refuted = self.doubtful.take().filter(|doubtful| *doubtful > day)?;
        self.seen.remove(&refuted);
        Some(refuted)
    }

    /// Takes a record's day in, counted from 1970-01-01.
    pub fn see(&mut self, day: i64) -> Verdict {
        if self.seen.contains(&day) {
            return Verdict::Kept;
        }
        let is_full = self.seen.len() == self.most;
        let is_oldest = self.seen.first().is_some_and(|oldest| day < *oldest);
        if day < self.first || is_full && is_oldest {
            return Verdict::Outdated;
        }
        self.seen.insert(day);
        if is_full {
            self.seen.pop_first();
        }
        Verdict::Begins(self.seen.first().copied().unwrap_or(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_days_that_had_records_are_kept() {
        let mut days = Days::new(2);
        assert_eq!(days.see(5), Verdict::Begins(5));
        assert_eq!(days.see(5), Verdict::Kept);
        assert_eq!(days.see(3), Verdict::Begins(3), "there is still room");
        assert_eq!(days.see(2), Verdict::Outdated);
        assert_eq!(days.see(8), Verdict::Begins(5));
        assert_eq!(days.see(3), Verdict::Outdated);
        assert_eq!(days.see(6), Verdict::Begins(6), "a day between two takes the oldest's place");
        assert_eq!(Days::new(0).see(1), Verdict::Begins(1));
    }

    #[test]
    fn a_first_day_in_doubt_makes_room_for_one_that_is_believed() {
        let mut days = Days::new(1);
        days.doubt(9);
        days.see(9);
        assert!(days.has_room_for(9) && !days.has_room_for(5));
        assert_eq!(days.believe(5), Some(9));
        assert_eq!(days.see(5), Verdict::Begins(5));
        assert_eq!((days.believe(7), days.see(7)), (None, Verdict::Begins(7)));
    }

    #[test]
    fn a_day_that_was_given_up_does_not_come_back() {
        let mut days = Days::new(3);
        (1..=3).for_each(|day| {
            days.see(day);
        });
        assert_eq!(days.evict_oldest(), Some(2));
        assert_eq!(days.see(1), Verdict::Outdated);
        assert_eq!(days.evict_oldest(), Some(3));
        assert_eq!(days.evict_oldest(), None, "the newest stays");
        assert_eq!(days.see(4), Verdict::Begins(3), "there is room for as many as ever");
    }
}
