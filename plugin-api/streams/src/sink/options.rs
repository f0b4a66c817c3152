//! What may stand in the table of a `redis-stream` sink.

use kit::Faults;
use plugin_api::{Context, PluginError, RecordKind, options};

use crate::{
    server::{Access, Target},
    shard,
};

options! {
    /// Options of the `redis-stream` sink.
    #[serde(default)]
    pub struct Options {
        #[serde(flatten)]
        pub access: Access,
        /// Stream of quotes. Default `spot_stream`.
        pub stream: String,
        /// Stream of bars. Default `minute_bar_stream`.
        pub bar_stream: String,
        /// How records are written. Default `fields`.
        pub format: Format,
        /// Streams are cut at about so many entries, which bounds Redis's memory; 0 keeps all. Even
        /// what no consumer has read yet is cut off. Default 0.
        pub maxlen: u64,
        /// Streams `NAME:{0}` to `NAME:{N-1}` instead of NAME, by a hash of the symbol (see
        /// docs/REDIS.md), at most 1024; 0 for one stream. Default 0.
        pub shards: u32,
        /// Ids of entries. Default `batch`.
        pub ids: Ids,
        /// Other forms in which every record is sent as well, as a JSON object. Unlike the streams
        /// they may get a record twice when the connection is cut. Default: none.
        pub also: Vec<Also>,
        /// List that quotes are pushed to, with `also = ["list"]`. Default `spot_queue`.
        pub queue: String,
        /// List that bars are pushed to. Default `minute_bar_queue`.
        pub bar_queue: String,
        /// Channel that quotes are published on, with `also = ["pubsub"]`. Default `spot`.
        pub channel: String,
        /// Channel that bars are published on. Default `minute_bar`.
        pub bar_channel: String,
        /// Replicas that must have a record before it counts as delivered, so that it outlives the
        /// loss of the master; at most 64. Default 0.
        pub wait: u32,
    }
}

options! {
    /// How records are written to a stream.
    pub enum Format {
        /// An entry per record, its fields as text: for consumers in any language.
        Fields,
        /// An entry per batch, in binary: several times faster, and nothing is lost on the way to
        /// another host.
        Flatbuffers,
    }
}

options! {
    /// Where ids of entries come from.
    pub enum Ids {
        /// From the batch: an entry that is sent again is recognised, so that none is there twice.
        /// Nobody else may write to the stream.
        Batch,
        /// From the server: for streams with several writers. What is sent again because the
        /// connection was cut may be there twice.
        Auto,
    }
}

options! {
    /// Another form in which records are sent.
    pub enum Also {
        /// LPUSH to a list, for consumers that BRPOP.
        List,
        /// PUBLISH on a channel; who does not listen just then never gets it.
        Pubsub,
    }
}

/// Most replicas that a record can be waited for on.
const MOST_REPLICAS: u32 = 64;

impl Default for Options {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            access: Access::default(),
            stream: text("spot_stream"),
            bar_stream: text("minute_bar_stream"),
            format: Format::Fields,
            maxlen: 0,
            shards: 0,
            ids: Ids::Batch,
            also: Vec::new(),
            queue: text("spot_queue"),
            bar_queue: text("minute_bar_queue"),
            channel: text("spot"),
            bar_channel: text("minute_bar"),
            wait: 0,
        }
    }
}

impl Options {
    /// Checks the options and says where the servers are; reports all faults at once.
    pub fn check(&self, context: &Context) -> Result<Target, PluginError> {
        let mut faults = Faults::default();
        let target = self.access.target(context, &mut faults);
        let names = [
            ("stream", &self.stream),
            ("bar_stream", &self.bar_stream),
            ("queue", &self.queue),
            ("bar_queue", &self.bar_queue),
            ("channel", &self.channel),
            ("bar_channel", &self.bar_channel),
        ];
        for (place, (option, name)) in names.iter().enumerate() {
            if name.is_empty() {
                faults.push(format!("`{option}` is empty; name a key"));
            }
            let is_key = place < 4;
            let twin = names[..place.min(4)].iter().find(|(_, other)| is_key && other == name);
            if let Some((other, _)) = twin {
                faults.push(format!("`{other}` and `{option}` are both {name}; name two keys"));
            }
        }
        faults.at_most("`shards`", self.shards, shard::MOST_SHARDS, "the most is");
        faults.at_most("`wait`", self.wait, MOST_REPLICAS, "the most is");
        faults.check_made(target)
    }

    /// Streams of a kind, by shard. A kind without an option of its own has streams, a list and a
    /// channel of the kind's name.
    pub fn streams(&self, kind: RecordKind) -> Vec<String> {
        let name = match kind {
            RecordKind::Spot => self.stream.clone(),
            RecordKind::Bar => self.bar_stream.clone(),
            other => format!("{}_stream", other.as_str()),
        };
        shard::streams(&name, self.shards)
    }

    /// The list of a kind.
    pub fn queue(&self, kind: RecordKind) -> String {
        match kind {
            RecordKind::Spot => self.queue.clone(),
            RecordKind::Bar => self.bar_queue.clone(),
            other => format!("{}_queue", other.as_str()),
        }
    }

    /// The channel of a kind.
    pub fn channel(&self, kind: RecordKind) -> String {
        match kind {
            RecordKind::Spot => self.channel.clone(),
            RecordKind::Bar => self.bar_channel.clone(),
            other => other.as_str().to_owned(),
        }
    }
}
