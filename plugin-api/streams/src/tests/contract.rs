//! What is asked of every plugin.

use plugin_api::{
    PluginError, Sink, Source,
    serde_json::{Value, json},
    testing::{check_options, check_sink, check_source, options},
};

use super::{Bench, Server, batch, with};
use crate::{
    sink,
    sink::RedisSink,
    source::{self, RedisSource},
};

#[test]
fn the_sink_keeps_its_contract() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    for more in [
        json!({}),
        json!({ "format": "flatbuffers", "stream": "b", "bar_stream": "c" }),
        json!({ "shards": 3, "stream": "d", "bar_stream": "e", "also": ["list", "pubsub"] }),
    ] {
        check_sink::<RedisSink>(&with(&server, &more), bench.context());
    }
}

/// Records that the sink numbered in a row come back in a row.
#[test]
fn the_source_keeps_its_contract() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let mut sink = bench.sink(&server, &json!({}));
    sink.write(&[batch(1, 25, 1_000), batch(26, 15, 1_001)]).unwrap();
    let more = json!({ "stream": "spot_stream", "batch_records": 10 });
    let batches = check_source::<RedisSource>(&with(&server, &more), bench.context(), 4);
    assert_eq!(super::sequences(&batches), (1..=40).collect::<Vec<_>>());
}

#[test]
fn options_that_cannot_work_are_refused_all_at_once() {
    check_options::<sink::Options>(&json!({}));
    check_options::<source::Options>(&json!({}));
    let bench = Bench::new();
    let sink = |given: Value| RedisSink::check(&options(given).unwrap(), &bench.context());
    let source = |given: Value| RedisSource::check(&options(given).unwrap(), &bench.context());
    for (result, texts) in [
        (sink(json!({ "url": "http://x" })), &["`url` is no address"][..]),
        (sink(json!({ "url": [] })), &["names no server"]),
        (sink(json!({ "url": ["redis://a", "redis://:top@b:x"] })), &["`url[1]`"]),
        (
            sink(json!({ "url": ["redis://a", "redis://b"], "cluster": false, "wait": 65 })),
            &["cluster = true", "`wait` is 65"],
        ),
        (sink(json!({ "stream": "a", "bar_stream": "a" })), &["are both a"]),
        (sink(json!({ "shards": 2000, "timeout": "1m" })), &["the most is 1024", "10ms to 25s"]),
        (sink(json!({ "tls_ca": "absent.pem" })), &["absent.pem cannot be read"]),
        (sink(json!({ "username": "me" })), &["set `password`"]),
        (source(json!({ "mode": "sharded" })), &["needs `shards`"]),
        (source(json!({ "shards": 2, "own": [2] })), &["shards are 0 to 1"]),
        (source(json!({ "own": [0] })), &["`own` without `shards`"]),
        (source(json!({ "stream": ["a", "a"], "group": "" })), &["a twice", "must not be empty"]),
        (source(json!({ "batch_records": 0 })), &["`batch_records` is 0"]),
        (source(json!({ "claim_after": "1ms" })), &["the least is 100ms"]),
    ] {
        let PluginError { kind, message } = result.unwrap_err();
        assert_eq!(kind, plugin_api::ErrorKind::Config, "{message}");
        assert!(!message.contains("top"), "a password: {message}");
        for text in texts {
            assert!(message.contains(text), "{text:?} is missing in {message}");
        }
    }
}

#[test]
fn a_server_that_is_away_can_be_tried_again() {
    let bench = Bench::new();
    let error = RedisSink::open(
        options(json!({ "url": "redis://127.0.0.1:1", "password": "secret" })).unwrap(),
        bench.context(),
    );
    let PluginError { kind, message } = error.err().unwrap();
    assert_eq!(kind, plugin_api::ErrorKind::Retry);
    assert!(message.contains("redis at 127.0.0.1:1 is away") && !message.contains("secret"));
}
