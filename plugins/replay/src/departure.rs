//! Rows of each kind on their way into batches.

use plugin_api::{
    Batch, PluginError, Record, RecordKind, Round, SpotListEncoder, Symbol,
    schemas::records::OwnedRecord,
};

use crate::{desk::Desk, progress::Progress, resume::BATCH_RECORDS, row::SpotRow};

/// Rows in the order in which they leave.
pub trait Rows<R> {
    /// Time of the next row.
    fn peek_us(&self) -> Option<i64>;

    /// Gives the next row to `use_row` and reads the one after it in its file.
    fn take<T>(&mut self, desk: &mut Desk, use_row: impl FnOnce(&R) -> T) -> Option<T>;
}

/// The round that a batch leaves with, and what goes with every record.
pub struct Departure<'a> {
    /// Time of the round, and what its times are moved by.
    pub time_us: i64,
    pub shift_us: i64,
    /// Whether batches of quotes of the round have left.
    pub is_open: &'a mut bool,
    pub desk: &'a mut Desk,
    pub progress: &'a mut Progress,
    pub encoder: &'a mut SpotListEncoder,
    /// What records without a source get.
    pub instance: &'a str,
    /// Number of the last record.
    pub sequence: &'a mut u64,
}

/// A batch of quotes, which are numbered and open and close the round.
///
/// # Errors
/// When one list has no room for them.
pub fn quotes(rows: &mut impl Rows<SpotRow>, to: &mut Departure<'_>) -> Result<Batch, PluginError> {
    let Departure { progress, encoder, sequence, .. } = to;
    while encoder.len() < BATCH_RECORDS && rows.peek_us() == Some(to.time_us) {
        **sequence += 1;
        let pushed = rows.take(to.desk, |row| {
            progress.saw(row.market, &row.code);
            encoder.push(&row.record(to.instance, **sequence, to.shift_us))
        });
        pushed.transpose()?;
    }
    let is_last = rows.peek_us() != Some(to.time_us);
    let round = Round { first: !*to.is_open, last: is_last };
    *to.is_open = true;
    Ok(Batch::from_spots(encoder, round))
}

/// A batch of other records, which are of that kind.
///
/// # Errors
/// When they make no list.
pub fn records<R: OwnedRecord>(
    kind: RecordKind,
    rows: &mut impl Rows<R>,
    to: &mut Departure<'_>,
) -> Result<Batch, PluginError> {
    let mut taken: Vec<R> = Vec::new();
    while taken.len() < BATCH_RECORDS && rows.peek_us() == Some(to.time_us) {
        taken.extend(rows.take(to.desk, R::clone));
    }
    for row in &taken {
        let record = row.record(0);
        let Symbol { market, code } = record.symbol();
        to.progress.saw(market, code);
    }
    let list = Record::encode(taken.iter().map(|row| row.record(to.shift_us)))?;
    Batch::from_untrusted(kind, list, Round::MIDDLE)
}
