//! Rows of a lake's file into the store.

use std::{fs::File, path::Path};

use arrow::{
    array::{Array, AsArray, Float64Array, ListArray, StringArray},
    datatypes::{ArrowPrimitiveType, Float64Type, TimestampMicrosecondType, UInt64Type},
    record_batch::RecordBatch,
};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use plugin_api::{
    BarRecord, Symbol,
    schemas::units::{CNY_PER_WIRE_AMOUNT, SHARES_PER_LOT, shares_per_wire_volume},
};

use crate::store::{MOST_LEVELS, Skipped, StoreWriter, Tick};

/// Rows that are unpacked at a time.
const UNPACKED_ROWS: usize = 8_192;
/// Columns of quotes, in the order in which the store has them.
const PRICES: [&str; 5] = ["pre_close", "open", "high", "low", "close"];
const BOOK: [&str; 4] = ["bid", "bid_volume", "ask", "ask_volume"];

/// Takes in the rows of one file; returns how many there were.
///
/// # Errors
/// What is wrong with the file. Rows before that were taken in.
pub fn read(
    writer: &mut StoreWriter,
    path: &Path,
    now_us: i64,
    settle: &mut impl FnMut(&mut StoreWriter, Skipped),
) -> Result<u64, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let is_bars = builder.schema().column_with_name("period").is_some();
    let wanted: Vec<&str> = if is_bars {
        ["symbol", "period", "time", "open", "high", "low", "close", "amount", "volume", "closed"]
            .into()
    } else {
        [&["market", "code", "time", "amount", "volume"][..], &PRICES, &BOOK].concat()
    };
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let parts = builder
        .with_projection(mask)
        .with_batch_size(UNPACKED_ROWS)
        .build()
        .map_err(|error| error.to_string())?;
    let mut rows = 0;
    for part in parts {
        let part = part.map_err(|error| error.to_string())?;
        let (columns, mut skipped) = (Columns(&part), Skipped::default());
        if is_bars {
            columns.take_bars(writer, now_us, &mut skipped)?;
        } else {
            columns.take_spots(writer, now_us, &mut skipped)?;
        }
        settle(writer, skipped);
        rows += part.num_rows() as u64;
    }
    Ok(rows)
}

struct Columns<'a>(&'a RecordBatch);

impl<'a> Columns<'a> {
    fn take_spots(
        &self,
        writer: &mut StoreWriter,
        now_us: i64,
        skipped: &mut Skipped,
    ) -> Result<(), String> {
        let (markets, codes) = (self.texts("market")?, self.texts("code")?);
        let times = self.numbers::<TimestampMicrosecondType>("time")?;
        let prices = PRICES.map(|name| self.numbers::<Float64Type>(name));
        let prices = prices.into_iter().collect::<Result<Vec<_>, _>>()?;
        let amounts = self.numbers::<Float64Type>("amount")?;
        let volumes = self.numbers::<UInt64Type>("volume")?;
        let book = BOOK.map(|name| self.lists(name));
        let book = book.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut tick = Tick::default();
        for row in 0..self.0.num_rows() {
            let (market, code) = (markets.value(row), codes.value(row));
            tick.time_us = if times.is_null(row) { 0 } else { times.value(row) };
            tick.values.clear();
            tick.values.extend(prices.iter().map(|column| column.value(row)));
            tick.values.push(amounts.value(row) / CNY_PER_WIRE_AMOUNT);
            #[allow(clippy::cast_precision_loss)] // within 2^53 shares
            let volume = volumes.value(row) as f64 / shares_per_wire_volume(market, code);
            tick.values.push(volume);
            for (count, side) in tick.levels.iter_mut().zip(&book) {
                *count = push_levels(&mut tick.values, side, row)?;
            }
            writer.take_tick(market, code, &tick, now_us, skipped);
        }
        Ok(())
    }

