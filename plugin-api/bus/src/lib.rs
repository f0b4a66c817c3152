//! A subscriber of Hikyuu's quotation bus, which reads what any collector publishes there.
//!
//! Hikyuu's own reader trusts what comes: a quote without its time, or a list without its vector,
//! ends its process; a lost start mark costs it the whole round; what is lost, it does not notice.
//! This one checks every list and every quote, tells what is missing, takes what comes before the
//! first start mark, and dials again when the publisher goes. It speaks the subscriber's side of
//! NNG's protocol itself, on plain sockets, so that what it cannot hand on is bounded in bytes and
//! counted; NNG's own subscriber drops unseen.
//!
//! One message on its way: [`link`] (socket) → [`sp::Frames`] (message) → [`feed`] (mark or list) →
//! [`inbox`] → [`source`] with [`rounds`] and [`list`] (batch). A thread reads; it ends when the
//! source is closed.

mod connection;
mod feed;
mod handover;
mod inbox;
mod link;
mod list;
mod options;
mod rounds;
mod sequences;
mod source;
#[cfg(test)]
mod tests;
mod waker;
mod watch;

pub use options::{Options, SlowPipeline};
pub use source::NngSub;
