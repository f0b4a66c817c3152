//! What the source hands on, and under which numbers.

use std::time::Duration;

use plugin_api::{
    Batch, ErrorKind, Polled, Sink, Source,
    serde_json::{Value, json},
    testing::{bar_batch, options},
};
use redis::{Value as Answer, streams::StreamRangeReply};

use super::{Bench, RedisSource, Server, assert_idle, batch, read, sequences, wait_until, with};

const GROUP: &str = "minute_bar_consumers";

/// Options of a source that reads quotes as a client of that name.
fn client(name: &str, more: Value) -> Value {
    let mut options = json!({ "stream": "spot_stream", "consumer": name });
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    options
}

fn feed(bench: &Bench, server: &Server, batches: &[Batch]) {
    bench.sink(server, &json!({})).write(batches).unwrap();
}

/// Epoch and number of batches.
fn marks(batches: &[Batch]) -> Vec<(u64, u64, u64)> {
    let mark = |batch: &Batch| {
        let provenance = batch.provenance();
        (provenance.epoch, provenance.sequence, provenance.part)
    };
    batches.iter().map(mark).collect()
}

fn pending(server: &Server) -> u64 {
    let answer: Vec<Answer> = server.ask(&format!("XPENDING spot_stream {GROUP}"));
    match answer[0] {
        Answer::Int(count) => u64::try_from(count).unwrap(),
        ref other => panic!("{other:?}"),
    }
}

/// Ends all connections, as a restart of the server does.
fn cut(server: &Server) {
    server.ask::<u64>("CLIENT KILL TYPE normal SKIPME yes");
}

/// Asks until there is an answer again, and gives what comes.
fn read_after_a_cut(source: &mut super::RedisSource, records: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    wait_until("the connection", || match source.next(Duration::from_millis(20)) {
        Ok(Polled::Batch(batch)) => {
            batches.push(batch);
            true
        }
        Ok(_) => records == 0,
        Err(_) => false,
    });
    let have: u32 = batches.iter().map(Batch::records).sum();
    if (have as usize) < records {
        batches.extend(read(source, records - have as usize));
    }
    batches
}

#[test]
fn entries_are_acknowledged_when_their_batch_is_confirmed() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    feed(&bench, &server, &[batch(1, 40, 1_000)]);
    let mut source = bench.source(&server, &client("a", json!({ "batch_records": 10 })));
    let batches = read(&mut source, 40);
    assert_eq!(sequences(&batches), (1..=40).collect::<Vec<_>>());
    assert_eq!(batches[0].spots().iter().next().unwrap().source(), "quotes");
    assert_eq!(pending(&server), 40);
    source.confirm(1).unwrap();
    let confirmed = u64::from(batches[0].records());
    assert_eq!(pending(&server), 40 - confirmed);
    source.confirm(batches.len() as u64).unwrap();
    assert_eq!(pending(&server), 0);
    source.close().unwrap();
}

#[test]
fn a_group_that_must_be_there_is_not_made() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let existing = client("a", json!({ "start": "existing" }));
    let fault = RedisSource::open(options(with(&server, &existing)).unwrap(), bench.context());
    let fault = fault.err().unwrap();
    assert_eq!(fault.kind, ErrorKind::Config);
    for part in [
        format!("no group {GROUP} reads the stream spot_stream").as_str(),
        "XGROUP CREATE spot_stream",
    ] {
        assert!(fault.message.contains(part), "{fault}");
    }
    feed(&bench, &server, &[batch(1, 3, 1_000)]);
    bench.source(&server, &client("a", json!({}))).close().unwrap();
    assert_eq!(sequences(&read(&mut bench.source(&server, &existing), 3)), [1, 2, 3]);
}

