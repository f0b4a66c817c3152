//! Bridges, and visitors that are none.

use std::{io::Write, net::TcpStream, time::Duration};

use plugin_api::{Batch, PluginError, Source, serde_json::json};

use super::{
    Bench, TOKEN,
    bridge::{Bridge, SPOOL, answer, batch, body, hear, visit},
    next, nothing, wait_until,
};
use crate::{
    frame::{Frame, Kind},
    source::Qmt,
};

fn place(batch: &Batch) -> (u64, u64, u64) {
    let provenance = batch.provenance();
    (provenance.epoch, provenance.sequence, provenance.part)
}

#[test]
fn frames_become_batches_under_the_numbers_of_the_spool_and_are_confirmed() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    assert_eq!(bridge.told, (0, 0));
    for sequence in [1, 2] {
        bridge.send(sequence);
        let batch = next(&mut source);
        assert_eq!(place(&batch), (SPOOL, sequence, 0));
        let spot = batch.spots().iter().next().unwrap();
        assert_eq!((spot.code(), spot.sequence()), ("000001", sequence));
        assert_eq!((spot.volume_shares(), spot.source()), (75_861_284, "test"));
        assert_eq!(spot.recv_time_us(), 1_733_118_954_500_000);
    }
    source.confirm(1).unwrap();
    bridge.wait_for_ack(1);
    source.confirm(2).unwrap();
    bridge.wait_for_ack(2);
}

#[test]
fn what_comes_again_is_taken_once() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    bridge.send(1);
    bridge.send(2);
    assert_eq!((place(&next(&mut source)).1, place(&next(&mut source)).1), (1, 2));
    source.confirm(1).unwrap();
    bridge.cut();
    bench.wait_for("lost the bridge");

    // a bridge that knows what it is told sends the third; a hasty one all of them
    let mut bridge = Bridge::connect(source.address());
    assert_eq!(bridge.told, (1, 2));
    for sequence in 1..=3 {
        bridge.send(sequence);
    }
    assert_eq!(place(&next(&mut source)).1, 3);
    nothing(&mut source);
    bridge.wait_for_ack(1);
    source.confirm(3).unwrap();
    bridge.wait_for_ack(3);
}

#[test]
fn a_new_host_knows_what_was_confirmed_and_takes_the_rest_under_the_same_numbers() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    for sequence in 1..=3 {
        bridge.send(sequence);
        next(&mut source);
    }
    source.confirm(2).unwrap();
    bridge.wait_for_ack(2);
    drop(source);

    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    assert_eq!(bridge.told, (2, 2));
    bridge.send(3);
    assert_eq!(place(&next(&mut source)), (SPOOL, 3, 0));
}

#[test]
fn a_successor_goes_on_where_the_instance_before_it_was() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    for sequence in 1..=3 {
        bridge.send(sequence);
        next(&mut source);
    }
    source.confirm(1).unwrap();
    // it is opened while the other one still holds the address
    let given = json!({ "listen": format!("tcp://{}", source.address()), "token": TOKEN });
    let mut successor = bench.source(&given);
    let state = source.export_state().unwrap().unwrap();
    assert!(successor.import_state(b"other").is_err());
    successor.import_state(&state).unwrap();
    source.close().unwrap();
    let mut source = successor;
    nothing(&mut source);
    let mut bridge = Bridge::connect(source.address());
    assert_eq!(bridge.told, (1, 3));
    bridge.send(3);
    bridge.send(4);
    assert_eq!(place(&next(&mut source)).1, 4);
}

#[test]
fn an_instance_whose_state_nobody_took_goes_on() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    bridge.send(1);
    next(&mut source);
    assert!(source.export_state().unwrap().is_some());
    nothing(&mut source);
    let mut bridge = Bridge::connect(source.address());
    assert_eq!(bridge.told, (0, 1));
    bridge.send(2);
    assert_eq!(place(&next(&mut source)).1, 2);
    source.confirm(2).unwrap();
    bridge.wait_for_ack(2);
}

