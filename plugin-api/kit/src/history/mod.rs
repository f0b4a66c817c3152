//! Reading a store back: what a source needs whose option `ask` names a span of time.
//!
//! A store has its rows in the order of writing, which is not always that of time, and more of them
//! than fit into memory. So it is looked through twice: first for times alone, whose [`Spread`] over
//! the parts of the store is cut into [`Span`]s of bounded size; then for the rows of one span after
//! the other, of which a [`Table`] makes records and a [`Gather`] sorts them. What is asked for is
//! told by [`Wanted`]; [`next`] gives what such a [`Reading`] has.
//!
//! A vendor's own bars leave as [`Bar`]s.

mod bar;
mod gather;
mod reading;
mod spread;
mod table;
mod wanted;

pub use bar::Bar;
pub use gather::Gather;
pub use reading::{Reading, next};
pub use spread::{Span, Spread};
pub use table::{Lists, Table, Texts, Values};
pub use wanted::Wanted;

/// Rows of a span, which bound the memory that reading back takes: about 100 MB of quotes, twice
/// while they are sorted.
pub const SPAN_ROWS: u64 = 100_000;
/// Records of a batch unless the options say something else.
pub const BATCH_RECORDS: usize = 10_000;
/// Most records of a batch that options may ask for.
pub const MOST_BATCH_RECORDS: usize = 100_000;