#[test]
fn a_restart_gives_what_was_not_confirmed_again_under_growing_numbers() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    feed(&bench, &server, &[batch(1, 30, 1_700_000_000_000_001)]);
    let options = client("a", json!({ "batch_records": 10 }));
    let mut source = bench.source(&server, &options);
    let before = read(&mut source, 30);
    source.confirm(1).unwrap();
    let confirmed = before[0].records() as usize;
    drop(source);

    feed(&bench, &server, &[batch(31, 5, 1_700_000_000_000_002)]);
    let mut source = bench.source(&server, &options);
    let again = read(&mut source, 35 - confirmed);
    assert_eq!(sequences(&again), (confirmed as u64 + 1..=35).collect::<Vec<_>>());
    let marks_again = marks(&again);
    assert!(marks_again.is_sorted(), "{marks_again:?}");
    // each entry that may have been handed on alone, the last of a batch just before the batch
    assert!(again[..30 - confirmed].iter().all(|batch| batch.records() == 1));
    let (whole, alone) = (*marks(&before[1..]).last().unwrap(), marks_again[29 - confirmed]);
    assert_eq!((whole.0, whole.1, whole.2), (alone.0, alone.1, alone.2 + 1));
    let id_of_last = (1_700_000_000_001, (u64::from((2_u32 << 22) + 4) << 32) | 1);
    assert_eq!((marks_again.last().unwrap().1, marks_again.last().unwrap().2), id_of_last);
}

#[test]
fn answers_that_were_lost_with_the_connection_are_read_again() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    feed(&bench, &server, &[batch(1, 10, 1_000)]);
    let mut source = bench.source(&server, &client("a", json!({})));
    let first = read(&mut source, 10);
    feed(&bench, &server, &[batch(11, 10, 1_001)]);
    // what the server sent, and nobody received
    let lost = format!("XREADGROUP GROUP {GROUP} a COUNT 100 STREAMS spot_stream >");
    let _: Answer = server.ask(&lost);
    feed(&bench, &server, &[batch(21, 10, 1_002)]);
    cut(&server);
    let rest = read_after_a_cut(&mut source, 20);
    assert_eq!(sequences(&rest), (11..=30).collect::<Vec<_>>());
    let all: Vec<_> = first.into_iter().chain(rest).collect();
    assert!(marks(&all).is_sorted());
    source.confirm(all.len() as u64).unwrap();
    assert_eq!(pending(&server), 0);
}

#[test]
fn a_group_that_is_made_again_counts_anew() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    feed(&bench, &server, &[batch(1, 5, 2_000)]);
    let mut source = bench.source(&server, &client("a", json!({ "start": "new" })));
    assert_idle(&mut source);
    feed(&bench, &server, &[batch(6, 5, 3_000)]);
    let before = read(&mut source, 5);
    assert_eq!(sequences(&before), [6, 7, 8, 9, 10]);

    server.ask::<()>("FLUSHALL");
    feed(&bench, &server, &[batch(11, 5, 1_000)]);
    let after = read_after_a_cut(&mut source, 5);
    assert_eq!(sequences(&after), [11, 12, 13, 14, 15]);
    assert_ne!(marks(&before)[0].0, marks(&after)[0].0);
    // a later run goes on with the new count
    source.confirm(2).unwrap();
    source.close().unwrap();
    feed(&bench, &server, &[batch(16, 1, 1_001)]);
    let mut source = bench.source(&server, &client("a", json!({ "start": "new" })));
    assert_eq!(marks(&read(&mut source, 1))[0].0, marks(&after)[0].0);
}

#[test]
fn entries_of_a_dead_client_are_taken_over_and_numbered_by_the_host() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let (dead, alive) = (Bench::new(), Bench::new());
    feed(&bench, &server, &[batch(1, 20, 1_000)]);
    let options = json!({ "claim_after": "300ms" });
    let mut source = dead.source(&server, &client("dead", options.clone()));
    read(&mut source, 20);
    drop(source);

    let mut source = alive.source(&server, &client("alive", options.clone()));
    let taken = read(&mut source, 20);
    assert_eq!(sequences(&taken), (1..=20).collect::<Vec<_>>());
    assert!(marks(&taken).iter().all(|mark| *mark == (0, 0, 0)));
    assert_eq!(alive.host.counted("redis_claimed_total"), 20);
    drop(source);
    // what was taken over and not confirmed comes again after a restart
    let mut source = alive.source(&server, &client("alive", options));
    let again = read(&mut source, 20);
    assert!(marks(&again).iter().all(|mark| *mark == (0, 0, 0)));
    source.confirm(again.len() as u64).unwrap();
    assert_eq!(pending(&server), 0);
}

