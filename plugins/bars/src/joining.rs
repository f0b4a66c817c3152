//! The book takes minutes of history in, and tells when they do not reach the quotes.

use plugin_api::{
    Batch,
    schemas::time::{ExchangeTime, SECOND_US},
};

use crate::{
    book::Book,
    hours::MINUTE_US,
    options::Rules,
    period::{Period, midnight_us},
    security::Security,
    security::minute::Minute,
};

/// How far a minute of history may end ahead of the clock, as the minute under way does.
const AHEAD_US: i64 = 60 * SECOND_US;

/// What a batch of history brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Brought {
    /// Minutes that changed bars.
    pub minutes: u64,
    /// Bars of no use: no minutes of today, or impossible numbers.
    pub bad: u64,
    /// Of securities for which there is no room.
    pub no_room: u64,
}

/// How history and quotes meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joined {
    /// Securities of which both are there.
    pub securities: u64,
    /// Securities of which something was traded between both, and the minutes that are missing there.
    pub with_gap: u64,
    pub gap_minutes: u64,
}

impl Book {
    /// Takes the minutes of a batch of history at that moment of the clock.
    pub fn take_history(&mut self, batch: &Batch, now_us: i64) -> Brought {
        let mut brought = Brought::default();
        let mut last = None;
        for bar in batch.bars() {
            let source = match bar.source {
                "" => batch.provenance().source(),
                source => source,
            };
            let origin = self.origins.of_bar(source);
            let minute = Minute::read(&bar, origin);
            let minute = minute.filter(|minute| self.is_of_today(minute, now_us));
            let Some(minute) = minute else {
                brought.bad += 1;
                continue;
            };
            let Some(index) = self.find(bar.symbol.market, bar.symbol.code, true) else {
                brought.no_room += 1;
                continue;
            };
            if let Some(before) = last.replace(index).filter(|before| *before != index) {
                self.stitch(before);
            }
            self.reach_us = self.reach_us.max(minute.end_us);
            let (security, rules) = self.securities.of(index, &self.settings);
            let is_new = security.take_minute(&minute, &rules, &mut self.effects);
            brought.minutes += u64::from(is_new);
            self.collect(index);
        }
        if let Some(index) = last {
            self.stitch(index);
        }
        brought
    }

    fn stitch(&mut self, index: usize) {
        let (security, rules) = self.securities.of(index, &self.settings);
        security.stitch(&rules, true, &mut self.effects);
        self.collect(index);
    }

    fn is_of_today(&self, minute: &Minute, now_us: i64) -> bool {
        let newest_us = self.feed.newest_us().unwrap_or(now_us);
        let is_day = |time_us| ExchangeTime::from_utc_us(time_us).day == minute.start.day;
        let latest_us = newest_us.max(now_us).saturating_add(AHEAD_US);
        (is_day(newest_us) || is_day(now_us)) && minute.end_us <= latest_us
    }

    /// Ends the joining of the securities of which history came: no more is expected. Days follow
    /// from it where no quote tells them.
    pub fn settle_history(&mut self) -> Joined {
        let mut joined = Joined::default();
        for index in 0..self.securities.len() {
            let reach_us = self.reach_us;
            let (security, rules) = self.securities.of(index, &self.settings);
            if let Some(gap) = security.settle(reach_us, &rules) {
                joined.securities += 1;
                joined.with_gap += u64::from(gap > 0);
                joined.gap_minutes += gap;
            }
            security.assume_day(&rules, &mut self.effects);
            self.collect(index);
        }
        joined
    }
}

impl Security {
    /// Lets go of the seam once history came; returns the minutes that are missing in front of it.
    fn settle(&mut self, reach_us: i64, rules: &Rules<'_>) -> Option<u64> {
        let joint = self.joint.as_mut()?;
        let day = joint.taken.day;
        let seam = joint.seam.take_if(|seam| seam.day == day)?;
        if seam.totals.volume <= joint.taken.totals().volume {
            return Some(0);
        }
        let from_us = joint.taken.last_us.max(reach_us) - midnight_us(day);
        let until_us = seam.end_us - midnight_us(day) - MINUTE_US;
        let (mut at_us, mut minutes) = (from_us, 0);
        while let Some(of_day_us) = rules.hours.next_open(at_us).filter(|at_us| *at_us < until_us) {
            at_us = Period::Minute.slot(ExchangeTime { day, of_day_us }, rules.hours).time_us
                - midnight_us(day);
            minutes += 1;
        }
        Some(minutes)
    }
}
