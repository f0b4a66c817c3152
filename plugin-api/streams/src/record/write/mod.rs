//! Records into fields.

mod by_column;

use std::io::Write;

use plugin_api::{
    BarRecord, Batch, Levels, Provenance, Record, RecordKind, SpotView, Symbol, WithRecords,
    schemas::{encode::MAX_LEVELS, spot::shares, time::DatetimeText},
};

use super::{Fields, LEVELS};
use crate::server::resp;
use by_column::ByColumn;

/// Writes records; remembers what repeats from one to the next.
#[derive(Debug, Default)]
pub struct Writer {
    symbol: String,
    datetime: DatetimeText,
}

impl Writer {
    /// Writes each record of a batch and hands it over with its place and its security.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn each<F: Fields, E>(
        &mut self,
        batch: &Batch,
        out: &mut F,
        mut take: impl FnMut(usize, Symbol<'_>, &mut F) -> Result<(), E>,
    ) -> Result<(), E> {
        let from = batch.provenance();
        match batch.kind() {
            RecordKind::Spot => {
                for (place, spot) in batch.spots().iter().enumerate() {
                    out.clear();
                    self.spot(&spot, from, out);
                    take(place, spot.symbol(), out)?;
                }
                Ok(())
            }
            RecordKind::Bar => {
                for (place, bar) in batch.bars().enumerate() {
                    out.clear();
                    self.bar(&bar, from, out);
                    take(place, bar.symbol, out)?;
                }
                Ok(())
            }
            // kinds of later versions, in the order of their columns
            _ => batch.with_records(WriteEach { writer: self, from, out, take }),
        }
    }

    /// Writes a quote of a batch from there.
    pub fn spot(&mut self, spot: &SpotView<'_>, from: &Provenance, out: &mut impl Fields) {
        out.text("symbol", self.symbol(spot.code(), spot.market()));
        out.text("name", spot.name());
        self.frame(spot.time_us(), out);
        out.float("pre_close", spot.pre_close());
        out.float("open", spot.open());
        out.float("high", spot.high());
        out.float("low", spot.low());
        out.float("close", spot.close());
        out.whole("vol", spot.volume_shares());
        out.float("amount", spot.amount_cny());
        book(spot, out);
        let made_us = match spot.recv_time_us() {
            0 => from.received_at_us,
            received_us => received_us,
        };
        timestamp(made_us, out);
        quality(spot.quality_score(), out);
        let source = if spot.source().is_empty() { from.source() } else { spot.source() };
        out.text("source", source);
        if spot.sequence() > 0 {
            out.whole("seq", spot.sequence());
        }
        if let Some(phase) = spot.phase() {
            out.text("phase", phase.as_str());
        }
    }

    /// Writes a bar of a batch from there.
    pub fn bar(&mut self, bar: &BarRecord<'_>, from: &Provenance, out: &mut impl Fields) {
        out.text("symbol", self.symbol(bar.symbol.code, bar.symbol.market));
        self.frame(bar.time_us, out);
        out.float("open", bar.open);
        out.float("high", bar.high);
        out.float("low", bar.low);
        out.float("close", bar.close);
        out.whole("vol", bar.volume_shares);
        out.float("amount", bar.amount_cny);
        timestamp(from.received_at_us, out);
        quality(bar.quality_score, out);
        out.text("period", bar.period);
        out.truth("closed", bar.closed);
        if !bar.source.is_empty() {
            out.text("source", bar.source);
        }
    }

    /// Writes a record of any kind of a batch from there, column by column.
    pub fn record<F: Fields>(&mut self, record: &impl Record, from: &Provenance, out: &mut F) {
        record.visit(&mut ByColumn { writer: self, out });
        timestamp(from.received_at_us, out);
    }

    fn symbol(&mut self, code: &str, market: &str) -> &str {
        self.symbol.clear();
        self.symbol.extend([code, ".", market]);
        &self.symbol
    }

    fn frame(&mut self, time_us: i64, out: &mut impl Fields) {
        let text = self.datetime.format(time_us);
        out.plain("frame", |buffer| buffer.extend_from_slice(text));
    }
}

