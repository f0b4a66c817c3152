//! Types of columns.

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
