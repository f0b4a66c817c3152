//! The options in the form in which every record is checked.

use crate::{
    options::{Action, Options},
    rule::{Rule, Rules},
};

/// The rules that bars can break.
const OF_BARS: [Rule; 7] =
    [Rule::Fields, Rule::Price, Rule::Volume, Rule::HighLow, Rule::Range, Rule::Zero, Rule::Amount];

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It passes unchanged.
    Keep,
    /// It passes with that share of rules fulfilled.
    Mark(f32),
    /// It is dropped, for that rule.
    Drop(Rule),
}

/// Which rules are looked at for one kind of record, and what they lead to.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rules that are looked at.
    asked: Rules,
    dropping: Rules,
    score_clean: bool,
}

impl Plan {
    /// For quotes.
    pub fn of_spots(options: &Options) -> Self {
        Self::of(options, &Rule::ALL)
    }

    /// For bars.
    pub fn of_bars(options: &Options) -> Self {
        Self::of(options, &OF_BARS)
    }

    fn of(options: &Options, rules: &[Rule]) -> Self {
        let those = |test: &dyn Fn(Action) -> bool| {
            let rules: Vec<_> =
                rules.iter().copied().filter(|rule| test(options.action(*rule))).collect();
            Rules::of(&rules)
        };
        Self {
            asked: those(&|action| action != Action::Pass),
            dropping: those(&|action| action == Action::Drop),
            score_clean: options.score_clean,
        }
    }

    /// Of the broken rules those that were asked for.
    pub fn asked(&self, broken: Rules) -> Rules {
        broken.and(self.asked)
    }

    /// What becomes of a record that breaks those of the rules asked for.
    pub fn outcome(&self, found: Rules) -> Outcome {
        if let Some(rule) = found.and(self.dropping).iter().next() {
            return Outcome::Drop(rule);
        }
        if found.is_empty() && !self.score_clean {
            return Outcome::Keep;
        }
        Outcome::Mark(self.score(found))
    }

    /// Share of the rules asked for that the record passed.
    #[allow(clippy::cast_precision_loss)] // 17 at most
    fn score(&self, found: Rules) -> f32 {
        let asked = self.asked.len().max(1);
        (asked - found.len().min(asked)) as f32 / asked as f32
    }
}

/// The lower of this score and an earlier one, within 0 and 1.
pub fn combined(earlier: Option<f32>, score: f32) -> f32 {
    earlier.map_or(score, |earlier| earlier.clamp(0.0, 1.0).min(score))
}
