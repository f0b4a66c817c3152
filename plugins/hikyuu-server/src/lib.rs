//! Sink that answers Hikyuu's queries for bars and ticks.
//!
//! Hikyuu's `get_data_from_buffer_server` asks for the bars of many securities since its own last
//! one, `get_spot_from_buffer_server` for the quotes of one security. Both are MessagePack over
//! NNG's request and reply protocol, which is spoken here on plain sockets: so a request's size is
//! known before it is read, and memory is bounded whatever clients send or do not read.
//!
//! A batch on its way: [`sink`] → [`store`]. A question on its way: [`server`] → [`answer`]
//! ([`request`], [`store`]) → [`server`].

mod answer;
mod budget;
mod counters;
mod datetime;
mod ktype;
mod lake;
mod msgpack;
mod options;
mod request;
mod semaphore;
mod server;
mod sink;
mod store;
#[cfg(test)]
mod tests;

use plugin_api::export_plugin;

use sink::HikyuuServer;

export_plugin! {
    name: "hikyuu-server",
    description: "Answers Hikyuu's queries for bars and ticks",
    author: "dataserver developers",
    sink: HikyuuServer,
}
