//! What is in the streams after the sink was disturbed.

use plugin_api::{
    Ack, Batch, ErrorKind, PluginError, Round, Sink, SpotListEncoder, SpotRecord,
    serde_json::{Value, json},
    testing::bar_batch,
};
use redis::{cmd, streams::StreamRangeReply};

use super::{Bench, Server, batch, sequences};
use crate::shard;

/// Ids and numbers of the records in a stream of fields.
fn stored(server: &Server, stream: &str) -> (Vec<String>, Vec<u64>) {
    let range: StreamRangeReply = server.run(cmd("XRANGE").arg(stream).arg("-").arg("+"));
    let number = |entry: &redis::streams::StreamId| entry.get::<u64>("seq").unwrap();
    range.ids.into_iter().map(|entry| (entry.id.clone(), number(&entry))).unzip()
}

#[track_caller]
fn retry(result: Result<Ack, PluginError>, texts: &[&str]) {
    let PluginError { kind, message } = result.unwrap_err();
    assert_eq!(kind, ErrorKind::Retry, "{message}");
    for text in texts {
        assert!(message.contains(text), "{text:?} is missing in {message}");
    }
}

#[test]
fn what_is_offered_again_is_there_once() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let batches = [batch(1, 250, 1_700_000_000_123_456), batch(251, 50, 1_700_000_000_123_457)];
    let mut sink = bench.sink(&server, &json!({}));
    sink.write(&batches[..1]).unwrap();
    // the host was killed before it knew
    let mut sink = bench.sink(&server, &json!({}));
    for _ in 0..2 {
        assert_eq!(sink.write(&batches).unwrap(), Ack::Delivered);
    }
    let (ids, numbers) = stored(&server, "spot_stream");
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
    assert_eq!(ids[0], format!("1700000000123-{}", 456 << 22));
    assert_eq!(ids[299], format!("1700000000123-{}", (457 << 22) + 49));
    assert_eq!(bench.host.counted("redis_repeated_total"), 250 + 300);
}

#[test]
fn halves_of_a_batch_have_places_of_their_own() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let (first, second) = batch(1, 5, 1_000).halves().unwrap().unwrap();
    for format in ["fields", "flatbuffers"] {
        let options = json!({ "format": format, "stream": format });
        let mut sink = bench.sink(&server, &options);
        sink.write(std::slice::from_ref(&first)).unwrap();
        sink.write(std::slice::from_ref(&second)).unwrap();
        sink.write(&[first.clone(), second.clone()]).unwrap();
    }
    assert_eq!(stored(&server, "fields").1, [1, 2, 3, 4, 5]);
    assert_eq!(server.ask::<u64>("XLEN flatbuffers"), 2);
}

#[test]
fn entries_that_were_trimmed_or_deleted_since_count_as_delivered() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let mut sink = bench.sink(&server, &json!({ "maxlen": 100 }));
    let batches = [batch(1, 1_000, 1_000), batch(1_001, 10, 2_000)];
    sink.write(&batches[..1]).unwrap();
    let kept = server.ask::<u64>("XLEN spot_stream");
    assert!((100..400).contains(&kept), "{kept}");
    sink.write(&batches).unwrap();
    assert_eq!(stored(&server, "spot_stream").1.last(), Some(&1_010));

    for id in stored(&server, "spot_stream").0 {
        server.ask::<u64>(&format!("XDEL spot_stream {id}"));
    }
    sink.write(&batches[1..]).unwrap();
    assert_eq!(server.ask::<u64>("XLEN spot_stream"), 0);
}

#[test]
fn another_writer_stops_the_sink_until_ids_are_the_servers() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    // one batch below the other writer's entry and one above it
    server.ask::<String>("XADD spot_stream 2000-5 symbol 600000.SH");
    let batches = [batch(1, 150, 1_000_000), batch(151, 150, 3_000_000)];
    let mut sink = bench.sink(&server, &json!({}));
    for _ in 0..3 {
        let remedy = &["somebody else writes to spot_stream", "set ids = \"auto\""];
        retry(sink.write(&batches), remedy);
    }
    let mut sink = bench.sink(&server, &json!({ "ids": "auto" }));
    sink.write(&batches).unwrap();
    server.ask::<u64>("XDEL spot_stream 2000-5");
    let mut numbers = stored(&server, "spot_stream").1;
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
}

#[test]
fn full_memory_leaves_no_hole_in_a_stream() {
    let (bench, server) = (Bench::new(), Server::start(&["--maxmemory", "4mb"]));
    let mut sink = bench.sink(&server, &json!({}));
    let batches: Vec<_> = (0..60).map(|at| batch(at * 1_000 + 1, 1_000, at + 1_000)).collect();
    let written = batches.iter().find_map(|batch| sink.write(std::slice::from_ref(batch)).err());
    let PluginError { kind, message } = written.expect("4 MB hold no 60000 records");
    assert_eq!(kind, ErrorKind::Retry);
    assert!(message.contains("OOM") && message.contains("raise its `maxmemory`"), "{message}");
    let numbers = stored(&server, "spot_stream").1;
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    server.ask::<String>("CONFIG SET maxmemory 0");
    for group in batches.chunks(7) {
        sink.write(group).unwrap();
    }
    assert_eq!(stored(&server, "spot_stream").1, (1..=60_000).collect::<Vec<_>>());
}