#[test]
fn a_connection_cut_at_every_byte_of_a_frame_loses_and_doubles_nothing() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let whole = batch(1, 0).encode();
    for (round, cut) in (1_u64..).zip((0..whole.len()).step_by(41)) {
        let mut bridge = Bridge::connect(source.address());
        bridge.write(&batch(round, round - 1).encode()[..cut]);
        bridge.cut();
        nothing(&mut source);
        let mut bridge = Bridge::connect(source.address());
        assert_eq!(bridge.told.1, round - 1, "cut at byte {cut}");
        bridge.send(round);
        assert_eq!(place(&next(&mut source)).1, round);
        bridge.say(&Frame::new(Kind::Bye, Vec::new()));
        assert_eq!(bridge.rest(), [] as [u8; 0]);
    }
}

#[test]
fn damage_on_the_way_closes_the_connection_and_nothing_of_the_frame_is_used() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    let mut bytes = batch(1, 0).encode();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    bridge.write(&bytes);
    let refusal = bridge.hear().unwrap();
    assert_eq!((refusal.kind, refusal.body[0]), (Kind::Refused, 5));
    nothing(&mut source);
    bench.wait_for("the checksum of frame 1 is wrong");
}

#[test]
fn a_wrong_token_is_refused_and_never_told() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let (mut stream, mut reader) = visit(source.address());
    let hello = hear(&mut stream, &mut reader).unwrap();
    stream.write_all(&answer(&hello, "another token", SPOOL).encode()).unwrap();
    let refusal = hear(&mut stream, &mut reader).unwrap();
    assert_eq!((refusal.kind, refusal.body[0]), (Kind::Refused, 1));
    bench.wait_for("a bridge with a wrong token was refused");
    let told = format!("{:?}", bench.host.told());
    assert!(!told.contains(TOKEN) && !told.contains("another token"), "{told}");
    // nobody believes an answer to another challenge
    let (mut stream, mut reader) = visit(source.address());
    hear(&mut stream, &mut reader).unwrap();
    stream.write_all(&answer(&hello, TOKEN, SPOOL).encode()).unwrap();
    assert_eq!(hear(&mut stream, &mut reader).unwrap().kind, Kind::Refused);
    nothing(&mut source);
}

#[test]
fn strangers_and_slow_ones_hold_nobody_up() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let address = source.address();
    let mut slow: Vec<_> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(&[0]).unwrap();
    }
    let long = Frame::new(Kind::Auth, vec![0; 100_000]).encode();
    let strangers: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\n\r\n\r\n", &[0xff; 64], &long[..17], &batch(1, 0).encode()];
    for bytes in strangers {
        let (mut stream, mut reader) = visit(address);
        hear(&mut stream, &mut reader).unwrap();
        stream.write_all(bytes).unwrap();
        let end = hear(&mut stream, &mut reader);
        assert!(end.is_err(), "{end:?}");
    }
    let mut bridge = Bridge::connect(address);
    bridge.send(1);
    assert_eq!(next(&mut source).records(), 1);
    // one that sends a byte now and then runs out of time all the same
    wait_until("the end of all", || bench.host.counted("qmt_refused_connections_total") >= 12);
}

#[test]
fn a_newer_bridge_replaces_the_older_one() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut older = Bridge::connect(source.address());
    older.send(1);
    next(&mut source);
    let mut newer = Bridge::with_spool(source.address(), 78);
    assert_eq!(newer.told, (0, 0), "another spool has numbers of its own");
    let refusal = older.hear().unwrap();
    assert_eq!((refusal.kind, refusal.body[0]), (Kind::Refused, 3));
    newer.send(1);
    assert_eq!(place(&next(&mut source)), (78, 1, 0));
    source.confirm(2).unwrap();
    newer.wait_for_ack(1);
    bench.wait_for("is replaced by one at");
    drop(older);
    newer.send(2);
    assert_eq!(place(&next(&mut source)).1, 2);
}

