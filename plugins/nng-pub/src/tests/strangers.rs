//! Peers that are no subscribers, or too many.

use std::io::Write;

use super::{raw::connect, *};

/// Everything that the sink sends before it closes the connection.
fn farewell(stream: &mut dyn raw::Stream) -> Vec<u8> {
    let mut received = Vec::new();
    // a reset is an end as well: the sink leaves unread what a stranger says
    let _ = stream.read_to_end(&mut received);
    received
}

#[test]
fn who_is_no_subscriber_is_refused_and_the_others_are_served() {
    let mut bench = Bench::new(json!({}));
    let cases: [(&[u8], &str); 3] = [
        (b"\0SP\0\0\x30\0\0", "0x30 (REQ)"),
        (b"GET / HTTP/1.1\r\n\r\n", "no NNG peer"),
        (&[0xff; 100_000], "no NNG peer"),
    ];
    for address in [bench.ipc(), bench.tcp()] {
        for (bytes, said) in cases {
            let before = bench.logged(said);
            let mut stranger = connect(&address);
            let _ = stranger.write_all(bytes); // the sink may hang up meanwhile
            assert!(farewell(&mut *stranger).len() <= 8, "a greeting at most");
            // lines beyond the fifth are held back
            wait_until("a refusal", || bench.logged(said) > before || bench.logged("refused") == 5);
        }
    }
    let mut subscriber = bench.dial(&bench.tcp());
    bench.write(numbered(0..1, Round::WHOLE));
    assert!(subscriber.next().is_some());
}

#[test]
fn who_dawdles_over_its_greeting_is_sent_away() {
    let bench = Bench::with(json!({}), |settings| {
        settings.handshake_timeout = Duration::from_millis(50);
    });
    let mut stranger = connect(&bench.tcp());
    stranger.write_all(b"\0S").unwrap();
    assert_eq!(farewell(&mut *stranger), b"\0SP\0\0\x20\0\0");
    wait_until("a refusal", || bench.logged("2 of 8 bytes in 50ms") == 1);
}

#[test]
fn a_subscriber_that_talks_is_disconnected() {
    let bench = Bench::new(json!({}));
    for address in [bench.ipc(), bench.tcp()] {
        let mut subscriber = bench.dial(&address);
        subscriber.say(&[0x5a; 4096]);
        bench.await_subscribers(0);
        assert!(subscriber.next().is_none());
    }
    assert_eq!(bench.logged("sent data"), 2);
}

#[test]
fn more_subscribers_than_allowed_are_refused() {
    let bench = Bench::new(json!({ "max_subscribers": 2 }));
    let first = bench.dial(&bench.tcp());
    let _second = bench.dial(&bench.ipc());
    let mut third = RawSubscriber::dial(&bench.tcp());
    assert!(third.next().is_none());
    wait_until("a refusal", || bench.logged("raise max_subscribers") == 1);
    drop(first);
    bench.await_subscribers(1);
    drop(bench.dial(&bench.tcp()));
}

#[test]
fn silent_connections_are_bounded_and_do_not_hold_up_the_end() {
    let mut bench = Bench::new(json!({}));
    let mut silent: Vec<_> = (0..80).map(|_| connect(&bench.ipc())).collect();
    wait_until("refusals", || bench.logged("have not introduced themselves") > 0);
    bench.sink.close().unwrap();
    for stranger in &mut silent {
        assert!(farewell(&mut **stranger).len() <= 8);
    }
}
