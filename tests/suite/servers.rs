//! The servers and networks that other tests are made with do what these tests rely on.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use harness::{ClickHouse, Proxy, Redis, RedisCluster};

#[test]
fn a_redis_that_was_killed_comes_back_with_what_it_had() {
    let mut redis = Redis::start(&["requirepass secret"]);
    assert_eq!(redis.cli(&["set", "key", "kept"]), "OK");
    redis.signal("KILL");
    assert_eq!(redis.cli(&["get", "key"]), "");
    redis.restart();
    assert_eq!(redis.cli(&["get", "key"]), "kept");
    redis.signal("STOP");
    redis.signal("CONT");
    assert_eq!(redis.cli(&["get", "key"]), "kept");
}

#[test]
fn a_clickhouse_that_was_killed_comes_back_with_what_it_had() {
    let mut server = ClickHouse::start();
    server.query("CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n");
    server.query("INSERT INTO kept VALUES (7)");
    server.signal("KILL");
    assert!(server.try_query("SELECT 1").is_err());
    server.restart();
    assert_eq!(server.query("SELECT n FROM kept"), "7\n");
    let refused = server.try_query("SELECT nothing").unwrap_err();
    assert!(refused.contains("nothing"), "{refused}");
}

#[test]
fn a_cluster_serves_all_slots_and_survives_the_loss_of_a_master() {
    let mut cluster = RedisCluster::start(3, 1);
    let set = |cluster: &RedisCluster| cluster.nodes[1].cli(&["-c", "set", "{0}", "kept"]);
    assert_eq!(set(&cluster), "OK");
    cluster.nodes[0].signal("KILL");
    cluster.nodes[0].restart();
    assert!(cluster.wait_until_whole());
    assert_eq!(set(&cluster), "OK");
}

#[test]
fn a_network_can_be_cut_refused_stalled_and_robbed_of_answers() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::start(redis.port());
    let connect = || TcpStream::connect(("127.0.0.1", proxy.port()));
    let ping = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _ = stream.write_all(b"PING\r\n");
        let mut answer = [0; 16];
        stream.read(&mut answer).map(|read| answer[..read].to_vec())
    };
    let mut stream = connect().unwrap();
    assert_eq!(ping(&mut stream).unwrap(), b"+PONG\r\n");
    proxy.stall();
    assert!(ping(&mut stream).is_err(), "nothing comes and nothing closes");
    proxy.forward();
    assert!(ping(&mut stream).unwrap().starts_with(b"+PONG\r\n"));
    proxy.cut();
    assert!(!ping(&mut stream).is_ok_and(|answer| !answer.is_empty()));
    proxy.refuse();
    assert!(connect().is_err());
    proxy.forward();
    let mut stream = connect().unwrap();
    proxy.lose_answers();
    stream.write_all(b"SET key arrived\r\n").unwrap();
    assert!(ping(&mut stream).is_err());
    let deadline = Instant::now() + Duration::from_secs(60);
    while redis.cli(&["get", "key"]) != "arrived" {
        assert!(Instant::now() < deadline);
    }
}
