//! What may stand in the table of a `redis-stream` source.

use kit::{Faults, Texts};
use plugin_api::{Ask, Context, Duration, PluginError, RecordKind, options};

use crate::{
    groups::claimed_name,
    server::{Access, Target},
    shard,
};

options! {
    /// Options of the `redis-stream` source.
    #[serde(default)]
    pub struct Options {
        /// Where the servers are and how to get in.
        #[serde(flatten)]
        pub access: Access,
        /// Stream or list of streams to read, of quotes or bars in either format. Default
        /// `["spot_stream", "minute_bar_stream"]`.
        pub stream: Texts,
        /// Consumer group. Default `minute_bar_consumers`.
        pub group: String,
        /// This client's name in the group, which no other running client may have. Default: the
        /// machine's name and the component's, `HOST-ID`.
        pub consumer: Option<String>,
        /// How several clients share the streams. Default `shared`.
        pub mode: Mode,
        /// Read `NAME:{0}` to `NAME:{N-1}` instead of NAME, as the sink with this number of shards
        /// writes them; 0 for one stream. Default 0.
        pub shards: u32,
        /// Shards that this client reads, e.g. `[0, 1]`. Default: all.
        pub own: Vec<u32>,
        /// Take over what another client of the group was given when it shows no sign of life for
        /// so long; at least 100ms, 0s for never. Default 60s.
        pub claim_after: Duration,
        /// An entry that was given out so often and never acknowledged goes to the stream
        /// `NAME:dead`; 0 for never. Default 5.
        pub dead_letter_after: u64,
        /// What a group that is not there yet begins with. Default `all`.
        pub start: Start,
        /// Most records in a batch that is made of entries with one record each, 1 to 100000.
        /// Default 1000.
        pub batch_records: usize,
        /// What is read back, beside all groups; whoever asks for history sets it.
        pub ask: Option<Ask>,
        /// Stream of bars, which is read besides when bars are asked for. Default
        /// `minute_bar_stream`.
        pub bar_stream: Option<String>,
    }
}

options! {
    /// How several clients share the streams.
    pub enum Mode {
        /// Each has every record: a group of its own, `GROUP:CONSUMER`.
        Broadcast,
        /// Each record is given to one of them.
        Shared,
        /// Each reads the shards that it owns, and so keeps the order of each security.
        Sharded,
    }
}

options! {
    /// What a new group begins with.
    pub enum Start {
        /// What is in the stream already.
        All,
        /// What is added from now on.
        New,
        /// Nothing: a group that is not there is a fault.
        Existing,
    }
}

const BAR_STREAM: &str = "minute_bar_stream";
const MOST_BATCH_RECORDS: usize = 100_000;
const SHORTEST_CLAIM: std::time::Duration = std::time::Duration::from_millis(100);

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::default(),
            stream: Texts::Many(["spot_stream", BAR_STREAM].map(str::to_owned).into()),
            group: "minute_bar_consumers".to_owned(),
            consumer: None,
            mode: Mode::Shared,
            shards: 0,
            own: Vec::new(),
            claim_after: Duration(std::time::Duration::from_secs(60)),
            dead_letter_after: 5,
            start: Start::All,
            batch_records: 1_000,
            ask: None,
            bar_stream: None,
        }
    }
}

/// The options after their check.
#[derive(Clone)]
pub struct Settings {
    /// Where the servers are.
    pub target: Target,
    /// Streams that are read, shards counted one by one.
    pub streams: Vec<String>,
    /// The group's own name.
    pub group: String,
    /// This client's.
    pub consumer: String,
    /// Name under which this client has what it took over from others.
    pub claimed: String,
    /// How long a silent client counts as alive; `None` when nothing is taken over.
    pub claim_after: Option<std::time::Duration>,
    /// Tries after which an entry is set aside; `None` for any number.
    pub most_tries: Option<u64>,
    /// What a new group begins with.
    pub start: Start,
    /// Most records of a batch that is made of single ones.
    pub batch_records: usize,
}

impl Options {
    /// Checks the options and reports all faults at once.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn check(&self, context: &Context) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        let target = self.access.target(context, &mut faults);
        self.check_sharing(&mut faults);
        let records = self.batch_records;
        faults.within("`batch_records`", records, 1..=MOST_BATCH_RECORDS, "allowed is");
        if !self.claim_after.is_zero() && *self.claim_after < SHORTEST_CLAIM {
            let given = self.claim_after;
            faults.push(format!("`claim_after` is {given}; the least is 100ms, or 0s for never"));
        }
        let consumer = self.consumer.clone().unwrap_or_else(|| default_consumer(context));
        let group = match self.mode {
            Mode::Broadcast => format!("{}:{consumer}", self.group),
            Mode::Shared | Mode::Sharded => self.group.clone(),
        };
        let takes_over = self.mode != Mode::Broadcast && !self.claim_after.is_zero();
        let target = faults.check_made(target)?;
        Ok(Settings {
            target,
            streams: self.streams(),
            group,
            claimed: claimed_name(&consumer),
            consumer,
            claim_after: takes_over.then_some(*self.claim_after),
            most_tries: (self.dead_letter_after > 0).then_some(self.dead_letter_after),
            start: self.start,
            batch_records: records,
        })
    }

    fn check_sharing(&self, faults: &mut Faults) {
        let names = self.stream.as_slice();
        if names.is_empty() || names.iter().any(String::is_empty) {
            faults.push("`stream` names no stream; write e.g. spot_stream".to_owned());
        }
        if let Some(twice) = (1..names.len()).find(|at| names[..*at].contains(&names[*at])) {
            faults.push(format!("`stream` names {} twice; name each once", names[twice]));
        }
        if self.group.is_empty() || self.consumer.as_ref().is_some_and(String::is_empty) {
            faults.push("`group` and `consumer` must not be empty; name them".to_owned());
        }
        faults.at_most("`shards`", self.shards, shard::MOST_SHARDS, "the most is");
        if let Some(absent) = self.own.iter().find(|own| **own >= self.shards) {
            faults.push(match self.shards {
                0 => "`own` without `shards`; say how many shards there are".to_owned(),
                shards => format!("`own` names {absent}; shards are 0 to {}", shards - 1),
            });
        }
        if self.mode == Mode::Sharded && self.shards == 0 {
            faults.push(
                "mode = \"sharded\" needs `shards`, and `own` for those that this client reads"
                    .to_owned(),
            );
        }
    }

    /// Names of what is read. The host hands over what a sink says, which names quotes and bars apart
    /// and may leave either to its default.
    fn names(&self) -> Vec<String> {
        let mut names = self.stream.as_slice().to_vec();
        let Some(ask) = &self.ask else { return names };
        let of_bars = self.bar_stream.as_deref().unwrap_or(BAR_STREAM);
        names.retain(|name| name != of_bars);
        if RecordKind::named(&ask.kind) == Some(RecordKind::Bar) {
            names.insert(0, of_bars.to_owned());
        }
        names
    }

    fn streams(&self) -> Vec<String> {
        let of_name = |name: &String| match self.own.as_slice() {
            [] => shard::streams(name, self.shards),
            own => {
                let mut own = own.to_vec();
                own.sort_unstable();
                own.dedup();
                own.into_iter().map(|shard| shard::stream(name, shard)).collect()
            }
        };
        self.names().iter().flat_map(of_name).collect()
    }
}

fn default_consumer(context: &Context) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}-{}", if host.is_empty() { "host" } else { host }, context.instance())
}
