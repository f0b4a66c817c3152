//! Source of history: bars of the past from the Tencent K-line service.
//!
//! An instance answers one [`Ask`](plugin_api::Ask) and ends. Several securities are asked for at a
//! time; of each, pages are asked backwards from the end of the span until they reach its start, and
//! then its bars leave in the order of time.
//!
//! - Empty is a failure, not an answer: before a host is believed it must give the Shanghai index of
//!   the last trading day, and a security without rows is asked for at every host.
//! - Pages may be shorter than asked, so only their rows tell how far they reach.
//! - A security that cannot be given, or not whole, becomes a dead letter with the reason, and the
//!   source ends with a fault that lists them.
//! - Volumes leave in shares; where a row carries its turnover, that proves the unit.

mod answer;
mod bar;
mod client;
mod fault;
mod options;
mod pace;
mod question;
mod row;
mod service;
mod source;
#[cfg(test)]
mod tests;
mod walk;
mod whole;
mod workers;

use plugin_api::export_plugin;

use crate::source::Kline;

export_plugin! {
    name: "kline",
    description: "Gives bars of the past from the Tencent K-line service",
    author: "dataserver developers",
    source: Kline,
}
