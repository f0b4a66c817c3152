//! Servers that are away or refuse: it is said clearly, the host stays up, and nothing is lost.

use harness::{Bench, Proxy, Redis};

use super::{Running, numbers, to_redis, wait_until};

/// Records that have to get through between two faults.
const STEP: u64 = 400;

/// A source without an end, and a sink.
fn pipeline(url: &str, more: &str) -> String {
    let source = numbers(1_000_000, 20) + "pace = \"5ms\"\n";
    source + &to_redis("numbers", url, more) + "[sinks.out.retry]\nbackoff = \"50ms..200ms\"\n"
}

/// Ends the host when it has delivered some more, and finds all that it made in the stream.
#[track_caller]
fn assert_all_stored(running: Running, server: &Redis) {
    let before = running.delivered("out");
    wait_until("some records more", || running.delivered("out") > before + STEP);
    running.host.signal("TERM");
    let run = running.host.wait();
    run.assert(0, &[]);
    assert!(stored(server).into_iter().eq(1..=run.summary("numbers", "out")));
}

/// Numbers of the records in a stream, in its order.
fn stored(server: &Redis) -> Vec<u64> {
    let text = server.cli(&["xrange", "spot_stream", "-", "+"]);
    let mut lines = text.lines();
    let mut numbers = Vec::new();
    while let Some(line) = lines.next() {
        if line == "seq" {
            numbers.push(lines.next().unwrap().parse().unwrap());
        }
    }
    numbers
}

#[test]
fn cut_connections_and_lost_answers_leave_every_record_once_and_in_order() {
    let server = Redis::start(&[]);
    let proxy = Proxy::start(server.port());
    let bench = Bench::new(&["faulty", "redis-stream"]);
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let running = Running::start(&bench, &pipeline(&url, "timeout = \"500ms\""));
    for round in 0..6 {
        let before = running.delivered("out");
        wait_until("some records", || running.delivered("out") >= before + STEP);
        match round % 3 {
            0 => assert!(proxy.cut() > 0),
            1 => proxy.lose_answers(),
            _ => proxy.refuse(),
        }
        if round % 3 > 0 {
            running.host.wait_for("redis at 127.0.0.1");
            proxy.forward();
        }
    }
    assert_all_stored(running, &server);
}

#[test]
fn a_server_that_is_killed_and_comes_back_has_every_record_once() {
    let mut server = Redis::start(&[]);
    let bench = Bench::new(&["faulty", "redis-stream"]);
    let running = Running::start(&bench, &pipeline(&server.url(), ""));
    for _ in 0..3 {
        let before = running.delivered("out");
        wait_until("some records", || running.delivered("out") >= before + STEP);
        server.signal("KILL");
        running.host.wait_for("is away");
        server.restart();
    }
    assert_all_stored(running, &server);
}

#[test]
fn a_host_that_is_killed_has_every_record_in_the_stream_once() {
    let server = Redis::start(&[]);
    let bench = Bench::new(&["replay", "redis-stream"]);
    let day = harness::DAYS[1];
    let source = day.source().replace("speed = 0.0", "speed = 2000.0\nresume = true");
    let pipeline = source + &to_redis("day", &server.url(), "");
    for _ in 0..3 {
        let running = Running::start(&bench, &pipeline);
        wait_until("some records", || running.delivered("out") >= 400);
        running.host.signal("KILL");
        running.host.wait();
    }
    bench.run(&["run"]).assert(0, &[]);
    assert!(stored(&server).into_iter().eq(1..=day.records));
}

/// What is wrong at the start, what the log says, and what mends it.
struct Refusal {
    settings: &'static [&'static str],
    before: &'static [&'static str],
    options: &'static str,
    texts: &'static [&'static str],
    mend: &'static [&'static str],
}

