//! Columns of the tables: those of the records, and what a table needs besides.

use plugin_api::{ColumnType, RecordKind};

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Text,
    /// Price or amount.
    Number,
    /// Volume or other whole number.
    Count,
    /// Yes or no.
    Flag,
    /// Time to the microsecond.
    Moment,
    /// Time to the second, where the server knows nothing finer.
    Second,
    /// The microseconds of such a time.
    Micros,
    /// One side of the book: prices.
    Prices,
    /// One side of the book: sizes.
    Sizes,
    /// Share of rules passed, or none.
    Score,
}

impl Type {
    /// As ClickHouse writes it. Times are kept in UTC and shown in the zone of the exchanges.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Number => "Float64",
            Self::Count => "UInt64",
            Self::Flag => "UInt8",
            Self::Moment => "DateTime64(6, 'Asia/Shanghai')",
            Self::Second => "DateTime('Asia/Shanghai')",
            Self::Micros => "Int64",
            Self::Prices => "Array(Float64)",
            Self::Sizes => "Array(UInt64)",
            Self::Score => "Nullable(Float32)",
        }
    }

    /// Whether a column of the type that was found keeps every value unchanged.
    ///
    /// The zone of a time is a matter of display. A server that converts also takes what only keeps
    /// values in another way.
    pub fn fits(self, found: &str, converts: bool) -> bool {
        match self {
            Self::Moment => found == "DateTime64(6)" || found.starts_with("DateTime64(6, "),
            Self::Second => found == "DateTime" || found.starts_with("DateTime("),
            Self::Text if converts && found == "LowCardinality(String)" => true,
            Self::Flag if converts && found == "Bool" => true,
            _ => found == self.name(),
        }
    }
}

/// Columns that came later than the tables of earlier builds. A table that lacks one goes on without
/// it where it cannot be added.
const LATER: [(RecordKind, &str); 2] = [(RecordKind::Spot, "phase"), (RecordKind::Bar, "source")];

/// Whether a table of records of that kind may lack the column.
pub fn is_later(kind: RecordKind, column: &str) -> bool {
    LATER.contains(&(kind, column))
}

/// How exactly a table keeps times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `DateTime64(6)`.
    Micros,
    /// `DateTime`, with the microseconds in columns of their own.
    Seconds,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in the table.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// What it holds, with the unit.
    pub comment: String,
}

/// What tells which of several rows of one key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Records have a number at their source, which is part of the key: `sequence`.
    Sequence,
    /// The row that was received last: `version`.
    Version,
}

impl Last {
    /// How records of a kind are told apart.
    pub fn of(kind: RecordKind) -> Self {
        let has_source = kind.columns().iter().any(|it| it.kind == ColumnType::Source);
        if has_source { Self::Sequence } else { Self::Version }
    }

    fn column(self) -> Column {
        match self {
            Self::Sequence => column("sequence", Type::Count, "number of the record at its source"),
            Self::Version => {
                column("version", Type::Count, "when it was received, microseconds since 1970 UTC")
            }
        }
    }
}

/// Columns of the table of a kind: those of its records; which row is kept; and where times are
/// not precise, their microseconds.
pub fn columns(kind: RecordKind, precision: Precision) -> Vec<Column> {
    let of_records =
        kind.columns().iter().map(|it| column(it.name, kind_of(it.kind, precision), it.meaning));
    let mut columns: Vec<_> = of_records.chain([Last::of(kind).column()]).collect();
    if precision == Precision::Seconds {
        for time in kind.columns().iter().filter(|it| it.kind == ColumnType::Time) {
            let comment = format!("{} in microseconds since 1970 UTC; 0 when unknown", time.name);
            columns.push(column(&format!("{}_us", time.name), Type::Micros, &comment));
        }
    }
    columns
}

fn kind_of(kind: ColumnType, precision: Precision) -> Type {
    match (kind, precision) {
        (ColumnType::Time, Precision::Micros) => Type::Moment,
        (ColumnType::Time, Precision::Seconds) => Type::Second,
        (
            ColumnType::Symbol
            | ColumnType::SymbolPart
            | ColumnType::Text
            | ColumnType::OptionalText
            | ColumnType::Source,
            _,
        ) => Type::Text,
        (ColumnType::Price | ColumnType::Amount, _) => Type::Number,
        (ColumnType::Volume, _) => Type::Count,
        (ColumnType::Prices, _) => Type::Prices,
        (ColumnType::Sizes, _) => Type::Sizes,
        (ColumnType::Flag, _) => Type::Flag,
        (ColumnType::Score, _) => Type::Score,
    }
}

fn column(name: &str, kind: Type, comment: &str) -> Column {
    Column { name: name.to_owned(), kind, comment: comment.to_owned() }
}