#[test]
fn a_client_that_waits_for_its_stores_is_not_taken_for_dead() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let (busy, idle) = (Bench::new(), Bench::new());
    feed(&bench, &server, &[batch(1, 20, 1_000)]);
    let options = json!({ "claim_after": "400ms" });
    let mut source = busy.source(&server, &client("busy", options.clone()));
    let batches = read(&mut source, 20);
    let mut other = idle.source(&server, &client("idle", options));
    for _ in 0..100 {
        let polled = other.next(Duration::from_millis(20)).unwrap();
        assert!(matches!(polled, Polled::Idle), "{polled:?}");
    }
    source.confirm(batches.len() as u64).unwrap();
    assert_eq!(pending(&server), 0);
}

#[test]
fn what_is_no_record_goes_to_the_dead_letters_with_the_reason() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    feed(&bench, &server, &[batch(1, 2, 1_000)]);
    server.ask::<String>("XADD spot_stream * symbol 600000.SH name x frame yesterday");
    server.ask::<String>("XADD spot_stream * kind spot n 1 payload rubbish");
    server.ask::<String>("XADD spot_stream * hello world");
    bench.sink(&server, &json!({ "ids": "auto" })).write(&[batch(3, 2, 1_001)]).unwrap();
    let mut source = bench.source(&server, &client("a", json!({})));
    let batches = read(&mut source, 4);
    assert_eq!(sequences(&batches), [1, 2, 3, 4]);
    source.confirm(batches.len() as u64).unwrap();
    assert_eq!(pending(&server), 0);
    let dead: StreamRangeReply = server.ask("XRANGE spot_stream:dead - +");
    let reasons: Vec<String> =
        dead.ids.iter().map(|entry| entry.get("dead_reason").unwrap()).collect();
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].contains("not a time") && reasons[1].contains("`payload`"), "{reasons:?}");
    assert_eq!(dead.ids[2].get::<String>("hello").as_deref(), Some("world"));
    assert_eq!(dead.ids[0].get::<String>("dead_group").as_deref(), Some(GROUP));
}

#[test]
fn an_entry_that_ends_the_host_again_and_again_is_set_aside() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    feed(&bench, &server, &[batch(1, 1, 1_000)]);
    let options = client("a", json!({ "dead_letter_after": 3 }));
    // the first try and two more, each without an orderly end
    for _ in 0..3 {
        assert_eq!(sequences(&read(&mut bench.source(&server, &options), 1)), [1]);
    }
    let mut source = bench.source(&server, &options);
    assert_idle(&mut source);
    assert_eq!((pending(&server), server.ask::<u64>("XLEN spot_stream:dead")), (0, 1));

    // an orderly end while the stores are away is no try
    feed(&bench, &server, &[batch(2, 1, 1_001)]);
    for _ in 0..5 {
        assert_eq!(sequences(&read(&mut source, 1)), [2]);
        source.close().unwrap();
        source = bench.source(&server, &options);
    }
}

#[test]
fn entries_that_were_trimmed_unread_are_counted_as_lost() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    feed(&bench, &server, &[batch(1, 10, 1_000)]);
    read(&mut bench.source(&server, &client("a", json!({}))), 10);
    server.ask::<u64>("XTRIM spot_stream MAXLEN 4");
    let mut source = bench.source(&server, &client("a", json!({})));
    assert_eq!(sequences(&read(&mut source, 4)), [7, 8, 9, 10]);
    assert_eq!(bench.host.told().dropped, [("trimmed".to_owned(), 6)]);
}

