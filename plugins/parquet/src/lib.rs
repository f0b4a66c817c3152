//! Sink that keeps records in a folder of Parquet files, the lake, and source that reads them back.
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
mod schema;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod writer_lock;

use plugin_api::export_plugin;
use sink::Parquet;
use source::LakeSource;

export_plugin! {
    name: "parquet",
    description: "Keeps records in a folder of Parquet files, partitioned by kind and date, and reads them back",
    author: "dataserver developers",
    source: LakeSource,
    sink: Parquet,
}
