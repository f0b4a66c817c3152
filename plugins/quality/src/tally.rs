//! Counts what is found, a batch at a time, and shows the first finding of each rule in the log.

use plugin_api::Context;

use crate::{
    plan::Outcome,
    rule::{Rule, Rules},
};

/// What was found since the last report.
#[derive(Debug, Default)]
pub struct Tally {
    found: [u64; Rule::ALL.len()],
    dropped: [u64; Rule::ALL.len()],
    marked: u64,
    shown: Rules,
}

impl Tally {
    /// Counts a record that broke those rules; `describe` says which it is.
    pub fn note(
        &mut self,
        context: &Context,
        found: Rules,
        outcome: Outcome,
        describe: impl Fn() -> String,
    ) {
        for rule in found.iter() {
            self.found[rule as usize] += 1;
            if !self.shown.has(rule) {
                self.shown = self.shown.with(rule);
                let about = rule.about();
                context.warn(&format!(
                    "{} {}; from here on `{}` is only counted, in {}",
                    describe(),
                    about.finding,
                    about.name,
                    about.counter
                ));
            }
        }
        match outcome {
            Outcome::Keep => {}
            Outcome::Mark(_) => self.marked += 1,
            Outcome::Drop(rule) => self.dropped[rule as usize] += 1,
        }
    }

    /// Tells the host and starts anew.
    pub fn report(&mut self, context: &Context) {
        for rule in Rule::ALL {
            let about = rule.about();
            let found = std::mem::take(&mut self.found[rule as usize]);
            if found > 0 {
                context.count(about.counter, found);
            }
            let dropped = std::mem::take(&mut self.dropped[rule as usize]);
            if dropped > 0 {
                context.dropped(about.name, dropped);
            }
        }
        let marked = std::mem::take(&mut self.marked);
        if marked > 0 {
            context.count("quality_marked_total", marked);
        }
    }
}
