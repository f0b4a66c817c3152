//! The pipeline of a run.

use harness::Random;

/// Streams with an entry a record, shared out by security.
pub const FIELDS: [&str; 3] = ["spots:{0}", "spots:{1}", "spots:{2}"];
/// Stream with an entry a batch.
pub const LISTS: [&str; 1] = ["lists"];
/// Table in ClickHouse.
pub const TABLE: &str = "market.spots";

/// From `INPUT` to every store; sizes and pauses, which change nothing about the result, are random.
pub fn text(clickhouse: u16, redis: u16, random: &mut Random) -> String {
    let speed = random.between(700, 2_000);
    let workers = random.between(1, 3);
    let mut sink = |id: &str, plugin: &str| {
        let max_records = random.pick(&[500, 2_000, 10_000]);
        let max_bytes = random.pick(&["256KiB", "2MiB", "32MiB"]);
        format!(
            "[sinks.{id}]\nplugin = \"{plugin}\"\ninputs = [\"day\"]\n\
             buffer = {{ max_bytes = \"{max_bytes}\" }}\n\
             batch = {{ max_records = {max_records}, max_wait = \"50ms\" }}\n\
             retry = {{ backoff = \"10ms..200ms\" }}\n"
        )
    };
    let (lake, table) = (sink("lake", "parquet"), sink("table", "clickhouse"));
    let (fields, lists) = (sink("fields", "redis-stream"), sink("lists", "redis-stream"));
    format!(
        "[host]\ndata_dir = \"disk/data\"\ndrain_timeout = \"2s\"\n\
         [sources.day]\nplugin = \"replay\"\npath = \"INPUT\"\nresume = true\n\
         speed = {speed}.0\nmax_gap = \"1s\"\n\
         [sources.day.columns]\n{COLUMNS}\n\
         {lake}path = \"disk/lake\"\nrow_group_records = 1000\nroll_records = 3000\n\
         flush_interval = \"200ms\"\n\
         {table}url = \"http://127.0.0.1:{clickhouse}\"\ndatabase = \"market\"\nworkers = {workers}\n\
         {fields}url = \"redis://127.0.0.1:{redis}\"\nstream = \"spots\"\nformat = \"fields\"\nshards = 3\n\
         {lists}url = \"redis://127.0.0.1:{redis}\"\nstream = \"lists\"\nformat = \"flatbuffers\"\n"
    )
}

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
