//! A server that speaks as qmt-bridge does: WebSocket and HTTP on one port.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use plugin_api::{
    Polled, Source,
    serde_json::{Value, json},
};
use tungstenite::{Message, WebSocket};

use super::{Bench, EXAMPLE, next, nothing, wait_until};
use crate::source::Qmt;

/// What subscribers say first, with their connections.
struct Stand {
    port: u16,
    subscribed: Receiver<(Value, WebSocket<TcpStream>)>,
}

impl Stand {
    /// Answers questions for a snapshot with that text.
    fn start(snapshot: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, subscribed) = sync_channel(8);
        let snapshot = snapshot.to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().take(32) {
                let (stream, sender) = (stream.unwrap(), sender.clone());
                let snapshot = snapshot.clone();
                thread::spawn(move || serve(stream, &snapshot, &sender));
            }
        });
        Self { port, subscribed }
    }

    fn source(&self, bench: &Bench, more: &[(&str, Value)]) -> Qmt {
        let mut given =
            json!({ "connect": format!("ws://127.0.0.1:{}", self.port), "heartbeat": "1s" });
        for (name, value) in more {
            given[*name] = value.clone();
        }
        bench.source(&given)
    }
}

fn serve(
    mut stream: TcpStream,
    snapshot: &str,
    sender: &SyncSender<(Value, WebSocket<TcpStream>)>,
) {
    let mut start = [0; 4_096];
    let read = stream.peek(&mut start).unwrap();
    let request = String::from_utf8_lossy(&start[..read]).into_owned();
    if request.starts_with("GET /api/full_tick?stocks=") {
        let status = if snapshot.is_empty() { "503 Unavailable" } else { "200 OK" };
        let length = snapshot.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{snapshot}");
        stream.write_all(answer.as_bytes()).unwrap();
    } else if request.starts_with("GET /ws/whole_quote ") {
        let mut socket = tungstenite::accept(stream).unwrap();
        let Ok(Message::Text(first)) = socket.read() else { return };
        let first = plugin_api::serde_json::from_str(&first).unwrap();
        // nobody listens any more at a test's end
        let _ = sender.send((first, socket));
    }
}

/// The example at another moment.
fn tick_at(ms: u64) -> String {
    EXAMPLE.replace("1733118954000", &ms.to_string())
}

#[test]
fn messages_come_in_the_order_of_each_security_around_a_snapshot() {
    let bench = Bench::new();
    let full = format!("{{\"data\": {}}}", tick_at(1_733_118_960_000));
    let stand = Stand::start(&full);
    let mut source = stand.source(&bench, &[("symbols", json!(["SH", "000001.SZ"]))]);
    let snapshot = next(&mut source);
    assert_eq!(snapshot.provenance().sequence, 0, "the host numbers it");
    let (subscription, mut socket) = stand.subscribed.recv().unwrap();
    assert_eq!(subscription, json!({ "codes": ["SH", "000001.SZ"] }));
    // the first was under way when the snapshot was taken
    for ms in [1_733_118_957_000, 1_733_118_963_000] {
        socket.send(Message::text(tick_at(ms))).unwrap();
    }
    let batch = next(&mut source);
    let spot = batch.spots().iter().next().unwrap();
    assert_eq!((spot.time_us(), spot.sequence()), (1_733_118_963_000_000, 2));
    assert_eq!(bench.host.told().dropped, [("superseded".to_owned(), 1)]);
}

#[test]
fn a_server_that_goes_away_is_connected_again_and_garbage_is_set_aside() {
    let bench = Bench::new();
    let stand = Stand::start("");
    let mut source = stand.source(&bench, &[]);
    nothing(&mut source);
    let (_, mut socket) = stand.subscribed.recv().unwrap();
    socket.send(Message::text("no json")).unwrap();
    wait_until("the fault", || source.next(Duration::from_millis(20)).is_err());
    assert_eq!(bench.host.told().dead_letters[0].1, b"no json");
    socket
        .send(Message::text(EXAMPLE.replace("\"lastClose\": 11.38", "\"lastClose\": NaN")))
        .unwrap();
    assert_eq!(next(&mut source).records(), 1);
    socket.close(None).unwrap();
    socket.flush().unwrap();
    let lost = |error: plugin_api::PluginError| error.message.contains("lost qmt-bridge");
    wait_until("the loss", || source.next(Duration::from_millis(20)).is_err_and(lost));
    drop(socket);
    let mut again = None;
    wait_until("another subscription", || {
        nothing(&mut source);
        again = stand.subscribed.try_recv().ok();
        again.is_some()
    });
    let (_, mut socket) = again.unwrap();
    socket.send(Message::text(EXAMPLE)).unwrap();
    assert_eq!(next(&mut source).spots().iter().next().unwrap().sequence(), 2);
    bench.wait_for("no snapshot after connecting");
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let bench = Bench::new();
    let stand = Stand::start("");
    let mut source = stand.source(&bench, &[]);
    nothing(&mut source);
    // it reads nothing, so no ping is answered
    let (_, _socket) = stand.subscribed.recv().unwrap();
    let mut lost = false;
    wait_until("the end of patience", || {
        match source.next(Duration::from_millis(50)) {
            Ok(Polled::Idle) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => lost = error.message.contains("nothing came for 3 s"),
        }
        lost
    });
    source.close().unwrap();
}

/// A frame of a megabyte whose bytes come one by one.
#[test]
fn a_message_that_comes_a_byte_at_a_time_holds_nothing_up() {
    let bench = Bench::new();
    let stand = Stand::start("");
    let mut source = stand.source(&bench, &[]);
    nothing(&mut source);
    let (_, mut socket) = stand.subscribed.recv().unwrap();
    let stream = socket.get_mut();
    stream.write_all(&[0x81, 127, 0, 0, 0, 0, 0, 16, 0, 0]).unwrap();
    let mut dripping = stream.try_clone().unwrap();
    thread::spawn(move || {
        while dripping.write_all(b"x").is_ok() {
            thread::park_timeout(Duration::from_millis(10));
        }
    });
    let begun = Instant::now();
    let mut fault = String::new();
    wait_until("the end of patience", || {
        let asked = Instant::now();
        let polled = source.next(Duration::from_millis(50));
        assert!(asked.elapsed() < Duration::from_secs(5), "it was held up");
        if let Err(error) = polled {
            fault = error.message;
        }
        !fault.is_empty()
    });
    assert!(fault.contains("of a message without end"), "{fault} after {:?}", begun.elapsed());
}