/// Records of a kind that has no writer of its own.
struct WriteEach<'a, F, T> {
    writer: &'a mut Writer,
    from: &'a Provenance,
    out: &'a mut F,
    take: T,
}

impl<F, T, E> WithRecords for WriteEach<'_, F, T>
where
    F: Fields,
    T: FnMut(usize, Symbol<'_>, &mut F) -> Result<(), E>,
{
    type Output = Result<(), E>;

    fn run<R: Record>(mut self, records: impl Iterator<Item = R>) -> Self::Output {
        for (place, record) in records.enumerate() {
            self.out.clear();
            self.writer.record(&record, self.from, self.out);
            (self.take)(place, record.symbol(), self.out)?;
        }
        Ok(())
    }
}

/// Five levels of each side; further ones, and how many there are, only when there are not five.
fn book(spot: &SpotView<'_>, out: &mut impl Fields) {
    let (bid, bid_lots, ask, ask_lots) = (spot.bid(), spot.bid_lots(), spot.ask(), spot.ask_lots());
    out.plain("bid", |buffer| prices(buffer, bid, 0, LEVELS));
    out.plain("bid_vol", |buffer| sizes(buffer, bid_lots, 0, LEVELS));
    out.plain("ask", |buffer| prices(buffer, ask, 0, LEVELS));
    out.plain("ask_vol", |buffer| sizes(buffer, ask_lots, 0, LEVELS));
    let counts = [bid, bid_lots, ask, ask_lots].map(|side| side.len().min(MAX_LEVELS));
    if counts == [LEVELS; 4] {
        return;
    }
    out.plain("levels", |buffer| {
        list(buffer, counts.into_iter(), 0, 4, |buffer, count| resp::number(buffer, count as u64));
    });
    if counts.iter().any(|count| *count > LEVELS) {
        let to = |count: usize| count.max(LEVELS);
        out.plain("bid_more", |buffer| prices(buffer, bid, LEVELS, to(counts[0])));
        out.plain("bid_vol_more", |buffer| sizes(buffer, bid_lots, LEVELS, to(counts[1])));
        out.plain("ask_more", |buffer| prices(buffer, ask, LEVELS, to(counts[2])));
        out.plain("ask_vol_more", |buffer| sizes(buffer, ask_lots, LEVELS, to(counts[3])));
    }
}

fn prices(buffer: &mut Vec<u8>, levels: Levels<'_>, from: usize, to: usize) {
    list(buffer, levels.iter().take(MAX_LEVELS), from, to, resp::float);
}

fn sizes(buffer: &mut Vec<u8>, lots: Levels<'_>, from: usize, to: usize) {
    list(buffer, lots.iter().take(MAX_LEVELS).map(shares), from, to, resp::number);
}

/// The items from one place to before another, joined by commas; zeroes where there is none.
fn list<T: Default>(
    buffer: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    from: usize,
    to: usize,
    write: impl Fn(&mut Vec<u8>, T),
) {
    let padded = items.chain(std::iter::repeat_with(T::default));
    for (place, item) in padded.take(to).enumerate().skip(from) {
        if place > from {
            buffer.push(b',');
        }
        write(buffer, item);
    }
}

/// Seconds since 1970 UTC with six decimals.
fn timestamp(us: i64, out: &mut impl Fields) {
    out.number("timestamp", true, |buffer| {
        let (sign, us) = (if us < 0 { "-" } else { "" }, us.unsigned_abs());
        // a `Vec` takes everything
        let _ = write!(buffer, "{sign}{}.{:06}", us / 1_000_000, us % 1_000_000);
    });
}

/// `1` if the record was not judged, otherwise with a decimal point.
fn quality(score: Option<f32>, out: &mut impl Fields) {
    out.number("quality_score", score.is_none_or(f32::is_finite), |buffer| {
        // a `Vec` takes everything
        let _ = match score {
            None => write!(buffer, "1"),
            Some(score) => write!(buffer, "{score:?}"),
        };
    });
}
