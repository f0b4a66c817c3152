//! Source of quotes from a QMT terminal.
//!
//! QMT runs on Windows, the host does not: a script beside QMT (`bridge/qmt_bridge.py`) connects to
//! the host and sends what xtquant tells it. docs/QMT.md has installation and protocol.
//!
//! Follow one callback: the script packs it into [`columns`], numbers it in a spool of its own and
//! sends it as a [`frame`]; [`server`] takes it in from a bridge that knows the token ([`auth`]);
//! [`quote`] settles units and known faults; [`batches`] numbers the batch as the spool does, so that
//! what comes again after a crash is recognised; [`progress`] keeps how far every sink is, which the
//! bridge hears and then forgets. With `connect`, [`websocket`] reads an existing `qmt-bridge`
//! instead. With `ask`, [`history`] asks the bridge for what is past, and ends.

mod auth;
mod batches;
mod columns;
mod frame;
mod history;
mod json;
mod lenient;
mod options;
mod progress;
mod queue;
mod quote;
mod server;
mod source;
#[cfg(test)]
mod tests;
mod tick;
mod websocket;

use plugin_api::export_plugin;
use source::Qmt;

export_plugin! {
    name: "qmt",
    description: "Takes in quotes of a QMT terminal through the bridge script beside it",
    author: "dataserver developers",
    source: Qmt,
}
