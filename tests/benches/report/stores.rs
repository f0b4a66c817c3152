//! Stores against the tools that come with them: clickhouse-client, redis-benchmark, dd.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use dataserver::{
    loader::Opening,
    spool::{SYNC_BYTES, Spool},
};
use harness::{ClickHouse, Redis};
use plugin_api::{Batch, Provenance, RoleKind, Round, SpotListEncoder, SpotRecord};

use super::{
    abi::{context, load},
    measure::{Row, best, in_turn, rate},
    payload::SPOTS,
};

/// Batches of [`SPOTS`] quotes that a store gets in one call, as many as it asks for by default.
const GROUP: usize = 20;
const CLICKHOUSE_GROUP: usize = 200;
const CLICKHOUSE_GROUPS: usize = 4;
const REDIS_GROUPS: usize = 10;
const SPOOL_BATCHES: usize = 2_000;

/// So many batches, each quote with a time of its own.
fn batches(count: usize) -> Vec<Batch> {
    let batch = |number: usize| {
        let mut encoder = SpotListEncoder::new(SPOTS);
        for index in 0..SPOTS {
            let code = format!("{}", 600_000 + index);
            let price = 8.0 + ((index * 7 + number) % 1_000) as f64 / 100.0;
            let sequence = (number * SPOTS + index) as u64;
            let record = SpotRecord {
                market: "SH",
                code: &code,
                name: "浦发银行",
                time_us: 1_638_321_301_000_000 + 3_000_000 * number as i64,
                recv_time_us: 1_638_321_301_000_000 + 3_000_000 * number as i64 + 40,
                pre_close: price,
                open: price,
                high: price + 0.1,
                low: price - 0.1,
                close: price,
                amount_cny: price * sequence as f64,
                volume_shares: sequence * 100,
                bid: &[price - 0.01, price - 0.02, price - 0.03, price - 0.04, price - 0.05],
                bid_volume: &[100, 200, 300, 400, 500],
                ask: &[price + 0.01, price + 0.02, price + 0.03, price + 0.04, price + 0.05],
                ask_volume: &[100, 200, 300, 400, 500],
                source: "day",
                sequence: sequence + 1,
                ..SpotRecord::default()
            };
            encoder.push(&record).unwrap();
        }
        let mut provenance = Provenance::of_source("day");
        provenance.received_at_us = 1_700_000_000_000_000 + number as i64;
        Batch::from_spots(&mut encoder, Round::WHOLE)
            .with_provenance(provenance)
            .numbered(1, number as u64 + 1, 0)
            .with_delivery(1_700_000_000_000_000 + number as u64)
    };
    (0..count).map(batch).collect()
}

/// Time of a sink for all batches, in groups.
fn write(plugin: &str, options: &str, folder: &Path, batches: &[Batch], group: usize) -> Duration {
    let mut sink =
        load(plugin, RoleKind::Sink).open_sink(Opening::plain(options, context(folder))).unwrap();
    let started = Instant::now();
    for group in batches.chunks(group) {
        sink.write(group).unwrap();
    }
    sink.flush().unwrap();
    let elapsed = started.elapsed();
    sink.close().unwrap();
    elapsed
}

