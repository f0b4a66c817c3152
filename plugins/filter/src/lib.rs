//! Transform that lets chosen securities, exchanges, kinds of record and parts of the day pass.
//!
//! A batch of which everything passes is handed on as it is, without a copy. One of which nothing is
//! left still goes on, empty, when it opens or closes a round, so that sinks see the round's marks.

mod options;
mod selection;
#[cfg(test)]
mod tests;

use plugin_api::{
    Batch, Context, Output, PluginError, RecordKind, Round, Symbol, Transform, export_plugin,
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
        let kept = self.keep(batch)?;
        if kept.records() > 0 || kept.round() != Round::MIDDLE {
            output.push(kept);
        }
        Ok(())
    }
}

impl Filter {
    fn keep(&self, batch: &Batch) -> Result<Batch, PluginError> {
        let (selection, kind) = (&self.selection, batch.kind());
        if selection.takes_all_of(kind) {
            return Ok(batch.clone());
        }
        let takes = |symbol: Symbol<'_>| selection.takes(kind, symbol.market, symbol.code);
        if kind == RecordKind::Spot && selection.asks_for_phases() {
            return batch.retain_spots(|spot| selection.takes_phase(spot) && takes(spot.symbol()));
        }
        batch.retain(takes)
    }
}

export_plugin! {
    name: "filter",
    description: "Lets chosen securities, exchanges and kinds of record pass",
    author: "dataserver developers",
    transform: Filter,
}
