//! Sink that publishes quotes on Hikyuu's quotation bus.
//!
//! Any number of Hikyuu processes, or other subscribers that use NNG, dial in and get every batch as
//! one message, between the marks that open and close a round. The payload goes out byte for byte.
//!
//! NNG's own publisher drops unseen: it bounds its queues by a number of messages and loses them
//! when it closes. So the publisher's side of the protocol is spoken here on plain sockets ([`sp`]),
//! with queues bounded in bytes, drops that are counted and named, and a close that loses nothing.
//!
//! One batch on its way: [`sink`] → [`marks`] → [`bus`] → [`subscriber`] ([`queue`]) →
//! [`connection`]. A thread per address accepts ([`listener`]), a pair of threads per subscriber
//! writes and notices its end; all of them have ended when the sink is closed.

mod bus;
mod connection;
mod listener;
mod marks;
mod message;
mod options;
mod pace;
mod queue;
mod securities;
mod sink;
mod subscriber;
#[cfg(test)]
mod tests;

use plugin_api::export_plugin;

use sink::NngPub;

export_plugin! {
    name: "nng-pub",
    description: "Publishes quotes on Hikyuu's quotation bus",
    author: "dataserver developers",
    sink: NngPub,
}
