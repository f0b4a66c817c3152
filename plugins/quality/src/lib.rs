//! Transform that drops or marks bad records.
//!
//! Every record is measured against the rules in [`options`]; for each it is said whether a record
//! that breaks it is dropped, marked with a score below 1, or not looked at. The score is the share
//! of the rules looked at that the record passed. A batch in which nothing is found is handed on as
//! it is, without a copy.
//!
//! Nothing here asks for the time: how old a quote was is told by its time of receipt, so a replay
//! gives what the live run gave.

mod bars;
mod board;
mod checks;
mod handover;
mod history;
mod key;
mod options;
mod plan;
mod quote;
mod rule;
mod session;
mod tally;
#[cfg(test)]
mod tests;

use plugin_api::{
    BarRecord, Batch, Context, Output, PluginError, RecordKind, Round, Transform, encode_bars,
    export_plugin,
};

use checks::Measures;
use history::History;
use key::Key;
use options::Options;
use plan::{Outcome, Plan, combined};
use quote::Quote;
use rule::{Rule, Rules};
use tally::Tally;

struct Quality {
    context: Context,
    spots: Plan,
    bars: Plan,
    measures: Measures,
    history: History,
    tally: Tally,
    /// What becomes of each record of the batch at hand; kept for its memory.
    outcomes: Vec<Outcome>,
}

impl Transform for Quality {
    type Options = Options;

    fn check(options: &Options, _: &Context) -> Result<(), PluginError> {
        options.check()
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        options.check()?;
        Ok(Self {
            context,
            spots: Plan::of_spots(&options),
            bars: Plan::of_bars(&options),
            measures: Measures::new(options.bands, *options.stale_after),
            history: History::default(),
            tally: Tally::default(),
            outcomes: Vec::new(),
        })
    }

    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        self.outcomes.clear();
        let judged = match batch.kind() {
            RecordKind::Spot => self.judge_spots(batch)?,
            RecordKind::Bar => self.judge_bars(batch)?,
            // there are no rules for other kinds
            _ => batch.clone(),
        };
        self.tally.report(&self.context);
        if judged.records() > 0 || judged.round() != Round::MIDDLE {
            output.push(judged);
        }
        Ok(())
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        Ok(Some(handover::write(&self.history)))
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        self.history = handover::read(state)?;
        Ok(())
    }
}

impl Quality {
    fn judge_spots(&mut self, batch: &Batch) -> Result<Batch, PluginError> {
        let plan = self.spots;
        for view in batch.spots().iter() {
            let quote = Quote::read(view);
            let found = plan.asked(self.broken(&quote));
            let outcome = plan.outcome(found);
            if !found.is_empty() {
                self.tally.note(&self.context, found, outcome, || describe_spot(&quote));
            }
            self.outcomes.push(outcome);
        }
        if self.all_keep() {
            return Ok(batch.clone());
        }
        let mut outcomes = self.outcomes.iter();
        batch.map_spots(|mut spot| {
            match outcomes.next() {
                None | Some(Outcome::Keep) => {}
                Some(Outcome::Drop(_)) => return None,
                Some(Outcome::Mark(score)) => {
                    spot.quality_score = Some(combined(spot.quality_score, *score));
                }
            }
            Some(spot)
        })
    }

    /// Every rule that the quote breaks, by itself and against those before it.
    fn broken(&mut self, quote: &Quote<'_>) -> Rules {
        const GARBAGE: Rules = Rules::NONE.with(Rule::Fields).with(Rule::Price).with(Rule::Volume);
        let mut broken = self.measures.check(quote);
        let key = Key::of(quote.market, quote.code);
        broken.add_if(key.is_none(), Rule::Fields);
        match key {
            Some(key) if broken.and(GARBAGE).is_empty() => {
                broken.or(self.history.see(key, quote, broken))
            }
            _ => broken,
        }
    }

    fn judge_bars(&mut self, batch: &Batch) -> Result<Batch, PluginError> {
        for bar in batch.bars() {
            let found = self.bars.asked(bars::check(&bar));
            let outcome = self.bars.outcome(found);
            if !found.is_empty() {
                self.tally.note(&self.context, found, outcome, || describe_bar(&bar));
            }
            self.outcomes.push(outcome);
        }
        if self.all_keep() {
            return Ok(batch.clone());
        }
        let judged = batch.bars().zip(&self.outcomes).filter_map(|(bar, outcome)| match outcome {
            Outcome::Keep => Some(bar),
            Outcome::Drop(_) => None,
            Outcome::Mark(score) => {
                let quality_score = Some(combined(bar.quality_score, *score));
                Some(BarRecord { quality_score, ..bar })
            }
        });
        let judged = Batch::from_bars(encode_bars(judged))?;
        Ok(judged.with_round(batch.round()).with_provenance(batch.provenance().clone()))
    }

    fn all_keep(&self) -> bool {
        self.outcomes.iter().all(|outcome| *outcome == Outcome::Keep)
    }
}

fn describe_spot(quote: &Quote<'_>) -> String {
    let Quote { market, code, pre_close, open, high, low, close, volume, amount, .. } = quote;
    format!(
        "{code}.{market} {} (previous close {pre_close}, open {open}, high {high}, low {low}, \
         close {close}, volume {volume}, amount {amount}, bid {}, ask {})",
        quote.datetime(),
        quote.bid.best(),
        quote.ask.best()
    )
}

fn describe_bar(bar: &BarRecord<'_>) -> String {
    let BarRecord { symbol, period, time_us, open, high, low, close, .. } = bar;
    format!(
        "bar {symbol} {period} ending {time_us} us (open {open}, high {high}, low {low}, close \
         {close}, volume {}, amount {})",
        bar.volume_shares, bar.amount_cny
    )
}

export_plugin! {
    name: "quality",
    description: "Drops or marks bad records",
    author: "dataserver developers",
    transform: Quality,
}
