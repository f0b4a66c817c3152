//! What reads the rows of one file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::row::Row;

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Line of a text file (the header is line 1), row of any other, from 1.
    pub row: u64,
    /// How many lines or rows are lost with it.
    pub lines: u64,
    /// Name of the column; empty when the row as a whole is at fault.
    pub column: String,
    /// What stands there.
    pub value: String,
    pub why: String,
    /// The whole row.
    pub raw: Vec<u8>,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, column, value, why, .. } = self;
        if column.is_empty() {
            write!(f, "row {row}: {why}")
        } else {
            write!(f, "row {row}, column {column}: \"{value}\" {why}")
        }
    }
}

/// What a reader came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The row was filled.
    Row,
    /// A row that is not to be played.
    Skipped,
    /// What is no fault and no quote: an answer about other markets, or about nothing.
    Other,
    Bad(Box<BadRow>),
    End,
}

/// Why a file cannot be opened; the texts name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenFault {
    /// It is damaged or not there: the other files can be played.
    Unreadable(String),
    /// It lacks columns: the options do not fit it.
    Columns(String),
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(text) | Self::Columns(text) => f.write_str(text),
        }
    }
}

/// Reads the rows of a file in their order.
pub trait Reader<R: Row> {
    /// Reads the next row into `row`, whose room is used again.
    ///
    /// # Errors
    /// A text that names the file, after which nothing more can be read from it.
    fn next(&mut self, row: &mut R) -> Result<Step, String>;
}

/// Reads the times alone of a file.
pub trait TimeReader {
    /// Reads the time of the next row.
    ///
    /// # Errors
    /// As [`Reader::next`].
    fn next_time(&mut self) -> Result<Timed, String>;
}

/// The time of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// Microseconds since 1970 UTC.
    At(i64),
    /// Of a row that [`Reader::next`] may call bad.
    Unreadable,
    /// Of what is [`Step::Other`].
    None,
    End,
}

impl<E> From<Result<i64, E>> for Timed {
    fn from(time_us: Result<i64, E>) -> Self {
        time_us.map_or(Self::Unreadable, Self::At)
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Csv,
    Qq,
    Parquet,
}

/// A file that is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    pub form: Form,
}

/// A text that names the file.
pub fn in_file(path: &Path, error: impl fmt::Display) -> String {
    format!("{}: {error}", shown(path))
}

/// A path, for people.
pub fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

/// The text without what a terminal would obey.
pub fn clean(text: &str) -> String {
    let is_harmless = |char: &char| !char.is_control();
    text.chars().map(|char| if is_harmless(&char) { char } else { '\u{fffd}' }).collect()
}

/// The start of a value, for people.
pub fn excerpt(value: &str) -> String {
    const MOST_CHARS: usize = 60;
    match value.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => clean(&value[..end]) + "…",
        None => clean(value),
    }
}

/// What is said of a file of which no row can be read.
pub fn none_of(rows: u64, first: &BadRow) -> String {
    let remedy =
        if first.why.contains(';') { "" } else { "; check `columns`, `market` and `date`" };
    format!("no row can be read, {rows} are bad; the first is {first}{remedy}")
}