#[test]
fn every_refusal_of_the_server_says_what_to_do() {
    type Case = (&'static [&'static str], &'static str, Value, &'static [&'static str]);
    let cases: [Case; 7] = [
        (&[], "LPUSH spot_stream x", json!({}), &["spot_stream", "another type"]),
        (&[], "REPLICAOF 127.0.0.1 1", json!({}), &["read-only replica", "name its master"]),
        (&["--rename-command", "XADD", ""], "PING", json!({}), &["Redis 5.0 or newer"]),
        (&["--min-replicas-to-write", "1"], "PING", json!({}), &["min-replicas-to-write"]),
        (
            &[],
            "PING",
            json!({ "wait": 1, "timeout": "2s" }),
            &["only 0 of 1 replicas", "lower `wait`"],
        ),
        (
            &["--user", "poor", "on", "nopass", "~*", "+@all", "-xadd"],
            "PING",
            json!({ "username": "poor", "password": "any" }),
            &["does not let this user", "ACL SETUSER"],
        ),
        (&[], "PING", json!({ "cluster": true }), &["not part of a cluster"]),
    ];
    for (arguments, before, more, texts) in cases {
        let (bench, server) = (Bench::new(), Server::start(arguments));
        let _: redis::Value = server.ask(before);
        let given = plugin_api::testing::options(super::with(&server, &more)).unwrap();
        let opened = crate::sink::RedisSink::open(given, bench.context());
        let written = opened.and_then(|mut sink| sink.write(&[batch(1, 3, 1_000)]));
        retry(written, texts);
    }
    let (bench, server) = (Bench::new(), Server::start(&[]));
    server.ask::<String>("CONFIG SET requirepass secret");
    for (more, text) in [
        (json!({}), "wants a password"),
        (json!({ "password": "wrong-guess" }), "refuses the password"),
    ] {
        let given = plugin_api::testing::options(super::with(&server, &more)).unwrap();
        let opened = crate::sink::RedisSink::open(given, bench.context());
        let written = opened.and_then(|mut sink| sink.write(&[batch(1, 3, 1_000)]));
        assert!(!written.as_ref().unwrap_err().message.contains("wrong-guess"));
        retry(written, &[text]);
    }
}

#[test]
fn an_entry_that_is_too_large_is_the_fault_of_its_records() {
    let (bench, server) = (Bench::new(), Server::start(&["--proto-max-bulk-len", "1mb"]));
    let mut sink = bench.sink(&server, &json!({ "format": "flatbuffers" }));
    let large = batch(1, 10_000, 1_000);
    let error = sink.write(std::slice::from_ref(&large)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadData, "{error}");
    // the host goes on with its halves
    let mut parts = vec![large];
    while parts[0].payload().len() > 1 << 20 {
        let halves = parts.iter().map(|it| it.halves().unwrap().unwrap());
        parts = halves.flat_map(|(first, second)| [first, second]).collect();
    }
    sink.write(&parts).unwrap();
    assert_eq!(server.ask::<u64>("XLEN spot_stream"), parts.len() as u64);
}

#[test]
fn shards_have_each_security_in_one_stream_and_in_order() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let batches = [batch(1, 500, 1_000), batch(501, 500, 1_001)];
    for format in ["fields", "flatbuffers"] {
        let options = json!({ "shards": 4, "format": format, "stream": format });
        let mut sink = bench.sink(&server, &options);
        sink.write(&batches[..1]).unwrap();
        sink.write(&batches).unwrap();
        let mut all = Vec::new();
        for shard in 0..4 {
            let stream = format!("{format}:{{{shard}}}");
            let range: StreamRangeReply = server.run(cmd("XRANGE").arg(&stream).arg("-").arg("+"));
            let numbers: Vec<u64> = range.ids.iter().flat_map(numbers_of).collect();
            assert!(numbers.len() > 50 && numbers.is_sorted(), "{stream}: {numbers:?}");
            for number in &numbers {
                let code = format!("{}", 600_000 + number % 50);
                let symbol = plugin_api::Symbol { market: "SH", code: &code };
                assert_eq!(shard::of(symbol, 4), shard);
            }
            all.extend(numbers);
        }
        all.sort_unstable();
        assert_eq!(all, (1..=1_000).collect::<Vec<_>>());
    }
}

fn numbers_of(entry: &redis::streams::StreamId) -> Vec<u64> {
    match entry.get::<Vec<u8>>("payload") {
        Some(payload) => {
            let batch = Batch::from_untrusted_spots(payload, Round::MIDDLE).unwrap();
            assert_eq!(entry.get::<u32>("n"), Some(batch.records()));
            sequences([&batch])
        }
        None => vec![entry.get("seq").unwrap()],
    }
}

#[test]
fn lists_and_channels_get_the_same_fields_as_json() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let mut sink = bench.sink(&server, &json!({ "also": ["list", "pubsub"] }));
    let mut encoder = SpotListEncoder::new(1);
    let (market, code, name) = ("SH", "600000", "浦发\"银行");
    let record = SpotRecord { market, code, name, close: 8.55, sequence: 9, ..Default::default() };
    encoder.push(&record).unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut listener = client.get_connection().unwrap();
    let mut listener = listener.as_pubsub();
    listener.subscribe("minute_bar").unwrap();
    sink.write(&[Batch::from_spots(&mut encoder, Round::WHOLE), bar_batch()]).unwrap();

    let popped: Vec<u8> = server.ask("RPOP spot_queue");
    let spot: Value = plugin_api::serde_json::from_slice(&popped).unwrap();
    assert_eq!(
        (&spot["name"], &spot["close"], &spot["seq"]),
        (&name.into(), &8.55.into(), &9.into())
    );
    let popped: Vec<u8> = server.ask("RPOP minute_bar_queue");
    let bar: Value = plugin_api::serde_json::from_slice(&popped).unwrap();
    assert_eq!((&bar["period"], &bar["closed"]), (&"1m".into(), &true.into()));
    assert_eq!(listener.get_message().unwrap().get_payload::<Vec<u8>>().unwrap(), popped);
    assert_eq!(server.ask::<u64>("XLEN minute_bar_stream"), 1);
}
