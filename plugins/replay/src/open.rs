//! The kinds of rows: how each is told from the others, what reads it, and how it leaves. All that
//! differs from kind to kind stands here.

use std::{path::Path, sync::Arc};

use plugin_api::{Batch, PluginError, RecordKind, schemas::records::bar::OwnedBar};

use crate::{
    columns::Header,
    csv::{self, Text},
    departure::{self, Departure, Rows},
    fill::{CellReader, SpotCells},
    own::OwnCells,
    parquet::{self, Columnar, Purpose},
    qq::QqReader,
    reader::{Form, Input, OpenFault, Reader, TimeReader, in_file},
    row::{Row, SpotRow},
    settings::Settings,
};

/// Rows that a file can hold.
pub trait Readable: Row + 'static {
    /// What they are.
    const KIND: RecordKind;
    /// Reads them from cells.
    type Cells: CellReader<Row = Self> + 'static;

    /// Opens a file of answers of the quote service.
    ///
    /// # Errors
    /// When the file cannot be read, or for rows that it never holds.
    fn open_answers(path: &Path, _: &Arc<Settings>) -> Result<Box<dyn Reader<Self>>, OpenFault> {
        let text = format!("holds no {}", Self::KIND.plural());
        Err(OpenFault::Columns(in_file(path, text)))
    }

    /// Takes the next batch of a round.
    ///
    /// # Errors
    /// When the rows make no batch.
    fn depart(rows: &mut impl Rows<Self>, to: &mut Departure<'_>) -> Result<Batch, PluginError>;
}

impl Readable for SpotRow {
    const KIND: RecordKind = RecordKind::Spot;
    type Cells = SpotCells;

    fn open_answers(
        path: &Path,
        settings: &Arc<Settings>,
    ) -> Result<Box<dyn Reader<Self>>, OpenFault> {
        Ok(Box::new(QqReader::open(path, settings)?))
    }

    fn depart(rows: &mut impl Rows<Self>, to: &mut Departure<'_>) -> Result<Batch, PluginError> {
        departure::quotes(rows, to)
    }
}

impl Readable for OwnedBar {
    const KIND: RecordKind = RecordKind::Bar;
    type Cells = OwnCells<Self>;

    fn depart(rows: &mut impl Rows<Self>, to: &mut Departure<'_>) -> Result<Batch, PluginError> {
        departure::records(Self::KIND, rows, to)
    }
}

/// Something that is done with rows of a kind.
pub trait WithRows {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<R: Readable>(self) -> Self::Output;
}

/// Does something with rows of that kind.
pub fn with_rows<W: WithRows>(kind: RecordKind, work: W) -> W::Output {
    match kind {
        RecordKind::Bar => work.run::<OwnedBar>(),
        _ => work.run::<SpotRow>(),
    }
}

/// Tells by its columns what the rows of a table are, and checks that all are there.
///
/// # Errors
/// A text with the file and what it lacks or has twice.
fn kind_of(header: &Header<'_>, settings: &Settings) -> Result<RecordKind, String> {
    let has = |name| header.position(name).is_some();
    let is_own = settings.columns.is_none();
    let kind = if is_own && has("period") && has("open") && !has("pre_close") {
        RecordKind::Bar
    } else {
        RecordKind::Spot
    };
    with_rows(kind, Find { header, settings }).map(|()| kind)
}

struct Find<'a> {
    header: &'a Header<'a>,
    settings: &'a Settings,
}

impl WithRows for Find<'_> {
    type Output = Result<(), String>;

    fn run<R: Readable>(self) -> Self::Output {
        R::Cells::find(self.header, self.settings).map(drop)
    }
}

/// Finds the columns of a file and tells what its rows are.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub fn probe(input: &Input, settings: &Arc<Settings>) -> Result<RecordKind, OpenFault> {
    let path = &input.path;
    match input.form {
        Form::Csv => csv::with_header(path, |header| kind_of(header, settings)),
        Form::Qq => QqReader::open(path, settings).map(|_| RecordKind::Spot),
        Form::Parquet => parquet::with_header(path, |header| kind_of(header, settings)),
    }
}

/// Opens a file for its rows.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub fn open<R: Readable>(
    input: &Input,
    settings: &Arc<Settings>,
) -> Result<Box<dyn Reader<R>>, OpenFault> {
    let path = &input.path;
    Ok(match input.form {
        Form::Csv => Box::new(Text::<R::Cells>::open(path, settings)?),
        Form::Qq => R::open_answers(path, settings)?,
        Form::Parquet => Box::new(Columnar::<R::Cells>::open(path, settings, Purpose::Rows)?),
    })
}

/// Opens a file for its times alone.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub fn open_times(
    input: &Input,
    kind: RecordKind,
    settings: &Arc<Settings>,
) -> Result<Box<dyn TimeReader>, OpenFault> {
    with_rows(kind, OpenTimes { input, settings })
}

struct OpenTimes<'a> {
    input: &'a Input,
    settings: &'a Arc<Settings>,
}

impl WithRows for OpenTimes<'_> {
    type Output = Result<Box<dyn TimeReader>, OpenFault>;

    fn run<R: Readable>(self) -> Self::Output {
        let Self { input: Input { path, form }, settings } = self;
        Ok(match form {
            Form::Csv => Box::new(Text::<R::Cells>::open(path, settings)?),
            Form::Qq => Box::new(QqReader::open(path, settings)?),
            Form::Parquet => Box::new(Columnar::<R::Cells>::open(path, settings, Purpose::Times)?),
        })
    }
}
