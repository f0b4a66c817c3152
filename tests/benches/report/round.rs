//! How long a round of the whole market takes from its source into three stores.

use std::{fmt::Write, sync::Arc};

use dataserver::{
    config::{self, ProcessEnvironment},
    engine::{
        clock::{Clock, SystemClock},
        topology,
    },
    loader::PluginCatalog,
};
use harness::{Bench, ClickHouse, Redis};

use super::measure::Row;

const SYMBOLS: usize = 5_500;
const ROUNDS: usize = 30;

/// A recording with a round each second.
fn recording() -> String {
    let mut text = "code,time,close,volume,amount,bid1,bidvol1,ask1,askvol1\n".to_owned();
    for round in 0..ROUNDS {
        for symbol in 0..SYMBOLS {
            let price = 8.0 + (symbol % 1_000) as f64 / 100.0;
            let _ = writeln!(
                text,
                "{:06}.SZ,2021-12-01 10:00:{round:02},{price:.2},{},{:.2},{:.2},100,{:.2},200",
                symbol + 1,
                round * 1_000,
                price * round as f64 * 1_000.0,
                price - 0.01,
                price + 0.01,
            );
        }
    }
    text
}

/// Three stores: as they are shipped, or so that they hold nothing back to join it with more.
fn pipeline(clickhouse: &ClickHouse, redis: &Redis, as_shipped: bool) -> String {
    let (wait, flush) = match as_shipped {
        true => ("", ""),
        false => ("batch = { max_wait = \"0s\" }", "flush_interval = \"0s\""),
    };
    format!(
        r#"
[sources.day]
plugin = "replay"
path = "day.csv"
columns = {{ code = "code", time = "time", close = "close", volume = "volume", amount = "amount", bid = "bid{{n}}", bid_volume = "bidvol{{n}}", ask = "ask{{n}}", ask_volume = "askvol{{n}}" }}
[sinks.clickhouse]
plugin = "clickhouse"
inputs = ["day"]
url = "{}"
{wait}
[sinks.redis]
plugin = "redis-stream"
inputs = ["day"]
url = "{}"
format = "flatbuffers"
[sinks.parquet]
plugin = "parquet"
inputs = ["day"]
path = "lake"
{flush}
"#,
        clickhouse.http_url(),
        redis.url()
    )
}

pub fn rows() -> Vec<Row> {
    [true, false].into_iter().flat_map(rows_of).collect()
}

fn rows_of(as_shipped: bool) -> Vec<Row> {
    let (clickhouse, redis) = (ClickHouse::start(), Redis::start(&[]));
    let bench = Bench::new(&["replay", "clickhouse", "redis-stream", "parquet"]);
    bench.write("day.csv", recording());
    bench.pipeline(&pipeline(&clickhouse, &redis, as_shipped));
    let draft = config::load(&bench.path("pipeline.toml"), &ProcessEnvironment).unwrap();
    let catalog = PluginCatalog::scan(&draft.host().plugins, &bench.path("data"));
    let pipeline = draft.resolve(&catalog).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let topology = topology::start(pipeline, &catalog, &clock, Arc::default()).unwrap();
    assert!(topology.wait().is_success());
    let stored = clickhouse.query("SELECT count() FROM spots FINAL");
    assert_eq!(stored.trim(), (SYMBOLS * ROUNDS).to_string());
    let milliseconds = |us: Option<u64>| us.unwrap() as f64 / 1e3;
    let stores = topology.components().into_iter().filter(|status| status.id != "day");
    stores
        .map(|status| {
            let p50 = milliseconds(status.latency_us(0.5));
            let p99 = milliseconds(status.latency_us(0.99));
            let how = match as_shipped {
                true => "options as shipped",
                false => "max_wait = 0s, flush_interval = 0s",
            };
            Row::new(
                &format!("committed in {}; {how}", status.id),
                format!("p50 {p50:.1} ms, p99 {p99:.1} ms"),
            )
        })
        .collect()
}