    fn take_bars(
        &self,
        writer: &mut StoreWriter,
        now_us: i64,
        skipped: &mut Skipped,
    ) -> Result<(), String> {
        let (symbols, periods) = (self.texts("symbol")?, self.texts("period")?);
        let times = self.numbers::<TimestampMicrosecondType>("time")?;
        let number = |name| self.numbers::<Float64Type>(name);
        let (open, high, low) = (number("open")?, number("high")?, number("low")?);
        let (close, amount) = (number("close")?, number("amount")?);
        let volume = self.numbers::<UInt64Type>("volume")?;
        for row in 0..self.0.num_rows() {
            let (code, market) = symbols.value(row).rsplit_once('.').unwrap_or_default();
            let bar = BarRecord {
                symbol: Symbol { market, code },
                period: periods.value(row),
                time_us: if times.is_null(row) { 0 } else { times.value(row) },
                open: open.value(row),
                high: high.value(row),
                low: low.value(row),
                close: close.value(row),
                amount_cny: amount.value(row),
                volume_shares: volume.value(row),
                closed: true,
                quality_score: None,
                source: "",
            };
            writer.merge_bar(&bar, now_us, skipped);
        }
        Ok(())
    }

    fn texts(&self, name: &str) -> Result<&'a StringArray, String> {
        self.column(name)?.as_string_opt().ok_or_else(|| other_type(name))
    }

    fn numbers<T: ArrowPrimitiveType>(
        &self,
        name: &str,
    ) -> Result<&'a arrow::array::PrimitiveArray<T>, String> {
        self.column(name)?.as_primitive_opt().ok_or_else(|| other_type(name))
    }

    fn lists(&self, name: &str) -> Result<&'a ListArray, String> {
        self.column(name)?.as_list_opt().ok_or_else(|| other_type(name))
    }

    fn column(&self, name: &str) -> Result<&'a dyn Array, String> {
        let column = self.0.column_by_name(name).map(|column| &**column);
        column.ok_or_else(|| format!("it has no column {name}, so no parquet sink wrote it"))
    }
}

fn other_type(name: &str) -> String {
    format!("its column {name} has another type than the parquet sink writes")
}

/// Adds the levels of one side, up to the first that is missing: prices in CNY, sizes in lots.
fn push_levels(values: &mut Vec<f64>, side: &ListArray, row: usize) -> Result<u8, String> {
    let levels = side.value(row);
    let known = (0..levels.len()).take(MOST_LEVELS).take_while(|at| !levels.is_null(*at)).count();
    if let Some(prices) = levels.as_primitive_opt::<Float64Type>() {
        values.extend(prices_of(prices, known));
    } else if let Some(sizes) = levels.as_primitive_opt::<UInt64Type>() {
        #[allow(clippy::cast_precision_loss)] // within 2^53 shares
        values.extend((0..known).map(|at| sizes.value(at) as f64 / SHARES_PER_LOT));
    } else {
        return Err(other_type("of the book"));
    }
    Ok(u8::try_from(known).unwrap_or(u8::MAX))
}

fn prices_of(prices: &Float64Array, known: usize) -> impl Iterator<Item = f64> {
    (0..known).map(|at| prices.value(at))
}

#[cfg(test)]
mod tests {
    use plugin_api::{ColumnType, RecordKind};

    use super::*;

    fn columns(kinds: &[ColumnType]) -> Vec<&'static str> {
        let columns = RecordKind::Spot.columns().iter();
        columns.filter(|it| kinds.contains(&it.kind)).map(|it| it.name).collect()
    }

    /// What is packed as numbers in places is what the table of quotes says.
    #[test]
    fn every_number_of_a_quote_is_kept() {
        assert_eq!(columns(&[ColumnType::Price]), PRICES);
        assert_eq!(columns(&[ColumnType::Prices, ColumnType::Sizes]), BOOK);
        let numbers = [ColumnType::Price, ColumnType::Amount, ColumnType::Volume];
        assert_eq!(columns(&numbers).len(), Tick::default().values.len());
    }
}
