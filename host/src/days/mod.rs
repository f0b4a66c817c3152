//! Whole days: what the ledger of a pipeline says of them, and asking stores for what they have.
//!
//! The ledger's file is read here and written by the sink that keeps it; this wing alone knows the
//! name of its plugin.

pub mod asking;
mod deviations;
pub mod judging;
mod outages;
pub mod place;
pub mod prices;
pub mod range;
pub mod report;
pub mod sums;
pub mod tally;
pub mod verifying;
