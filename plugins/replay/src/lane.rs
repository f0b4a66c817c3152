//! Rows of each kind on their way into batches.

use std::{sync::Arc, time::Instant};

use plugin_api::{
    Batch, PluginError, Record, RecordKind, Round, SpotListEncoder, Symbol,
    schemas::records::OwnedRecord,
};

use crate::{
    desk::Desk,
    merge::Merge,
    open::{Readable, WithRows, with_rows},
    progress::Progress,
    row::SpotRow,
    scan::Scanned,
    settings::Settings,
    source::BATCH_RECORDS,
};

/// The rows of one kind, of all files.
pub trait Lane {
    /// See [`Merge::prepare`].
    fn prepare(&mut self, desk: &mut Desk, deadline: Instant) -> bool;

    /// Time of the next row.
    fn peek_us(&self) -> Option<i64>;

    /// The next batch of a round that the next row belongs to.
    ///
    /// # Errors
    /// When the rows make no batch.
    fn batch(&mut self, to: &mut Departure<'_>) -> Result<Batch, PluginError>;
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

/// A lane for each kind, by its number; quotes of a time leave before other records.
pub fn lanes(files: &[Scanned], settings: &Arc<Settings>) -> Vec<Box<dyn Lane>> {
    RecordKind::ALL.map(|kind| with_rows(kind, Join { kind, files, settings })).into()
}

struct Join<'a> {
    kind: RecordKind,
    files: &'a [Scanned],
    settings: &'a Arc<Settings>,
}

impl WithRows for Join<'_> {
    type Output = Box<dyn Lane>;

    fn run<R: Readable>(self) -> Self::Output {
        let files = self.files.iter().filter(|file| file.kind == self.kind).cloned();
        Box::new(Merge::<R>::new(files, Arc::clone(self.settings)))
    }
}

impl<R: Readable> Lane for Merge<R> {
    fn prepare(&mut self, desk: &mut Desk, deadline: Instant) -> bool {
        Merge::prepare(self, desk, deadline)
    }

    fn peek_us(&self) -> Option<i64> {
        Merge::peek_us(self)
    }

    fn batch(&mut self, to: &mut Departure<'_>) -> Result<Batch, PluginError> {
        R::depart(self, to)
    }
}

/// A batch of quotes, which are numbered and open and close the round.
///
/// # Errors
/// When one list has no room for them.
pub fn quotes(rows: &mut Merge<SpotRow>, to: &mut Departure<'_>) -> Result<Batch, PluginError> {
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

/// A batch of other records.
///
/// # Errors
/// When they make no list.
pub fn records<R: Readable + OwnedRecord>(
    rows: &mut Merge<R>,
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
    Batch::from_untrusted(R::KIND, list, Round::MIDDLE)
}
