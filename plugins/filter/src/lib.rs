//! Transform that lets chosen securities, exchanges and kinds of record pass.
//!
//! A batch of which everything passes is handed on as it is, without a copy. One of which nothing is
//! left still goes on, empty, when it opens or closes a round, so that sinks see the round's marks.

mod options;
mod selection;
#[cfg(test)]
mod tests;

use plugin_api::{
    Batch, Context, Output, PluginError, RecordKind, Round, Transform, encode_bars, export_plugin,
};

use options::Options;
use selection::Selection;

struct Filter {
    selection: Selection,
}

impl Transform for Filter {
    type Options = Options;

    fn check(options: &Options, _: &Context) -> Result<(), PluginError> {
        Selection::new(options).map(drop)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let selection = Selection::new(&options)?;
        for symbol in selection.unreachable() {
            context.warn(&format!(
                "{symbol} is among `symbols` but its exchange is not among `markets`, so it never \
                 passes; add the exchange or drop the symbol"
            ));
        }
        Ok(Self { selection })
    }

    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        let kept = match batch.kind() {
            RecordKind::Spot => self.keep_spots(batch)?,
            RecordKind::Bar => self.keep_bars(batch)?,
        };
        if kept.records() > 0 || kept.round() != Round::MIDDLE {
            output.push(kept);
        }
        Ok(())
    }
}

impl Filter {
    fn keep_spots(&self, batch: &Batch) -> Result<Batch, PluginError> {
        let selection = &self.selection;
        if selection.takes_all_of(RecordKind::Spot) {
            return Ok(batch.clone());
        }
        batch.retain_spots(|spot| selection.takes(RecordKind::Spot, spot.market(), spot.code()))
    }

    fn keep_bars(&self, batch: &Batch) -> Result<Batch, PluginError> {
        let selection = &self.selection;
        if selection.takes_all_of(RecordKind::Bar) {
            return Ok(batch.clone());
        }
        let kept: Vec<_> = batch
            .bars()
            .filter(|bar| selection.takes(RecordKind::Bar, bar.symbol.market, bar.symbol.code))
            .collect();
        if u32::try_from(kept.len()) == Ok(batch.records()) {
            return Ok(batch.clone());
        }
        let kept = Batch::from_bars(encode_bars(kept))?;
        Ok(kept.with_round(batch.round()).with_provenance(batch.provenance().clone()))
    }
}

export_plugin! {
    name: "filter",
    description: "Lets chosen securities, exchanges and kinds of record pass",
    author: "dataserver developers",
    transform: Filter,
}
