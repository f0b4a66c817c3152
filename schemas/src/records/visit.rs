//! Going over the values of records.

use super::Column;
use crate::{encode::ListFull, symbol::Symbol};

/// One record, as it is read from a list.
pub trait Record: Copy {
    /// Its columns, in the order of stores.
    const COLUMNS: &'static [Column];

    /// The security.
    fn symbol(&self) -> Symbol<'_>;

    /// Its time, microseconds since 1970 UTC; 0 when unknown.
    fn time_us(&self) -> i64;

    /// Source and number there, of records that carry them; the number is 0 when unknown.
    fn origin(&self) -> Option<(&str, u64)> {
        None
    }

    /// Hands the value of each column to the visitor, in order.
    fn visit(&self, visitor: &mut impl Visitor);

    /// Encodes records as one list.
    ///
    /// # Errors
    /// [`ListFull`] when one list has no room for them.
    fn encode(records: impl ExactSizeIterator<Item = Self>) -> Result<Vec<u8>, ListFull>;
}

/// Takes the values of a record, column by column.
///
/// The calls are resolved at compile time: a visitor of a few instructions for each value costs as
/// much as code that names the fields.
pub trait Visitor {
    /// A security.
    fn symbol(&mut self, column: &'static Column, symbol: Symbol<'_>);
    /// A text of any type.
    fn text(&mut self, column: &'static Column, text: &str);
    /// A time, microseconds since 1970 UTC; 0 when unknown.
    fn time(&mut self, column: &'static Column, time_us: i64);
    /// A price or an amount, CNY.
    fn number(&mut self, column: &'static Column, value: f64);
    /// A volume, shares.
    fn count(&mut self, column: &'static Column, value: u64);
    /// Prices, best first, CNY.
    fn prices(&mut self, column: &'static Column, prices: impl ExactSizeIterator<Item = f64>);
    /// Sizes, best first, shares.
    fn sizes(&mut self, column: &'static Column, sizes: impl ExactSizeIterator<Item = u64>);
    /// Yes or no.
    fn flag(&mut self, column: &'static Column, value: bool);
    /// A score, or none.
    fn score(&mut self, column: &'static Column, value: Option<f32>);
}
