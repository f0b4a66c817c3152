//! Columns, and what their values are.

/// A column of records, the same in every store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name in stores.
    pub name: &'static str,
    /// What its values are.
    pub kind: ColumnType,
    /// What it holds, for people; the unit included.
    pub meaning: &'static str,
}

/// What the values of a column are, with their unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// The security, e.g. `600000.SH`.
    Symbol,
    /// Exchange or code, which the symbol says as well.
    SymbolPart,
    /// Text.
    Text,
    /// Text; empty where it is not known.
    OptionalText,
    /// Id of the source; empty where it is not known.
    Source,
    /// Microseconds since 1970 UTC; 0 where it is not known.
    Time,
    /// A price, CNY.
    Price,
    /// A turnover, CNY.
    Amount,
    /// A volume, shares.
    Volume,
    /// Prices of one side of the book, best first, CNY.
    Prices,
    /// Sizes of one side of the book, best first, shares.
    Sizes,
    /// Yes or no.
    Flag,
    /// Share of quality rules passed, 0 to 1; none while nobody judged.
    Score,
}

impl ColumnType {
    /// The unit, where the values have one.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Symbol
            | Self::SymbolPart
            | Self::Text
            | Self::OptionalText
            | Self::Source
            | Self::Flag => None,
            Self::Time => Some("microseconds since 1970 UTC"),
            Self::Price | Self::Amount | Self::Prices => Some("CNY"),
            Self::Volume | Self::Sizes => Some("shares"),
            Self::Score => Some("share of rules passed, 0 to 1"),
        }
    }
}
