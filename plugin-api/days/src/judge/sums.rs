//! Minutes against the day.

use super::{Missing, Question};
use crate::{SumFault, cells::BarState, facts::BarRows, totals::reaches_close};

/// How far turnovers may differ, as a share: vendors round each bar.
const SLACK: f64 = 1e-4;
/// Cents in a yuan.
const FEN: f64 = 100.0;

/// The bars of a security against its day.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    volume: u64,
    amount: f64,
    day_volume: u64,
    day_amount: f64,
}

impl Sums {
    /// The sums; `None` where the bars or the day do not tell them.
    #[allow(clippy::cast_precision_loss)] // cents of a day
    pub fn of(question: &Question<'_>, period: u32, rows: &BarRows, id: u32) -> Option<Self> {
        let total = question.facts.totals.get(&id)?;
        let name = question.periods.name(period);
        if !reaches_close(total, question.day, question.rules.close()) || name == "day" {
            return None;
        }
        let (day_volume, day_amount) = total.of_day()?;
        if let Some((volume, amount)) = total.minutes {
            // the day was sealed, so the bars themselves do not tell
            let is_known = name == "1m" && !total.is_unsettled();
            return is_known.then_some(Self { volume, amount, day_volume, day_amount });
        }
        let there = rows.values().filter_map(|cells| cells.get(id as usize));
        let (mut volume, mut fen, mut bars) = (0_u64, 0_u64, 0_u64);
        for cell in there.filter(|cell| cell.state == BarState::There) {
            volume = volume.saturating_add(cell.volume);
            fen = fen.saturating_add(cell.fen);
            bars += 1;
        }
        (bars > 0).then_some(Self { volume, amount: fen as f64 / FEN, day_volume, day_amount })
    }

    /// Whether the bars have all that was traded.
    pub fn are_same_volume(&self) -> bool {
        self.volume == self.day_volume
    }

    fn are_same(&self) -> bool {
        let apart = (self.amount - self.day_amount).abs();
        self.are_same_volume() && apart <= self.day_amount.abs().max(1.0) * SLACK
    }
}

/// Securities whose 1m bars do not sum to their day, though none of them is missing.
pub fn judge(question: &Question<'_>, missing: &Missing) -> Vec<SumFault> {
    let Some(period) = question.periods.find("1m") else { return Vec::new() };
    let Some(rows) = question.facts.bars.get(&period).filter(|_| !missing.is_market) else {
        return Vec::new();
    };
    let whole = question.facts.totals.keys().filter(|id| !missing.lacking.contains(id));
    let fault = |id: &u32| {
        let sums = Sums::of(question, period, rows, *id).filter(|sums| !sums.are_same())?;
        Some(SumFault {
            symbol: question.securities.name(*id).to_owned(),
            minutes_volume: sums.volume,
            day_volume: sums.day_volume,
            minutes_amount: sums.amount,
            day_amount: sums.day_amount,
        })
    };
    let mut faults: Vec<_> = whole.filter_map(fault).collect();
    faults.sort_by(|one, other| one.symbol.cmp(&other.symbol));
    faults
}