#[test]
fn entries_that_are_too_large_to_be_read_together_are_read_in_parts() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    // a megabyte each, and one of nine in the middle that nobody can read
    let sink = json!({ "format": "flatbuffers", "stream": "spot_stream", "ids": "auto" });
    let batches: Vec<_> = (0..20).map(|at| batch(1 + at * 3_000, 3_000, 1_000 + at)).collect();
    bench.sink(&server, &sink).write(&batches[..10]).unwrap();
    let mut huge = redis::cmd("XADD");
    huge.arg("spot_stream").arg("*").arg("payload").arg(vec![b'x'; 9 << 20]);
    let _: String = server.run(&huge);
    bench.sink(&server, &sink).write(&batches[10..]).unwrap();
    let mut source = bench.source(&server, &client("a", json!({})));
    let (mut batches, mut faults) = (Vec::new(), Vec::new());
    wait_until("all that can be read", || {
        match source.next(Duration::from_millis(20)) {
            Ok(Polled::Batch(batch)) => batches.push(batch),
            Ok(_) => {}
            Err(error) => faults.push(error.message),
        }
        batches.len() == 20
    });
    assert_eq!(sequences(&batches), (1..=60_000).collect::<Vec<_>>());
    assert!(faults[0].contains("sends an answer of more than 8MiB"), "{faults:?}");
    source.confirm(20).unwrap();
    assert_idle(&mut source);
    assert_eq!((pending(&server), server.ask::<u64>("XLEN spot_stream:dead")), (0, 1));
    let dead: StreamRangeReply = server.ask("XRANGE spot_stream:dead - +");
    let reason: String = dead.ids[0].get("dead_reason").unwrap();
    assert!(reason.contains("takes more than 8MiB"), "{reason}");
}

#[test]
fn clients_share_streams_as_their_mode_says() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let batches: Vec<_> = (0..10).map(|at| batch(at * 100 + 1, 100, at + 1_000)).collect();
    for format in ["fields", "flatbuffers"] {
        let sink = json!({ "format": format, "stream": format, "shards": 4 });
        bench.sink(&server, &sink).write(&batches).unwrap();
    }
    let all: Vec<u64> = (1..=1_000).collect();
    for (mode, format, shares) in [
        ("broadcast", "fields", 3),
        ("broadcast", "flatbuffers", 3),
        ("shared", "fields", 1),
        ("sharded", "flatbuffers", 1),
    ] {
        let folders = [Bench::new(), Bench::new(), Bench::new()];
        let mut sources: Vec<_> = folders
            .iter()
            .enumerate()
            .map(|(client, folder)| {
                let own =
                    if mode == "sharded" { [&[0, 1][..], &[2], &[3]][client] } else { &[][..] };
                let options = json!({
                    "stream": format, "group": mode, "consumer": format!("c{client}"),
                    "mode": mode, "shards": 4, "own": own, "batch_records": 50,
                });
                folder.source(&server, &options)
            })
            .collect();
        let mut read: Vec<Vec<u64>> = vec![Vec::new(); 3];
        wait_until("all records", || {
            for (source, read) in sources.iter_mut().zip(&mut read) {
                if let Polled::Batch(batch) = source.next(Duration::from_millis(1)).unwrap() {
                    read.extend(sequences([&batch]));
                }
            }
            read.iter().map(Vec::len).sum::<usize>() >= shares * all.len()
        });
        let mut once: Vec<u64> = read.concat();
        once.sort_unstable();
        if shares == 1 {
            assert_eq!(once, all, "{mode}");
            assert!(read.iter().all(|read| !read.is_empty()), "{mode}");
        } else {
            for mut read in read {
                read.sort_unstable();
                assert_eq!(read, all, "{mode}");
            }
        }
    }
}

#[test]
fn quotes_and_bars_are_read_from_their_streams_at_once() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let batches = [batch(1, 3, 1_000), bar_batch().with_delivery(1_001)];
    bench.sink(&server, &json!({})).write(&batches).unwrap();
    bench
        .sink(&server, &json!({ "format": "flatbuffers", "ids": "auto" }))
        .write(&batches)
        .unwrap();
    let mut source = bench.source(&server, &json!({}));
    let read = read(&mut source, 8);
    let bars: Vec<_> = read.iter().flat_map(|batch| batch.bars()).collect();
    assert_eq!(bars, [bar_batch().bars().next().unwrap(); 2]);
    assert_eq!(sequences(&read), [1, 2, 3, 1, 2, 3]);
    let epochs = [0, 1].map(|kind| {
        let of_kind = read.iter().find(|batch| (batch.bars().count() > 0) == (kind == 1));
        of_kind.unwrap().provenance().epoch
    });
    assert_ne!(epochs[0], epochs[1], "streams count apart");
}
