//! Bars that are missing.

use super::{
    FEW, Missing, Question, Traded,
    slots::{Slot, slots},
    stretches,
    sums::Sums,
};
use crate::{
    Gap,
    bits::Bits,
    cells::{BarCell, BarState},
    facts::BarRows,
};

/// A period of which nine in ten securities have bars is expected of all.
const MOST: (u64, u64) = (9, 10);

/// Finds what is missing, period by period; tells what is absent and need not be there.
pub fn judge(
    question: &Question<'_>,
    expected: &Bits,
    missing: &mut Missing,
) -> Vec<(u32, u16, u32)> {
    let none = BarRows::new();
    let known = question.facts.bars.keys().copied();
    // of a day without anything, what the day before had
    let before = question.before.filter(|_| !question.facts.is_known);
    let mut periods: Vec<u32> =
        known.chain(before.iter().flat_map(|before| before.periods.iter().copied())).collect();
    periods.sort_unstable();
    periods.dedup();
    let mut excused = Vec::new();
    for period in periods {
        let rows = question.facts.bars.get(&period).unwrap_or(&none);
        let one = OnePeriod::new(question, period, rows, expected);
        one.judge(missing, &mut excused);
    }
    excused
}

struct OnePeriod<'a> {
    question: &'a Question<'a>,
    period: u32,
    rows: &'a BarRows,
    slots: Vec<Slot>,
    /// Securities of which bars are expected.
    covered: Bits,
}

/// What is thought of one bar of one security.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bar {
    There,
    Excused,
    Missing,
}

impl<'a> OnePeriod<'a> {
    fn new(question: &'a Question<'a>, period: u32, rows: &'a BarRows, expected: &Bits) -> Self {
        let name = question.periods.name(period);
        let mut have = Bits::default();
        for cells in rows.values() {
            let there = cells.iter().zip(0..).filter(|(cell, _)| cell.state == BarState::There);
            there.for_each(|(_, id)| have.add(id));
        }
        let having: Bits = expected.iter().filter(|id| have.has(*id)).collect();
        let is_for_all = having.count() * MOST.1 >= expected.count() * MOST.0 || rows.is_empty();
        let covered = if is_for_all { expected.clone() } else { having };
        Self { question, period, rows, slots: slots(question, name, rows), covered }
    }

    fn judge(&self, missing: &mut Missing, excused: &mut Vec<(u32, u16, u32)>) {
        let securities: Vec<u32> = self.covered.iter().collect();
        let bars: Vec<Vec<Bar>> = securities.iter().map(|id| self.bars_of(*id)).collect();
        let is_market: Vec<bool> =
            (0..self.slots.len()).map(|at| self.is_market(bars.iter().map(|it| it[at]))).collect();
        let sessions = self.by_session(|at| is_market[at]);
        missing.is_market |= !sessions.is_empty();
        for (first, last) in sessions {
            missing.gaps.push(self.gap("*", first, last, self.covered.count()));
        }
        for (id, bars) in securities.into_iter().zip(&bars) {
            let own = self.by_session(|at| bars[at] == Bar::Missing && !is_market[at]);
            let name = self.question.securities.name(id);
            for (first, last) in own {
                missing.lacking.insert(id);
                missing.gaps.push(self.gap(name, first, last, 1));
            }
            let free = (0..self.slots.len()).filter(|at| bars[*at] == Bar::Excused);
            excused.extend(free.map(|at| (self.period, self.slots[at].label, id)));
        }
    }

    fn bars_of(&self, id: u32) -> Vec<Bar> {
        let cell = |slot: &Slot| -> BarCell {
            let row = self.rows.get(&slot.label);
            row.and_then(|row| row.get(id as usize)).copied().unwrap_or_default()
        };
        let bar = |slot: &Slot| match cell(slot).state {
            BarState::There => Bar::There,
            BarState::Excused => Bar::Excused,
            BarState::Absent => Bar::Missing,
        };
        let mut bars: Vec<_> = self.slots.iter().map(bar).collect();
        if !bars.contains(&Bar::Missing) {
            return bars;
        }
        // nothing can be missing where the bars have all that was traded; but a bar behind an outage
        // has what was traded in it
        let sums = Sums::of(self.question, self.period, self.rows, id);
        let has_all = sums.is_some_and(|sums| sums.are_same_volume());
        let traded = Traded::of(self.question.facts, self.question.rules, id);
        for (bar, slot) in bars.iter_mut().zip(&self.slots) {
            let was_quiet = traded.has_quotes && !traded.within(slot.from, slot.to);
            let is_elsewhere = has_all && !traded.is_unseen(slot.from, slot.to);
            if *bar == Bar::Missing && (is_elsewhere || was_quiet) {
                *bar = Bar::Excused;
            }
        }
        bars
    }

    /// Whether a bar is missing of all, or nearly all.
    fn is_market(&self, bars: impl Iterator<Item = Bar>) -> bool {
        let (mut all, mut there, mut missing) = (0, 0, 0);
        for bar in bars {
            all += 1;
            there += u64::from(bar == Bar::There);
            missing += u64::from(bar == Bar::Missing);
        }
        there * FEW < all && missing * 2 > all
    }

    /// Stretches of slots that do not go from one session to the next.
    fn by_session(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (first, last) in stretches((0..self.slots.len()).filter(|at| is_wanted(*at))) {
            let mut from = first;
            for at in first..=last {
                let ends = at == last || self.slots[at].session != self.slots[at + 1].session;
                if ends {
                    found.push((from, at));
                    from = at + 1;
                }
            }
        }
        found
    }

    fn gap(&self, symbol: &str, first: usize, last: usize, securities: u64) -> Gap {
        let day = self.question.day;
        Gap {
            symbol: symbol.to_owned(),
            kind: "bar".to_owned(),
            from: day.minute_text(self.slots[first].label),
            to: day.minute_text(self.slots[last].label),
            records: (last - first + 1) as u64 * securities.max(1),
            period: Some(self.question.periods.name(self.period).to_owned()),
        }
    }
}
