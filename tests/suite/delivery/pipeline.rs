//! The pipelines of a run.

use harness::Random;

use super::{fault::Which, keys::Keys};

/// Streams with an entry a record, shared out by security.
pub const FIELDS: [&str; 6] =
    ["spots:{0}", "spots:{1}", "spots:{2}", "spots:{3}", "spots:{4}", "spots:{5}"];
/// Stream with an entry a batch.
pub const LISTS: [&str; 1] = ["lists"];

/// Of the hosts' user in ClickHouse.
pub const PASSWORD: &str = "secret";

/// The store that a sink fills.
pub fn store(which: Which, sink: &str) -> String {
    let copy = if which == Which::First { "" } else { " of the second host" };
    match sink {
        "fields" => "streams of records".to_owned(),
        "lists" => "stream of batches".to_owned(),
        other => format!("{other}{copy}"),
    }
}

/// A host's table in ClickHouse.
pub fn table(which: Which) -> &'static str {
    match which {
        Which::First => "market.spots",
        Which::Second => "copy.spots",
    }
}

/// A host's lake, within the disk.
pub fn lake(which: Which) -> &'static str {
    match which {
        Which::First => "lake",
        Which::Second => "copy",
    }
}

/// From `INPUT` to every kind of store; sizes and pauses, which change nothing about the result, are
/// random.
pub fn first(clickhouse: u16, keys: &Keys, random: &mut Random) -> String {
    let speed = random.between(700, 2_000);
    let (lake, table) = stores(Which::First, clickhouse, random);
    let mut streams = |id: &str, more: &str| {
        let sink = sink(id, "redis-stream", random);
        format!("{sink}{}{more}", keys.sink_options())
    };
    let fields = streams("fields", "stream = \"spots\"\nformat = \"fields\"\nshards = 6\n");
    let lists = streams("lists", "stream = \"lists\"\nformat = \"flatbuffers\"\n");
    format!(
        "{HOST}data_dir = \"../disk/first\"\n\
         [sources.day]\nplugin = \"replay\"\npath = \"INPUT\"\nresume = true\n\
         speed = {speed}.0\nmax_gap = \"1s\"\n\
         [sources.day.columns]\n{COLUMNS}\n{lake}{table}{fields}{lists}"
    )
}

/// From streams that the first host writes to a lake and a table of its own.
pub fn second(clickhouse: u16, keys: &Keys, reads: &[&str], random: &mut Random) -> String {
    let (lake, table) = stores(Which::Second, clickhouse, random);
    format!(
        "{HOST}data_dir = \"../disk/second\"\n\
         [sources.day]\nplugin = \"redis-stream\"\n{}stream = {reads:?}\ngroup = \"{GROUP}\"\nconsumer = \"second\"\n{lake}{table}",
        keys.options()
    )
}

fn stores(which: Which, clickhouse: u16, random: &mut Random) -> (String, String) {
    let workers = random.between(1, 3);
    let database = table(which).split('.').next().unwrap_or_default();
    (
        format!(
            "{}path = \"../disk/{}\"\nrow_group_records = 1000\nroll_records = 3000\n\
             flush_interval = \"200ms\"\n",
            sink("lake", "parquet", random),
            lake(which)
        ),
        format!(
            "{}url = \"http://127.0.0.1:{clickhouse}\"\ndatabase = \"{database}\"\n\
             user = \"writer\"\npassword = \"{PASSWORD}\"\nworkers = {workers}\n",
            sink("table", "clickhouse", random)
        ),
    )
}

fn sink(id: &str, plugin: &str, random: &mut Random) -> String {
    let max_records = random.pick(&[500, 2_000, 10_000]);
    let max_bytes = random.pick(&["256KiB", "2MiB", "32MiB"]);
    format!(
        "[sinks.{id}]\nplugin = \"{plugin}\"\ninputs = [\"day\"]\n\
         buffer = {{ max_bytes = \"{max_bytes}\" }}\n\
         batch = {{ max_records = {max_records}, max_wait = \"50ms\" }}\n\
         retry = {{ backoff = \"10ms..200ms\" }}\n"
    )
}

const HOST: &str = "[host]\nplugins = [\"../plugins\"]\ndrain_timeout = \"2s\"\n";
/// The second host's group.
const GROUP: &str = "copies";

/// Columns of the joined file.
const COLUMNS: &str = r#"code = "symbol"
time = "time"
pre_close = "pre_close"
open = "open"
high = "high"
low = "low"
close = "close"
amount = "amount"
volume = "volume"
bid = "bid{n}"
bid_volume = "bid_volume{n}"
ask = "ask{n}"
ask_volume = "ask_volume{n}""#;
