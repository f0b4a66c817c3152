//! Records in a folder of Parquet files, the lake: a sink that keeps them, a source that reads them back,
//! and a [`scan()`] for analysis.
//!
//! ```text
//! data/lake/kind=spot/date=2021-12-01/spot-20211201T011501.000000Z-lake-0.parquet
//! ```
//!
//! Follow one batch: [`sink`] takes its rows into the row group of their [`partition`], whose
//! columns [`rows`] fills and [`group`] encodes; a commit appends the row groups of all partitions
//! to their [`file`]s and makes them safe at once, by its [`writer_lock`]; a full file gets its
//! final name. What a killed process left unfinished is recovered by [`recover`]; what it had
//! committed and is offered again, because the host was not told, is recognised by its [`mark`].
//! Days that are too old are removed by [`retention`]. [`source`] gives what it is asked for, also of files that are still being written.

mod checksum;
mod disk;
mod fault;
mod file;
mod fnv;
mod group;
mod mark;
mod names;
mod options;
mod owner;
mod part;
mod partition;
mod recover;
mod retention;
mod rows;
mod scan;
mod schema;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod writer_lock;

pub use rows::Rows;
pub use scan::{Scan, scan};
pub use schema::{ZONE, schema};
pub use sink::Parquet;
pub use source::LakeSource;
pub use source::columns::table;
