//! Where the quotes of a security begin: the bars before the first one, and those that it began.

use crate::{
    bar::{Bar, Totals},
    options::Rules,
    period::{Period, Slot},
    security::Security,
    security::fill::Fill,
    security::minute::Minute,
    security::row::{Effects, Entry, Row},
};

/// Both sides of the first quote.
#[derive(Debug, Clone, PartialEq)]
pub struct Seam {
    /// Its day, counted from 1970-01-01.
    pub day: i64,
    /// End of its minute, microseconds since 1970 UTC: the last one that history may tell.
    pub end_us: i64,
    /// What was traded up to it.
    pub totals: Totals,
    /// Its price, CNY.
    pub price: f64,
    /// The bars before it, which go on with history.
    pub past: Row,
    /// The bars that it began, as they are or were, by the place of their period.
    pub first: Vec<Option<Bar>>,
}

impl Seam {
    /// Around a quote that is about to enter those bars.
    pub fn new(entry: &Entry, row: &Row, rules: &Rules<'_>) -> Self {
        Self {
            day: entry.moment.day,
            end_us: Period::Minute.slot(entry.moment, rules.hours).end_us,
            totals: entry.totals,
            price: entry.minute.close,
            past: row.clone(),
            first: vec![None; rules.periods.len()],
        }
    }

    /// Whether history may tell that minute.
    pub fn takes(&self, minute: &Minute) -> bool {
        minute.start.day == self.day && minute.end_us <= self.end_us
    }

    /// Keeps the bars that the first quote began as the quotes change them; returns whether it was
    /// the first quote that did.
    pub fn follow(&mut self, row: &Row, rules: &Rules<'_>) -> bool {
        let mut is_first = false;
        for (place, _) in within_day(rules) {
            let Some(bar) = &row.bars[place] else { continue };
            match &mut self.first[place] {
                Some(first) if first.slot == bar.slot => *first = *bar,
                Some(_) => {}
                first => {
                    *first = Some(*bar);
                    is_first = true;
                    // readers know the bar before as complete
                    if let Some(past) = &mut self.past.bars[place] {
                        (past.is_closed, past.is_dirty) = (true, false);
                    }
                }
            }
        }
        is_first
    }

    /// Turnover of the day before the first quote's minute goes on, for a history that tells volumes
    /// alone: what the quote knows, less what was traded since at its price.
    fn amount_before(&self, volume: u64) -> f64 {
        #[allow(clippy::cast_precision_loss)] // shares of one minute
        let since = self.totals.volume.saturating_sub(volume) as f64;
        (self.totals.amount - since * self.price).max(0.0)
    }

    /// The bar that the first quote began as it is with what history tells, which lets go of the bar
    /// before it.
    fn joined(
        &mut self,
        place: usize,
        period: Period,
        amount: Option<f64>,
        closed: &mut Vec<(usize, Bar)>,
    ) -> Option<Bar> {
        let mut joined = self.first[place]?;
        let mut base = self.past.base(place, period, self.day);
        match &mut self.past.bars[place] {
            Some(past) if past.slot.time_us == joined.slot.time_us => {
                joined.join(past);
                base = past.base;
                if let Some(amount) = amount {
                    base.amount = amount - (past.until.amount - past.base.amount);
                }
            }
            past => {
                base.amount = amount.unwrap_or(base.amount);
                if let Some(past) = past.as_mut().filter(|bar| !bar.is_closed || bar.is_dirty) {
                    (past.is_closed, past.is_dirty) = (true, false);
                    closed.push((place, *past));
                }
            }
        }
        joined.base = Totals {
            amount: base.amount.clamp(0.0, joined.until.amount),
            volume: base.volume.min(joined.until.volume),
        };
        Some(joined)
    }
}

impl Security {
    /// Corrects the bars that the first quote began by what history tells. With `fills`, stretches
    /// between both in which nothing was traded have bars, if any have.
    pub fn stitch(&mut self, rules: &Rules<'_>, fills: bool, effects: &mut Effects) {
        let Some(joint) = &mut self.joint else { return };
        let taken = joint.taken;
        let Some(seam) =
            joint.seam.as_mut().filter(|it| it.day == taken.day && it.past.day == it.day)
        else {
            return;
        };
        let amount = taken.lacks_amounts.then(|| seam.amount_before(taken.totals().volume));
        let is_quiet = taken.totals().volume == seam.totals.volume;
        for (place, period) in within_day(rules) {
            let Some(first) = seam.first[place] else { continue };
            if fills && is_quiet && self.watch.is_some() {
                let fill = Fill::behind(seam.day);
                let is_before = |slot: &Slot| slot.time_us < first.slot.time_us;
                seam.past.fill(place, &fill, rules, is_before, &mut effects.closed);
            }
            let Some(joined) = seam.joined(place, period, amount, &mut effects.closed) else {
                continue;
            };
            if joined == first {
                continue;
            }
            seam.first[place] = Some(joined);
            match &mut self.row.bars[place] {
                Some(bar) if bar.slot == joined.slot => {
                    let Bar { is_closed, is_dirty, .. } = *bar;
                    *bar = Bar { is_closed, is_dirty, ..joined };
                    self.row.is_changed(place, effects);
                }
                _ => {
                    let bar = Bar { is_closed: true, is_dirty: false, ..joined };
                    effects.closed.push((place, bar));
                }
            }
        }
    }
}

/// Places of the periods that a day has several bars of.
fn within_day<'a>(rules: &Rules<'a>) -> impl Iterator<Item = (usize, Period)> + use<'a> {
    let periods = rules.periods.iter().copied().enumerate();
    periods.filter(|(_, period)| period.is_within_day())
}
