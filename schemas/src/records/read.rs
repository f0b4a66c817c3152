//! Making records of values that come column by column.

use super::{Column, Record};

/// A record that owns its texts, for readers of stores; its default is empty.
pub trait OwnedRecord: Clone + Default + PartialEq + std::fmt::Debug + 'static {
    /// The record as others see it.
    type Record<'a>: Record
    where
        Self: 'a;

    /// Takes every value from the source, in the order of the columns.
    ///
    /// # Errors
    /// The first that the source has; fields before it are set.
    fn read<S: ValueSource>(&mut self, source: &mut S) -> Result<(), S::Error>;

    /// The record with its time moved by `shift_us`.
    fn record(&self, shift_us: i64) -> Self::Record<'_>;

    /// Reads a list of such records.
    ///
    /// # Errors
    /// What the verifier says.
    fn read_list(list: &[u8]) -> Result<Vec<Self>, flatbuffers::InvalidFlatbuffer>;
}

/// Gives the values of one record, column by column.
pub trait ValueSource {
    /// Why there is no value.
    type Error;

    /// A security; both texts are set anew.
    ///
    /// # Errors
    /// As the source says.
    fn symbol(
        &mut self,
        column: &'static Column,
        market: &mut String,
        code: &mut String,
    ) -> Result<(), Self::Error>;
    /// A text, which is set anew.
    ///
    /// # Errors
    /// As the source says.
    fn text(&mut self, column: &'static Column, text: &mut String) -> Result<(), Self::Error>;
    /// A time, microseconds since 1970 UTC; 0 when unknown.
    ///
    /// # Errors
    /// As the source says.
    fn time(&mut self, column: &'static Column) -> Result<i64, Self::Error>;
    /// A price or an amount, CNY.
    ///
    /// # Errors
    /// As the source says.
    fn number(&mut self, column: &'static Column) -> Result<f64, Self::Error>;
    /// A volume, shares.
    ///
    /// # Errors
    /// As the source says.
    fn count(&mut self, column: &'static Column) -> Result<u64, Self::Error>;
    /// Yes or no.
    ///
    /// # Errors
    /// As the source says.
    fn flag(&mut self, column: &'static Column) -> Result<bool, Self::Error>;
    /// A score, or none.
    ///
    /// # Errors
    /// As the source says.
    fn score(&mut self, column: &'static Column) -> Result<Option<f32>, Self::Error>;
}
