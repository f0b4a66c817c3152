//! The rows of each kind, whichever it is.

use std::{sync::Arc, time::Instant};

use plugin_api::{Batch, PluginError, RecordKind};

use crate::{
    departure::{Departure, Rows},
    desk::Desk,
    merge::Merge,
    open::{Readable, WithRows, with_rows},
    scan::Scanned,
    settings::Settings,
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
        Rows::peek_us(self)
    }

    fn batch(&mut self, to: &mut Departure<'_>) -> Result<Batch, PluginError> {
        R::depart(self, to)
    }
}
