//! Sink and source of records in Redis Streams.
//!
//! docs/REDIS.md is the format for readers and writers in other languages. Follow one batch out:
//! [`sink`] splits it into the entries of its streams by [`shard`], encodes each with [`record`],
//! ships them in transactions under ids that are the same when the batch is offered again, and
//! takes those that are there already for delivered. And in: [`source`] reads entries as a consumer
//! of a group, makes batches of them under numbers that are the same after a restart, and
//! acknowledges what every store behind it has. What is [`asked`] for is read beside all groups.

mod asked;
mod extent;
mod groups;
mod readers;
mod reading;
mod record;
mod server;
mod shard;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use plugin_api::export_plugin;
use reading::StreamSource;
use sink::RedisSink;

export_plugin! {
    name: "redis-stream",
    description: "Writes records to Redis Streams and reads them as a consumer of a group",
    author: "dataserver developers",
    source: StreamSource,
    sink: RedisSink,
}
