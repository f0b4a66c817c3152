//! What a day lacks. Everything here is a function of what is known of the day; the rules stand in the
//! documentation of the crate.

mod bars;
mod rounds;
mod slots;
mod spots;
mod sums;
mod traded;

use std::collections::HashSet;

use crate::{
    Day, Gap, Rounds, Rules, SumFault,
    bits::Bits,
    facts::{Before, Facts},
    names::Names,
    totals::has_market_opened,
};

pub use traded::Traded;

/// A market of which less than one in so many securities gave something gave nothing.
const FEW: u64 = 100;

/// What is asked of a day.
pub struct Question<'a> {
    /// The day.
    pub day: Day,
    /// What came.
    pub facts: &'a Facts,
    /// What came before it.
    pub before: Option<&'a Before>,
    /// What is expected.
    pub rules: &'a Rules,
    /// Names of securities.
    pub securities: &'a Names,
    /// Names of periods.
    pub periods: &'a Names,
    /// First minute that need not have come yet.
    pub until: u16,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Finding {
    /// Securities that were to come.
    pub expected: Bits,
    /// Of these, those that lack nothing.
    pub complete: u64,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// Rounds of the market.
    pub rounds: Rounds,
    /// Minutes that do not sum to the day.
    pub sums: Vec<SumFault>,
    /// Bars that are not there and need not be: period, minute, security.
    pub excused: Vec<(u32, u16, u32)>,
}

/// What is missing, before it is told.
#[derive(Debug, Default)]
struct Missing {
    gaps: Vec<Gap>,
    /// Securities that lack something of their own.
    lacking: HashSet<u32>,
    /// All of them lack something.
    is_market: bool,
}

/// Judges a day.
pub fn judge(question: &Question<'_>) -> Finding {
    let expected = expected(question);
    let mut missing = Missing::default();
    let mut finding = Finding::default();
    if question.expects_spots() {
        finding.rounds = spots::judge(question, &expected, &mut missing);
    }
    finding.excused = bars::judge(question, &expected, &mut missing);
    finding.sums = sums::judge(question, &missing);
    let complete = expected.iter().filter(|id| !missing.lacking.contains(id)).count() as u64;
    finding.complete = if missing.is_market { 0 } else { complete };
    finding.gaps = missing.gaps;
    // `*` sorts before all digits
    finding.gaps.sort();
    finding.expected = expected;
    finding
}

impl Question<'_> {
    fn expects_spots(&self) -> bool {
        !self.facts.spots.is_empty() || self.before.is_some_and(|before| before.has_spots)
    }
}

/// The universe, or who came on this day and the last complete one, less those that do not trade.
fn expected(question: &Question<'_>) -> Bits {
    let Question { facts, before, .. } = question;
    let mut expected = match (&facts.universe, before) {
        (Some(universe), _) => universe.clone(),
        (None, Some(before)) => {
            let mut both = before.securities.clone();
            both.add_all(&facts.seen());
            both
        }
        (None, None) => facts.seen(),
    };
    let has_opened = has_market_opened(&facts.totals);
    for (id, total) in &facts.totals {
        if total.is_suspended(has_opened) {
            expected.remove(*id);
        }
    }
    for id in before.iter().flat_map(|before| before.suspended.iter()) {
        if !facts.totals.contains_key(&id) {
            expected.remove(id);
        }
    }
    expected
}

/// Joins neighbours of a list of places into stretches from one to another, both included.
fn stretches(places: impl IntoIterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == place => *last = place,
            _ => stretches.push((place, place)),
        }
    }
    stretches
}