const REFUSALS: [Refusal; 7] = [
    Refusal {
        settings: &["requirepass right"],
        before: &["ping"],
        options: "password = \"guess\"",
        texts: &["refuses the password", "correct `username` and `password`"],
        mend: &["acl", "setuser", "default", ">guess"],
    },
    Refusal {
        settings: &[],
        before: &["lpush", "spot_stream", "x"],
        options: "",
        texts: &["spot_stream", "a key of another type", "delete or rename it"],
        mend: &["del", "spot_stream"],
    },
    Refusal {
        settings: &[],
        before: &["replicaof", "127.0.0.1", "1"],
        options: "",
        texts: &["is a read-only replica", "name its master in `url`, or promote it"],
        mend: &["replicaof", "no", "one"],
    },
    Refusal {
        settings: &["maxmemory 1mb"],
        before: &["ping"],
        options: "",
        texts: &["has used up its memory", "OOM command not allowed", "raise its `maxmemory`"],
        mend: &["config", "set", "maxmemory", "0"],
    },
    Refusal {
        settings: &["min-replicas-to-write 1"],
        before: &["ping"],
        options: "",
        texts: &["fewer replicas than its min-replicas-to-write", "start"],
        mend: &["config", "set", "min-replicas-to-write", "0"],
    },
    Refusal {
        settings: &["user poor on nopass ~* +@all -xadd"],
        before: &["ping"],
        options: "username = \"poor\"\npassword = \"any\"",
        texts: &["does not let this user do that", "grant it with ACL SETUSER"],
        mend: &["acl", "setuser", "poor", "+xadd"],
    },
    Refusal {
        settings: &[],
        before: &["config", "set", "stop-writes-on-bgsave-error", "yes"],
        options: "wait = 1\ntimeout = \"400ms\"",
        texts: &["only 0 of 1 replicas", "start replicas or lower `wait`"],
        mend: &[],
    },
];

#[test]
fn every_refusal_names_component_server_and_remedy_and_loses_nothing() {
    for refusal in REFUSALS {
        let server = Redis::start(refusal.settings);
        server.cli(refusal.before);
        let bench = Bench::new(&["faulty", "redis-stream"]);
        let options = format!("{}\n[sinks.out.retry]\nbackoff = \"50ms..100ms\"", refusal.options);
        let url = format!("redis://127.0.0.1:{}", server.port());
        let pipeline = numbers(20, 10) + &to_redis("numbers", &url, &options);
        let running = Running::start(&bench, &pipeline);
        let log = running.host.wait_for(refusal.texts[0]);
        let server_name = format!("127.0.0.1:{}", server.port());
        for text in refusal.texts.iter().chain(&["component=\"out\"", server_name.as_str()]) {
            assert!(log.contains(text), "{text:?} is missing in\n{log}");
        }
        assert!(!log.contains("guess"), "the password was told:\n{log}");
        if refusal.mend.is_empty() {
            // the records are there, but not safe enough; they wait for an operator
            running.host.signal("KILL");
            continue;
        }
        server.cli(refusal.mend);
        running.host.wait().assert(0, &[]);
        let numbers = stored(&server);
        assert!(numbers.iter().copied().eq(1..=200), "{:?}: {numbers:?}", refusal.texts);
    }
}

#[test]
fn a_server_without_streams_is_told_from_a_check() {
    let server = Redis::start(&["rename-command XADD \"\"", "rename-command XLEN \"\""]);
    let bench = Bench::new(&["faulty", "redis-stream"]);
    bench.pipeline(&(numbers(1, 1) + &to_redis("numbers", &server.url(), "")));
    bench.run(&["check"]).assert(78, &["out could not start", "use Redis 5.0 or newer"]);
    bench.pipeline(&(numbers(1, 1) + &to_redis("numbers", "redis://127.0.0.1:1", "")));
    bench.run(&["check"]).assert(78, &["out could not start", "redis at 127.0.0.1:1 is away"]);
    bench.pipeline(&(numbers(1, 1) + &to_redis("numbers", "http://127.0.0.1", "shards = 5000")));
    let texts = ["`url` is no address of a Redis server", "`shards` is 5000; the most is 1024"];
    bench.run(&["run"]).assert(78, &texts);
}