fn clickhouse() -> Row {
    let (server, folder) = (ClickHouse::start(), tempfile::tempdir().unwrap());
    let batches = batches(CLICKHOUSE_GROUP * CLICKHOUSE_GROUPS);
    let records = batches.len() * SPOTS;
    let options = format!(r#"{{"url":"{}"}}"#, server.http_url());
    let client = |query: &str| {
        let mut command = Command::new("clickhouse-client");
        command.args(["--port", &server.tcp_port().to_string(), "--query", query]);
        command
    };
    write("clickhouse", &options, folder.path(), &batches, CLICKHOUSE_GROUP);
    assert_eq!(server.query("SELECT count() FROM spots").trim(), records.to_string());
    let rows = folder.path().join("rows.native");
    let file = File::create(&rows).unwrap();
    let exported = client("SELECT * FROM spots FORMAT Native").stdout(file).status().unwrap();
    assert!(exported.success());
    let ours = || {
        server.query("TRUNCATE TABLE spots");
        write("clickhouse", &options, folder.path(), &batches, CLICKHOUSE_GROUP)
    };
    let theirs = || {
        server.query("TRUNCATE TABLE spots");
        // its own time of the query: that of its start is not what is compared
        let mut insert = client("INSERT INTO spots FORMAT Native");
        let ran = insert.arg("--time").stdin(File::open(&rows).unwrap()).output().unwrap();
        assert!(ran.status.success());
        Duration::from_secs_f64(String::from_utf8_lossy(&ran.stderr).trim().parse().unwrap())
    };
    let (ours, theirs) = in_turn(5, ours, theirs);
    Row::new("clickhouse: quotes by groups of 100,000", rate(records as f64, ours)).against(
        format!(
            "clickhouse-client with the same rows in Native format, without its start, {}: {:.2} times",
            rate(records as f64, theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        ),
    )
}

/// Time of redis-benchmark for so many entries with those fields, pipelined by 100.
fn redis_benchmark(server: &Redis, entries: usize, fields: &[String]) -> Duration {
    server.cli(&["FLUSHALL"]);
    let started = Instant::now();
    let status = Command::new("redis-benchmark")
        .args(["-p", &server.port().to_string(), "-n", &entries.to_string()])
        .args(["-c", "1", "-P", "100", "-q", "XADD", "spot_stream", "*"])
        .args(fields)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    started.elapsed()
}

fn redis_fields() -> Row {
    // without a file: the disk is the same for both and would hide what is compared
    let server = Redis::start(&["appendonly no"]);
    let folder = tempfile::tempdir().unwrap();
    let batches = batches(GROUP * REDIS_GROUPS);
    let records = batches.len() * SPOTS;
    let options = format!(r#"{{"url":"{}"}}"#, server.url());
    let ours = || {
        server.cli(&["FLUSHALL"]);
        write("redis-stream", &options, folder.path(), &batches, GROUP)
    };
    ours();
    assert_eq!(server.cli(&["XLEN", "spot_stream"]), records.to_string());
    let entry = server.cli(&["XREVRANGE", "spot_stream", "+", "-", "COUNT", "1"]);
    let fields: Vec<String> = entry.lines().skip(1).map(str::to_owned).collect();
    let (ours, theirs) = in_turn(3, ours, || redis_benchmark(&server, records, &fields));
    Row::new("redis-stream: an entry a quote", rate(records as f64, ours)).against(format!(
        "redis-benchmark with XADD of the same fields, pipelined by 100, {}: {:.2} times",
        rate(records as f64, theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    ))
}

fn redis_batches() -> Row {
    // an argument of a program is at most 128 KiB, a batch of 250 quotes is smaller
    let server = Redis::start(&["appendonly no"]);
    let folder = tempfile::tempdir().unwrap();
    let batches: Vec<_> = batches(GROUP * REDIS_GROUPS * 2)
        .iter()
        .map(|batch| batch.halves().unwrap().unwrap().0)
        .collect();
    let records = batches.len() * SPOTS / 2;
    let options = format!(r#"{{"url":"{}","format":"flatbuffers"}}"#, server.url());
    let ours = || {
        server.cli(&["FLUSHALL"]);
        write("redis-stream", &options, folder.path(), &batches, GROUP)
    };
    ours();
    assert_eq!(server.cli(&["XLEN", "spot_stream"]), batches.len().to_string());
    let payload = "x".repeat(batches[0].payload().len());
    let fields = ["kind", "spot", "n", "250", "source", "day", "seq", "1234", "payload", &payload];
    let fields = fields.map(str::to_owned);
    let (ours, theirs) = in_turn(3, ours, || redis_benchmark(&server, batches.len(), &fields));
    Row::new("redis-stream: an entry a batch of 250 quotes", rate(records as f64, ours)).against(
        format!(
            "redis-benchmark with XADD of as many bytes, pipelined by 100, {}: {:.2} times",
            rate(records as f64, theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        ),
    )
}

fn spool() -> Row {
    let folder = tempfile::tempdir().unwrap();
    let batches = batches(64);
    let bytes: usize =
        (0..SPOOL_BATCHES).map(|number| batches[number % batches.len()].payload().len()).sum();
    let ours = || {
        let place = folder.path().join("spool");
        let _ = std::fs::remove_dir_all(&place);
        let (mut spool, _) = Spool::open(&place, 4 << 30).unwrap();
        let started = Instant::now();
        for number in 0..SPOOL_BATCHES {
            let batch = batches[number % batches.len()].clone();
            spool.append("bench", &batch.numbered(1, number as u64 + 1, 0), true).unwrap();
            if let Some(file) = spool.sync_due() {
                file.sync_data().unwrap();
            }
        }
        spool.sync().unwrap();
        started.elapsed()
    };
    let theirs = || {
        let started = Instant::now();
        let status = Command::new("dd")
            .args(["if=/dev/zero", &format!("of={}", folder.path().join("dd").display())])
            .args([&format!("bs={SYNC_BYTES}"), &format!("count={}", bytes as u64 / SYNC_BYTES)])
            .args(["oflag=dsync", "status=none"])
            .status()
            .unwrap();
        assert!(status.success());
        started.elapsed()
    };
    let (ours, theirs) = in_turn(3, ours, theirs);
    let speed = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    Row::new("spool: batches of 500 quotes, synced every 4 MiB", format!("{:.0} MB/s", speed(ours)))
        .against(format!(
            "dd of zeros with the same sync {:.0} MB/s: {:.2} times",
            speed(theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        ))
}

/// Time to read a backlog back, as after an hour without a server.
fn backlog() -> Row {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(folder.path(), 4 << 30).unwrap();
    let batches = batches(64);
    for number in 0..SPOOL_BATCHES {
        let batch = batches[number % batches.len()].clone();
        spool.append("bench", &batch.numbered(1, number as u64 + 1, 0), false).unwrap();
    }
    spool.sync().unwrap();
    drop(spool);
    let read = || {
        let started = Instant::now();
        let (mut spool, found) = Spool::open(folder.path(), 4 << 30).unwrap();
        assert_eq!(found.entries, SPOOL_BATCHES as u64);
        while spool.read_next().unwrap().is_some() {}
        started.elapsed()
    };
    let records = SPOOL_BATCHES as f64 * SPOTS as f64;
    Row::new("spool: opened, checked and read back", rate(records, best(3, read)))
}

pub fn rows() -> Vec<Row> {
    vec![clickhouse(), redis_fields(), redis_batches(), spool(), backlog()]
}
