//! Records in Redis Streams: a sink and a source.
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

pub use reading::StreamSource;
pub use sink::RedisSink;
pub use source::{Options, RedisSource};
