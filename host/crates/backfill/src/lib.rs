//! Fills gaps from sources of history, over restarts and crashes.
//!
//! A [job](Job) is a list of [pieces](Piece): securities, and the stretches of time in which they
//! lack records. For each piece the sources are [asked](Sources) in their order, and what they give
//! goes into a [page] on disk. A whole page is given to the [stores](Stores) under numbers that
//! follow from its place in the job, and is removed when all of them have it. So whoever is killed
//! at whatever moment gives the same batches the same numbers again, by which the stores know them.
//!
//! Nothing here knows plugins, queues or a clock.

mod fetch;
mod folder;
mod keep;
mod outcome;
pub mod page;
mod plan;
mod run;
mod stores;
#[cfg(test)]
mod tests;

pub use fetch::{Answer, Sources};
pub use folder::{Folder, FolderError, Job, latest, unfinished};
pub use keep::Keeping;
pub use outcome::{Outcome, Tally};
pub use plan::{Gap, Piece, Series, plan};
pub use run::{MAX_PAGES, Progress, Run, State};
pub use stores::{End, Halt, Stores};
