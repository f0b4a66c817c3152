//! Source that plays recorded quotes and bars.
//!
//! Files of any vendor are read by a column map, those of the `parquet` sink as they are. Records
//! leave in time order over all files; those of one exchange time form one round.
//!
//! - Every file is looked through for its times first: a sorted one is then streamed, another is
//!   sorted within bounded memory. Equal times keep the order of files (by path, numbers in paths
//!   by value) and of rows.
//! - Rounds keep their recorded distance divided by `speed`; pauses longer than `max_gap` are cut.
//!   `clock = "now"` moves all times by one distance (less what was cut), so at speed 1 they follow
//!   the wall clock.
//! - A record without a time of reception gets its event time, one without a source the name of the
//!   component. Empty cells are 0; empty book levels are left out at the end of a side, 0 within it.
//! - Every row is played, passed over because the options say so, or set aside by name. A replay of
//!   which a file could not be read, or nothing at all, has failed.
//! - `resume` keeps the time of the last round that every sink confirmed. The first round behind it
//!   leaves again as a whole, its batches with the same numbers as before, so that sinks with a disk
//!   buffer take what they have of it for what it is.

mod array;
mod cell;
mod columns;
mod config;
mod csv;
mod departure;
mod desk;
mod fill;
mod foreign;
mod head;
mod inputs;
mod lane;
mod lines;
mod list;
mod merge;
mod moment;
mod next_row;
mod open;
mod own;
mod pace;
mod parquet;
mod progress;
mod qq;
mod quoting;
mod reader;
mod records;
mod resume;
mod row;
mod scan;
mod settings;
mod sort;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod utf16;

use plugin_api::export_plugin;

use crate::source::Replay;

export_plugin! {
    name: "replay",
    description: "Plays recorded quotes and bars, paced or as fast as possible",
    author: "dataserver developers",
    source: Replay,
}