#[test]
fn a_bridge_that_falls_silent_is_given_up_and_one_that_shows_signs_is_not() {
    let bench = Bench::new();
    let source = bench.listener();
    let bridge = Bridge::connect(source.address());
    bench.wait_for("nothing came for 3 s");
    let rest = bridge.rest();
    assert!(rest.len() > 2 * Frame::new(Kind::Heartbeat, Vec::new()).encode().len(), "{rest:?}");
}

#[test]
fn frames_without_a_quote_are_confirmed_too() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    let none = |sequence| Frame {
        kind: Kind::Batch,
        sequence,
        body: body(sequence - 1, sequence, 1, r#"{"IF2412.IF": {"lastPrice": 1}}"#),
    };
    let passed_over = |source: &mut Qmt, records: usize| {
        wait_until("what gives no quote", || {
            nothing(source);
            let told = bench.host.told().dropped;
            told == vec![("other_market".to_owned(), 1); records]
        });
    };
    bridge.say(&none(1));
    passed_over(&mut source, 1);
    bridge.wait_for_ack(1);
    bridge.send(2);
    next(&mut source);
    bridge.say(&none(3));
    passed_over(&mut source, 2);
    source.confirm(1).unwrap();
    bridge.wait_for_ack(3);
}

#[test]
fn a_body_that_cannot_be_read_is_set_aside_and_the_rest_goes_on() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    bridge.say(&Frame { kind: Kind::Batch, sequence: 1, body: b"short".to_vec() });
    let mut error: Option<PluginError> = None;
    wait_until("an error", || match source.next(Duration::from_millis(10)) {
        Ok(_) => false,
        Err(found) => {
            error = Some(found);
            true
        }
    });
    assert!(error.unwrap().message.contains("frame 1 of the bridge was set aside"));
    assert_eq!(bench.host.told().dead_letters[0].1, b"short");
    bridge.send(2);
    assert_eq!(place(&next(&mut source)).1, 2);
    source.confirm(1).unwrap();
    bridge.wait_for_ack(2);
}

#[test]
fn a_gap_is_told_with_the_number_of_records() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    bridge.send(1);
    next(&mut source);
    // numbers that were skipped on purpose are no gap
    bridge.say(&Frame { sequence: 1_000, ..batch(2, 1) });
    next(&mut source);
    assert_eq!(bench.host.counted("qmt_gaps_total"), 0);
    let body = body(1_010, 40, 1, super::EXAMPLE);
    bridge.say(&Frame { kind: Kind::Batch, sequence: 1_011, body });
    next(&mut source);
    assert_eq!(bench.host.counted("qmt_gaps_total"), 1);
    bench.wait_for("37 records between frames 1000 and 1011 are lost");
}

#[test]
fn what_the_bridge_tells_about_itself_is_logged_and_counted() {
    let bench = Bench::new();
    let source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    let status = r#"{"level":"warning","text":"mode polling","spooled":7,
        "dropped":{"bridge_spool_full":3,"unknown":9}}"#;
    bridge.say(&Frame::new(Kind::Status, status.into()));
    bench.wait_for("mode polling");
    bridge.say(&Frame::new(Kind::Status, b"no json".to_vec()));
    bench.wait_for("a status that is no JSON");
    let told = bench.host.told();
    assert_eq!(told.dropped, [("bridge_spool_full".to_owned(), 3)]);
    assert!(told.gauges.contains(&("qmt_bridge_spooled_batches".to_owned(), 7.0)));
}

#[test]
fn a_full_pipeline_slows_the_bridge_and_loses_nothing() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    let sender = std::thread::spawn(move || {
        for sequence in 1..=2_000 {
            bridge.send(sequence);
        }
        bridge
    });
    for sequence in 1..=2_000 {
        assert_eq!(place(&next(&mut source)).1, sequence);
    }
    source.confirm(2_000).unwrap();
    sender.join().unwrap().wait_for_ack(2_000);
}
