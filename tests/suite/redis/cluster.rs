//! A Redis Cluster on loopback: shards are spread over its nodes, and nodes go and come.

use std::collections::BTreeSet;

use harness::{Bench, RedisCluster};

use super::{LOG, Running, from_redis, numbers, to_redis, wait_until};

/// Records that have to get through between two faults.
const STEP: u64 = 400;
const SHARDS: u64 = 6;

/// Feeds a stream of six shards without an end.
fn feed(cluster: &RedisCluster, bench: &Bench, more: &str) -> Running {
    let source = numbers(1_000_000, 20) + "pace = \"10ms\"\n";
    let options = format!("cluster = true\nshards = {SHARDS}\ntimeout = \"2s\"\n{more}");
    let sink = to_redis("numbers", &cluster.urls()[0], &options);
    // every node is named, because the first one may be away
    let urls = format!("{:?}", cluster.urls());
    let sink = sink.replace(&format!("{:?}", cluster.urls()[0]), &urls);
    Running::start(bench, &(source + &sink + "[sinks.out.retry]\nbackoff = \"50ms..200ms\"\n"))
}

/// A host that reads all shards and writes the numbers down.
fn read(cluster: &RedisCluster, bench: &Bench) -> Running {
    let options = format!("shards = {SHARDS}\ntimeout = \"2s\"\nbatch_records = 100");
    let source = from_redis("URLS", &options).replace("\"URLS\"", &format!("{:?}", cluster.urls()));
    Running::start(bench, &(source + LOG))
}

/// Numbers in all shards, asked of whoever has them; each shard must be in order.
fn stored(cluster: &RedisCluster) -> Vec<u64> {
    let mut all = Vec::new();
    for shard in 0..SHARDS {
        let stream = format!("spot_stream:{{{shard}}}");
        let text = cluster.nodes[0].cli(&["-c", "xrange", &stream, "-", "+"]);
        let mut lines = text.lines();
        let mut numbers: Vec<u64> = Vec::new();
        while let Some(line) = lines.next() {
            if line == "seq" {
                numbers.push(lines.next().unwrap().parse().unwrap());
            }
        }
        assert!(numbers.is_sorted(), "{stream} is out of order");
        all.extend(numbers);
    }
    all.sort_unstable();
    all
}

/// Ends the writer when it has delivered some more; all that it made is there, and was read.
#[track_caller]
fn assert_all_there(cluster: &RedisCluster, writer: Running, reader: Running, far: &Bench) {
    let before = writer.delivered("out");
    wait_until("more records", || writer.delivered("out") > before + STEP);
    writer.host.signal("TERM");
    let run = writer.host.wait();
    run.assert(0, &[]);
    let all = run.summary("numbers", "out");
    let stored = stored(cluster);
    let once: BTreeSet<_> = stored.iter().copied().collect();
    let lost: Vec<_> = (1..=all).filter(|number| !once.contains(number)).collect();
    assert!(lost.is_empty(), "{} of {all} are lost: {lost:?}", lost.len());
    assert_eq!(stored.len() as u64, all, "some are there twice");
    wait_until("all records on the other side", || {
        far.sequences("log").into_iter().collect::<BTreeSet<_>>().len() as u64 == all
    });
    reader.end();
}

#[test]
fn a_node_that_is_killed_and_comes_back_costs_nothing() {
    let mut cluster = RedisCluster::start(3, 0);
    let (near, far) =
        (Bench::new(&["faulty", "redis-stream"]), Bench::new(&["redis-stream", "faulty"]));
    let (writer, reader) = (feed(&cluster, &near, ""), read(&cluster, &far));
    for node in 0..3 {
        let before = writer.delivered("out");
        wait_until("some records", || writer.delivered("out") > before + STEP);
        cluster.nodes[node].signal("KILL");
        writer.host.wait_for(&format!("127.0.0.1:{}", cluster.nodes[node].port()));
        cluster.nodes[node].restart();
        assert!(cluster.wait_until_whole());
    }
    let used = (0..3).filter(|node| cluster.nodes[*node].cli(&["dbsize"]) != "0").count();
    assert!(used >= 2, "the shards are on {used} nodes");
    assert_all_there(&cluster, writer, reader, &far);
}

#[test]
fn a_replica_that_is_promoted_has_everything_that_was_waited_for() {
    let mut cluster = RedisCluster::start(3, 1);
    let (near, far) =
        (Bench::new(&["faulty", "redis-stream"]), Bench::new(&["redis-stream", "faulty"]));
    let (writer, reader) = (feed(&cluster, &near, "wait = 1"), read(&cluster, &far));
    wait_until("some records", || writer.delivered("out") > STEP);
    // one that has shards
    let master = (0..3).find(|node| cluster.nodes[*node].cli(&["dbsize"]) != "0").unwrap();
    cluster.nodes[master].signal("KILL");
    wait_until("another master", || {
        let nodes = cluster.nodes[(master + 1) % 3].cli(&["cluster", "nodes"]);
        nodes.lines().filter(|line| line.contains("master") && !line.contains("fail")).count() == 3
    });
    // the killed one has no replica left to wait for until it is back as one
    cluster.nodes[master].restart();
    assert_all_there(&cluster, writer, reader, &far);
}

#[test]
fn one_server_of_a_cluster_is_recognised_as_such() {
    let cluster = RedisCluster::start(3, 0);
    let bench = Bench::new(&["faulty", "redis-stream"]);
    let sink = to_redis("numbers", &cluster.urls()[0], "shards = 6");
    let running = Running::start(&bench, &(numbers(1, 300) + &sink));
    running.host.wait_for("set cluster = true");
}
