//! Sink that keeps count of what came of each day, and so knows what is missing: the ledger.
//!
//! What a complete day is, and the file, are matters of the crate `days`, which everybody reads
//! the ledger with. Here batches are taken apart ([`sink`]), rounds put together ([`rounds`]), and what
//! was taken is committed every few seconds with the mark of how far that was, so that a batch that is
//! offered again after a crash is not counted twice.

mod options;
mod rounds;
mod sink;
#[cfg(test)]
mod tests;
mod universe;

use plugin_api::export_plugin;
use sink::LedgerSink;

export_plugin! {
    name: "ledger",
    description: "Keeps count of what came of each day, so that gaps are known",
    author: "dataserver developers",
    sink: LedgerSink,
}
