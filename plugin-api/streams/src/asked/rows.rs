//! The records of entries that are asked for.

use kit::history::{Span, Wanted};
use plugin_api::{
    BarRecord, Batch, PluginError, RecordKind, Round, SpotListEncoder, Symbol, encode_bars,
    schemas::records::{OwnedRecord, bar::OwnedBar},
};

use crate::{
    record::{self, Book, Content},
    server::{Entry, EntryId},
    source::payload,
};

/// What is made of entries.
pub struct Rows {
    /// The wanted records.
    pub batches: Vec<Batch>,
    /// Entries that are no records, with the reason.
    pub bad: Vec<(EntryId, String)>,
}

/// The wanted records of a span, or of all.
///
/// # Errors
/// When they make no batch.
pub fn rows(
    entries: &[Entry],
    stream: &str,
    wanted: &Wanted,
    span: Option<Span>,
) -> Result<Rows, PluginError> {
    let mut made = Made::new(Choice { wanted, span });
    let mut bad = Vec::new();
    for entry in entries {
        if let Err(reason) = made.add(entry, stream) {
            bad.push((entry.id, reason));
        }
    }
    Ok(Rows { batches: made.finish()?, bad })
}

/// What is chosen of records.
struct Choice<'a> {
    wanted: &'a Wanted,
    span: Option<Span>,
}

impl Choice<'_> {
    fn takes(&self, time_us: i64, symbol: Symbol<'_>) -> bool {
        self.wanted.takes_time(time_us)
            && self.span.is_none_or(|span| (span.from_us..=span.to_us).contains(&time_us))
            && (!self.wanted.names_symbols() || self.wanted.takes_symbol(&symbol.to_string()))
    }

    fn takes_bar(&self, bar: &BarRecord<'_>) -> bool {
        self.wanted.takes_period(bar.period) && self.takes(bar.time_us, bar.symbol)
    }
}

/// Records so far.
struct Made<'a> {
    choice: Choice<'a>,
    encoder: SpotListEncoder,
    book: Book,
    bars: Vec<OwnedBar>,
}

impl<'a> Made<'a> {
    fn new(choice: Choice<'a>) -> Self {
        Self { choice, encoder: SpotListEncoder::new(0), book: Book::default(), bars: Vec::new() }
    }

    fn add(&mut self, entry: &Entry, stream: &str) -> Result<(), String> {
        let kind = self.choice.wanted.kind();
        // one that was deleted has no fields left
        if entry.fields.is_empty() {
            return Ok(());
        }
        match record::content(entry) {
            Content::Spot if kind == RecordKind::Spot => {
                let spot = record::spot(entry, stream, &mut self.book)?;
                let symbol = Symbol { market: spot.market, code: spot.code };
                if self.choice.takes(spot.time_us, symbol) {
                    self.encoder.push(&spot).map_err(|error| error.to_string())?;
                }
            }
            Content::Bar if kind == RecordKind::Bar => {
                let bar = record::bar(entry)?;
                if self.choice.takes_bar(&bar) {
                    self.bars.push(bar.into());
                }
            }
            Content::Payload => self.add_batch(&payload(entry)?)?,
            Content::Spot | Content::Bar => {}
        }
        Ok(())
    }

    fn add_batch(&mut self, batch: &Batch) -> Result<(), String> {
        if batch.kind() != self.choice.wanted.kind() {
            return Ok(());
        }
        for spot in batch.spots().iter() {
            if self.choice.takes(spot.time_us(), spot.symbol()) {
                self.encoder.push_wire(&spot.to_wire()).map_err(|error| error.to_string())?;
            }
        }
        let bars = batch.bars().filter(|bar| self.choice.takes_bar(bar));
        self.bars.extend(bars.map(OwnedBar::from));
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Batch>, PluginError> {
        let mut batches = Vec::new();
        if !self.encoder.is_empty() {
            batches.push(Batch::from_spots(&mut self.encoder, Round::MIDDLE));
        }
        if !self.bars.is_empty() {
            batches.push(Batch::from_bars(encode_bars(self.bars.iter().map(|it| it.record(0))))?);
        }
        Ok(batches)
    }
}
