//! Entries that were cut off before anybody had them are counted, once.

use std::time::Duration;

use plugin_api::{
    Polled, Sink, Source,
    serde_json::{Value, json},
};

use super::{Bench, Server, assert_idle, batch, read, sequences, wait_until};

fn client(name: &str) -> Value {
    json!({ "stream": "spot_stream", "consumer": name, "claim_after": "100ms" })
}

/// Entries that were counted as lost.
fn lost(bench: &Bench) -> u64 {
    let dropped = bench.host.told().dropped;
    dropped.iter().filter(|(reason, _)| reason == "trimmed").map(|(_, entries)| entries).sum()
}

fn feed(bench: &Bench, server: &Server, first: u64, count: u64) {
    let sent = batch(first, count, 1_000 + first);
    bench.sink(server, &json!({})).write(&[sent]).unwrap();
}

#[test]
fn what_a_dead_client_had_and_was_cut_off_is_counted_by_whoever_takes_over() {
    let (feeder, server) = (Bench::new(), Server::start(&[]));
    feed(&feeder, &server, 1, 10);
    let dead = Bench::new();
    let mut source = dead.source(
        &server,
        &json!({ "stream": "spot_stream", "consumer": "dead", "claim_after": "0s" }),
    );
    read(&mut source, 10);
    drop(source);
    server.ask::<u64>("XTRIM spot_stream MAXLEN 4");
    let benches = [Bench::new(), Bench::new()];
    let mut sources = [0, 1].map(|it| benches[it].source(&server, &client(&format!("c{it}"))));
    let mut taken = Vec::new();
    wait_until("all that is left", || {
        for source in &mut sources {
            if let Polled::Batch(batch) = source.next(Duration::from_millis(5)).unwrap() {
                taken.extend(sequences([&batch]));
            }
        }
        taken.len() == 4 && benches.iter().map(lost).sum::<u64>() == 6
    });
    taken.sort_unstable();
    assert_eq!(taken, [7, 8, 9, 10]);
    sources.iter_mut().for_each(assert_idle);
    assert_eq!(benches.iter().map(lost).sum::<u64>(), 6);
}

#[test]
fn what_was_cut_off_before_it_was_given_to_anybody_is_counted() {
    let (feeder, server) = (Bench::new(), Server::start(&[]));
    feed(&feeder, &server, 1, 5);
    let bench = Bench::new();
    let mut source = bench.source(&server, &client("a"));
    read(&mut source, 5);
    assert_idle(&mut source);
    // 6 to 20 of which 16 are gone when the source looks; then once more, and after a restart
    let (mut next, mut gone) = (6, 0);
    for is_restart in [false, false, true, false] {
        if is_restart {
            source.close().unwrap();
        }
        feed(&feeder, &server, next, 15);
        server.ask::<u64>("XTRIM spot_stream MAXLEN 4");
        if is_restart {
            source = bench.source(&server, &client("a"));
        }
        next += 15;
        gone += 11;
        let left: Vec<u64> = (next - 4..next).collect();
        assert_eq!(sequences(&read(&mut source, 4)), left);
        assert_eq!(lost(&bench), gone);
        source.confirm(100).unwrap();
        assert_idle(&mut source);
        assert_eq!(lost(&bench), gone);
    }
}

#[test]
fn what_was_read_before_it_was_cut_off_is_not_counted() {
    let (feeder, server) = (Bench::new(), Server::start(&[]));
    let bench = Bench::new();
    let mut source = bench.source(&server, &client("a"));
    for round in 0..10 {
        feed(&feeder, &server, 1 + round * 10, 10);
        read(&mut source, 10);
        source.confirm(100).unwrap();
        server.ask::<u64>("XTRIM spot_stream MAXLEN 2");
        if round % 3 == 0 {
            server.ask::<u64>("XTRIM spot_stream MAXLEN 0");
        }
    }
    assert_idle(&mut source);
    assert_eq!(lost(&bench), 0);
}

#[test]
fn a_new_group_has_not_lost_what_was_cut_off_before_it() {
    let (feeder, server) = (Bench::new(), Server::start(&[]));
    feed(&feeder, &server, 1, 50);
    server.ask::<u64>("XTRIM spot_stream MAXLEN 5");
    let bench = Bench::new();
    read(&mut bench.source(&server, &client("a")), 5);
    assert_eq!(lost(&bench), 0);
}
