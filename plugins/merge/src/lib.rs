//! Transform that makes one feed of several sources of the same securities.
//!
//! Of each security one source serves at a time: the first of `prefer` that is fresh. Quotes of the
//! others stand by. A batch of which every quote passes is handed on as it is.
//!
//! **Fresh** is who has the news. A source is stale for a security when another one has brought
//! something newer (a later exchange time with another volume or price) and it has not followed for
//! `stale_after`, for that security or for any at all. So a security in which nobody trades is nobody's
//! fault, a push source need not repeat itself, and a server that repeats the same quotes for ever is
//! stale. The newest quote that stood by is kept until the source that serves has followed, and goes out
//! when it does not: nothing depends on a second quote that may never come, as after the close.
//!
//! **The clock.** In a live feed it is the host's, in which all sources are measured alike whatever
//! clocks their machines have. In a recorded one it is the newest exchange time that is believed, so that
//! a replay decides at any speed as it would live, provided its sources are in step: recordings of several
//! sources are played by one `replay`. A feed is live while its newest quote is of these minutes. Each
//! source's times are believed as [`plugin_api::schemas::stray`] says: one that is stamped tomorrow waits
//! until others confirm it, and decides nothing.
//!
//! One quote on its way: [`sources`] says whose it is and whether its time is believed, [`book`] finds
//! its [`security`], which says whether it passes, and [`outgoing`] puts the batch together.

mod book;
mod facts;
mod handover;
mod hours;
mod merge;
mod options;
mod outgoing;
mod security;
mod sources;
mod tally;
#[cfg(test)]
mod tests;

use plugin_api::export_plugin;

use merge::Merge;

export_plugin! {
    name: "merge",
    description: "Makes one feed of several sources of the same securities",
    author: "dataserver developers",
    transform: Merge,
}
