//! Chooses the reader of a file.

use std::sync::Arc;

use crate::{
    csv::{self, BarText, SpotText},
    parquet::{self, BarTable, Purpose, SpotTable},
    qq::QqReader,
    reader::{Form, Input, OpenFault, Reader, TimeReader, in_file},
    row::{BarRow, Kind, Row, SpotRow},
    settings::Settings,
};

/// Rows that a file can hold.
pub trait Readable: Row {
    /// Opens a file of such rows.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column.
    fn open(input: &Input, settings: &Arc<Settings>) -> Result<Box<dyn Reader<Self>>, OpenFault>;
}

impl Readable for SpotRow {
    fn open(input: &Input, settings: &Arc<Settings>) -> Result<Box<dyn Reader<Self>>, OpenFault> {
        let path = &input.path;
        Ok(match input.form {
            Form::Csv => Box::new(SpotText::open(path, settings)?),
            Form::Qq => Box::new(QqReader::open(path, settings)?),
            Form::Parquet => Box::new(SpotTable::open(path, settings, Purpose::Rows)?),
        })
    }
}

impl Readable for BarRow {
    fn open(input: &Input, settings: &Arc<Settings>) -> Result<Box<dyn Reader<Self>>, OpenFault> {
        let path = &input.path;
        match input.form {
            Form::Csv => Ok(Box::new(BarText::open(path, settings)?)),
            Form::Parquet => Ok(Box::new(BarTable::open(path, settings, Purpose::Rows)?)),
            Form::Qq => Err(OpenFault::Columns(in_file(path, "holds no bars"))),
        }
    }
}

/// Finds the columns of a file and tells what its rows are.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub fn probe(input: &Input, settings: &Arc<Settings>) -> Result<Kind, OpenFault> {
    let path = &input.path;
    match input.form {
        Form::Csv => csv::kind(path, settings),
        Form::Qq => QqReader::open(path, settings).map(|_| Kind::Spot),
        Form::Parquet => parquet::kind(path, settings),
    }
}

/// Opens a file for its times alone.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub fn open_times(
    input: &Input,
    kind: Kind,
    settings: &Arc<Settings>,
) -> Result<Box<dyn TimeReader>, OpenFault> {
    let path = &input.path;
    Ok(match (input.form, kind) {
        (Form::Csv, Kind::Spot) => Box::new(SpotText::open(path, settings)?),
        (Form::Csv, Kind::Bar) => Box::new(BarText::open(path, settings)?),
        (Form::Qq, _) => Box::new(QqReader::open(path, settings)?),
        (Form::Parquet, Kind::Spot) => Box::new(SpotTable::open(path, settings, Purpose::Times)?),
        (Form::Parquet, Kind::Bar) => Box::new(BarTable::open(path, settings, Purpose::Times)?),
    })
}
