//! Sink and source of records in Redis Streams: [`streams`] as a plugin.

use plugin_api::export_plugin;
use streams::{RedisSink, StreamSource};

export_plugin! {
    name: "redis-stream",
    description: "Writes records to Redis Streams and reads them as a consumer of a group",
    author: "dataserver developers",
    source: StreamSource,
    sink: RedisSink,
}
