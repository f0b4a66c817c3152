//! Servers and bridges that flood, hang up, or make no sense, again and again.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use plugin_api::{Polled, Source, serde_json::json};

use super::{Bench, bridge, bridge::Bridge, wait_until};
use crate::{
    frame::{Frame, Kind},
    source::Qmt,
};

/// A server that lets everybody subscribe, counts them, and goes on with those bytes; without end
/// if `again` is not empty. It answers no question for a snapshot.
fn server(first: Vec<u8>, again: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let subscribed = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&subscribed);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, count) = (stream.unwrap(), Arc::clone(&count));
            let (first, again) = (first.clone(), again.clone());
            thread::spawn(move || visit(stream, &first, &again, &count));
        }
    });
    (url, subscribed)
}

fn visit(stream: TcpStream, first: &[u8], again: &[u8], count: &AtomicUsize) {
    let mut start = [0; 8];
    let read = stream.peek(&mut start).unwrap_or(0);
    if !start[..read].starts_with(b"GET /ws") {
        return;
    }
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    let _ = socket.read();
    count.fetch_add(1, Ordering::Relaxed);
    let stream = socket.get_mut();
    if stream.write_all(first).is_err() || again.is_empty() {
        return;
    }
    while stream.write_all(again).is_ok() {}
}

fn source(bench: &Bench, url: &str) -> Qmt {
    bench.source(&json!({ "connect": url, "heartbeat": "1s" }))
}

#[test]
fn a_call_for_a_batch_ends_in_time_whatever_a_server_floods() {
    let many = |frame: &[u8]| frame.repeat(20_000);
    let floods: [(&[u8], Vec<u8>, &str); 6] = [
        // once, then without end; why it is given up
        (b"", many(b"\x89\0"), "messages without a quote"), // pings
        (b"", many(b"\x8a\0"), "messages without a quote"), // pongs
        (b"", many(b"\x81\x02{}"), "messages without a quote"),
        (b"", many(b"\x82\x02{}"), "messages without a quote"),
        (b"", many(b"\x81\0"), "messages without a quote"),
        (b"\x01\0", many(b"\0\0"), "without end"), // a message that never ends
    ];
    for (first, again, why) in floods {
        let bench = Bench::new();
        let (url, _) = server(first.to_vec(), again);
        let mut source = source(&bench, &url);
        let begun = Instant::now();
        let mut reason = None;
        while reason.is_none() {
            let call = Instant::now();
            match source.next(Duration::from_millis(20)) {
                Ok(Polled::Idle) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) if error.message.contains("was set aside") => {}
                Err(error) => reason = Some(error.message),
            }
            // far more than a busy machine adds
            assert!(call.elapsed() < Duration::from_secs(4), "{why}: {:?}", call.elapsed());
            assert!(begun.elapsed() < Duration::from_secs(120), "{why}: never given up");
        }
        assert!(reason.as_ref().unwrap().contains(why), "{reason:?}");
        source.close().unwrap();
    }
}

#[test]
fn a_server_that_draws_its_first_answer_out_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nx: ".iter().chain([&b'y'; 1_000]) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(300));
        }
    });
    let bench = Bench::new();
    let begun = Instant::now();
    let error = source(&bench, &url).next(Duration::from_millis(20)).unwrap_err();
    assert!(error.message.contains("did not answer within 5s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_is_of_no_use_is_connected_more_and_more_rarely() {
    // what it says before it hangs up: nothing, a frame of 2^63 bytes, one that is none
    for says in [b"".as_slice(), b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", &[0xff; 64]] {
        let bench = Bench::new();
        let (url, subscribed) = server(says.to_vec(), Vec::new());
        let mut source = source(&bench, &url);
        let begun = Instant::now();
        let mut losses = 0;
        while begun.elapsed() < Duration::from_secs(4) {
            let call = Instant::now();
            losses += usize::from(source.next(Duration::from_millis(20)).is_err());
            assert!(call.elapsed() < Duration::from_secs(4));
        }
        // at 0, 0.25, 0.75, 1.75 and 3.75 seconds
        let subscribed = subscribed.load(Ordering::Relaxed);
        assert!((2..=6).contains(&subscribed), "{subscribed} times after {says:?}");
        assert!(losses <= 6, "{losses} faults, each a line in the log");
    }
}

#[test]
fn frames_that_come_again_and_again_do_not_keep_a_call_for_a_batch() {
    let bench = Bench::new();
    let mut source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    bridge.send(1);
    assert_eq!(super::next(&mut source).provenance().sequence, 1);
    let flood = thread::spawn(move || {
        let again: Vec<u8> = (0..200).flat_map(|_| bridge::batch(1, 0).encode()).collect();
        let mut stream = bridge.into_stream();
        let mut heard = stream.try_clone().unwrap();
        thread::spawn(move || while heard.read(&mut [0; 4_096]).is_ok_and(|count| count > 0) {});
        while stream.write_all(&again).is_ok() {}
    });
    for _ in 0..50 {
        let call = Instant::now();
        assert!(matches!(source.next(Duration::from_millis(20)), Ok(Polled::Idle)));
        assert!(call.elapsed() < Duration::from_secs(4), "{:?}", call.elapsed());
    }
    source.close().unwrap();
    flood.join().unwrap();
}

#[test]
fn a_bridge_and_visitors_that_talk_without_end_write_few_lines() {
    let bench = Bench::new();
    let source = bench.listener();
    let mut bridge = Bridge::connect(source.address());
    let status = r#"{"level":"warning","text":"again","dropped":{"bridge_spool_full":1}}"#;
    for _ in 0..1_000 {
        bridge.say(&Frame::new(Kind::Status, status.into()));
    }
    wait_until("all of them", || {
        let dropped: u64 = bench.host.told().dropped.iter().map(|(_, records)| records).sum();
        dropped == 1_000
    });
    for _ in 0..100 {
        let mut stream = TcpStream::connect(source.address()).unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let lines = bench.host.told().logs.len();
    assert!(lines < 30, "{lines} lines");
}
