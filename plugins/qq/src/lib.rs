//! Source that polls the Tencent quote service.
//!
//! A round asks for every symbol, so many at a time in one request, several requests at once over
//! connections that are kept. Each answer leaves as a batch as soon as it is there; the first and
//! the last batch of a round carry its marks, also when requests failed.
//!
//! - Workers fetch bytes and nothing else; one thread plans, reads answers and numbers records.
//! - A request that fails is tried again, and so are the symbols that a damaged answer lacks, within
//!   the time of the round. So every symbol comes at most once a round.
//! - Rounds begin by the trading calendar and `phases`, from start to start, and one more follows
//!   each phase, because the price of the closing auction is published after it.
//! - Codes that the service does not know are named once in the log and asked for again, as they may
//!   be listed later.

mod answer;
mod client;
mod options;
mod report;
mod round;
mod source;
mod symbols;
#[cfg(test)]
mod tests;
mod workers;

use plugin_api::export_plugin;

use crate::source::Qq;

export_plugin! {
    name: "qq",
    description: "Polls the Tencent quote service for the whole A-share market",
    author: "dataserver developers",
    source: Qq,
}
