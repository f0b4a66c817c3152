//! Transform that makes bars of quotes, by the rules of Hikyuu's own client.
//!
//! A quote carries the day's totals and its last price; a bar of any period is what changed between
//! two moments. Bars follow the time of the records alone, so that a recorded day gives that day's
//! bars at any speed. The clock closes only what a live feed left open.
//!
//! One quote on its way: [`book`] finds its [`security`], whose [`row`](security::row) asks each
//! [`period`] for the bar that the moment belongs to within the market's [`hours`], and merges it into
//! the last [`bar`], which knows its [`origin`]. Terminals draw bars in different [`shape`]s, and
//! [`history`](security::history) may know what came before the first quote. What was seen of a day
//! outlives the process in a [`checkpoint`], so that a host that starts again at ten does not take the
//! whole morning for one minute.

mod auction;
mod bar;
mod book;
mod checkpoint;
mod codec;
mod hours;
mod joining;
mod options;
mod origin;
mod period;
mod record;
mod securities;
mod security;
mod shape;
#[cfg(test)]
mod tests;
mod transform;

use plugin_api::export_plugin;

use transform::Bars;

export_plugin! {
    name: "bars",
    description: "Makes bars of quotes, by Hikyuu's rules",
    author: "dataserver developers",
    transform: Bars,
}
