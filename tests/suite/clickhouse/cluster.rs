//! Two shards of two replicas each, some of which go away.

use std::{
    thread,
    time::{Duration, Instant},
};

use dataserver::loader::SinkInstance;
use harness::{ClickHouse, ClickHouseCluster, Need, skip};
use plugin_api::{
    Batch, Polled, Round, SpotListEncoder, SpotRecord,
    testing::{bar_batch, spot_batch},
};
use serde_json::{Value, json};

use super::{Desk, write};

/// A cluster, where this machine can have one.
fn cluster() -> Option<ClickHouseCluster> {
    if ClickHouseCluster::is_possible() {
        return Some(ClickHouseCluster::start());
    }
    skip(Need::ZooKeeper, "there was no ZooKeeper for a cluster of ClickHouse");
    None
}

fn options(cluster: &ClickHouseCluster) -> Value {
    json!({ "url": cluster.urls(), "cluster": "quotes", "timeout": "4s" })
}

/// A sink, opened again as the host does: a server of 2018 now and then leaves a statement for the
/// cluster lying until the next one comes.
fn open(desk: &Desk, cluster: &ClickHouseCluster) -> Box<dyn SinkInstance> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match desk.open(options(cluster)) {
            Ok(sink) => return sink,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        thread::park_timeout(Duration::from_millis(50));
    }
}

/// Quotes of so many securities, at that second.
fn quotes(count: u32, second: i64) -> Batch {
    let mut encoder = SpotListEncoder::new(0);
    for code in 600_000..600_000 + count {
        let code = code.to_string();
        let record = SpotRecord {
            market: "SH",
            code: &code,
            time_us: 1_638_321_301_000_000 + second * 1_000_000,
            source: "feed",
            sequence: second.unsigned_abs() + 1,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    let number = second.unsigned_abs() + 1;
    Batch::from_spots(&mut encoder, Round::WHOLE).numbered(1, number, 0).with_delivery(number)
}

/// Waits until all of these have the same rows, and so many.
#[track_caller]
fn wait_for_rows<'a>(servers: impl Iterator<Item = &'a ClickHouse> + Clone, rows: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let count = |server: &ClickHouse| {
        server.try_query("SELECT count() FROM market.spots FINAL").unwrap_or_default()
    };
    let wanted = format!("{rows}\n");
    while !servers.clone().all(|server| count(server) == wanted) {
        let counts: Vec<_> = servers.clone().map(count).collect();
        assert!(Instant::now() < deadline, "{counts:?} instead of {rows} rows");
        thread::park_timeout(Duration::from_millis(50));
    }
}

/// Waits until the replicas of each shard have the same rows, and all shards together so many; a table
/// over all shards asks any replica, also one that lags.
#[track_caller]
fn wait_for_replicas(cluster: &ClickHouseCluster, rows: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let count = |server: &ClickHouse| -> u64 {
        let answer = server.try_query("SELECT count() FROM market.spots_local FINAL");
        answer.ok().and_then(|it| it.trim().parse().ok()).unwrap_or_default()
    };
    loop {
        let counts: Vec<Vec<_>> =
            cluster.servers.iter().map(|it| it.iter().map(count).collect()).collect();
        let is_equal = counts.iter().all(|it| it.windows(2).all(|pair| pair[0] == pair[1]));
        if is_equal && counts.iter().map(|it| it[0]).sum::<u64>() == rows {
            return;
        }
        assert!(Instant::now() < deadline, "{counts:?} instead of {rows} rows");
        thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn rows_are_spread_by_security_replicated_and_read_back_from_all() {
    let Some(cluster) = cluster() else { return };
    let desk = Desk::new("");
    let mut sink = open(&desk, &cluster);
    write(&mut sink, &[quotes(200, 0), bar_batch(), quotes(200, 1)]);
    // once more, as after a cut connection
    write(&mut sink, &[quotes(200, 0), bar_batch(), quotes(200, 1)]);
    wait_for_replicas(&cluster, 400);
    for (shard, replicas) in cluster.servers.iter().enumerate() {
        for replica in replicas {
            let strays = replica.query(&format!(
                "SELECT count() FROM market.spots_local \
                 WHERE cityHash64(substring(symbol, 1, 16)) % 2 != {shard}"
            ));
            assert_eq!(strays, "0\n", "each security has one shard");
            assert_ne!(replica.query("SELECT count() FROM market.spots_local"), "0\n");
        }
    }
    let mut more = options(&cluster);
    more["ask"] = json!({
        "symbols": [], "from": "2021-12-01", "to": "2021-12-02", "kind": "spot",
    });
    let mut source = desk.source(more).unwrap();
    let mut records = 0;
    loop {
        match source.next(Duration::from_millis(20)).unwrap() {
            Polled::Batch(batch) => records += batch.records(),
            Polled::Idle => {}
            Polled::End => break,
        }
    }
    assert_eq!(records, 400);
    let bars = "SELECT count() FROM market.minute_bars_1m";
    assert_eq!(cluster.servers[1][1].query(bars), "1\n");
}

#[test]
fn a_replica_that_goes_away_is_replaced_and_catches_up() {
    let Some(mut cluster) = cluster() else { return };
    let desk = Desk::new("");
    let mut sink = open(&desk, &cluster);
    write(&mut sink, &[quotes(100, 0)]);
    wait_for_replicas(&cluster, 100);
    cluster.servers[0][0].signal("KILL");
    cluster.servers[1][1].signal("KILL");
    for second in 1..5 {
        write(&mut sink, &[quotes(100, second)]);
    }
    let there = [&cluster.servers[0][1], &cluster.servers[1][0]];
    wait_for_rows(there.into_iter(), 500);
    // and a new instance finds who is there
    drop(sink);
    let mut sink = open(&desk, &cluster);
    write(&mut sink, &[quotes(100, 5)]);
    cluster.servers[0][0].restart();
    cluster.servers[1][1].restart();
    wait_for_replicas(&cluster, 600);
    cluster.servers[0][1].signal("KILL");
    // the shard's other replica was away when the sink opened
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = sink.write(&[quotes(100, 6)]) {
        assert!(Instant::now() < deadline, "{error}");
        thread::park_timeout(Duration::from_millis(50));
    }
    wait_for_rows([&cluster.servers[0][0], &cluster.servers[1][1]].into_iter(), 700);
}

#[test]
fn a_shard_without_a_replica_is_waited_for_and_named() {
    let Some(mut cluster) = cluster() else { return };
    let desk = Desk::new("");
    cluster.servers[1].iter_mut().for_each(|server| server.signal("KILL"));
    let error = desk.refused(options(&cluster));
    assert!(error.message.contains("replica of shard 2 of cluster quotes that answers"), "{error}");
    let error = desk.refused(json!({
        "url": cluster.servers[0][0].http_url(), "cluster": "others",
    }));
    assert!(error.message.contains("belongs to 0 shards of cluster others"), "{error}");
    cluster.servers[1].iter_mut().for_each(ClickHouse::restart);
    write(&mut open(&desk, &cluster), &[spot_batch(10, Round::MIDDLE)]);
    wait_for_replicas(&cluster, 10);
}
