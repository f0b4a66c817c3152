//! A replay of the lake is the original feed again.

use std::{
    io::Read,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use harness::{Bench, DAYS};

/// Every message that a publisher sends from the first on, read without a library: the handshake of
/// a subscriber, then frames of one byte, a length and a body.
fn feed(bench: &Bench, socket: &str) -> Vec<Vec<u8>> {
    use std::io::Write;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut stream = loop {
        match UnixStream::connect(bench.path(socket)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::park_timeout(Duration::from_millis(10));
    };
    stream.write_all(&[0, b'S', b'P', 0, 0, 0x21, 0, 0]).unwrap();
    let mut hello = [0; 8];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(hello, [0, b'S', b'P', 0, 0, 0x20, 0, 0]);
    let mut messages = Vec::new();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = u64::from_be_bytes(head[1..].try_into().unwrap());
        let mut body = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut body).unwrap();
        messages.push(body);
    }
    messages
}

fn publish(bench: &Bench, source: &str, socket: &str, more: &str) -> Vec<Vec<u8>> {
    bench.pipeline(&format!(
        "{source}\n[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nmax_rate = 0\n\
         listen = [\"ipc://{}\"]\nwait_subscribers = 1\n{more}",
        bench.path(socket).display()
    ));
    let host = bench.start();
    let messages = feed(bench, socket);
    host.wait().assert(0, &[]);
    messages
}

#[test]
fn the_lake_gives_the_same_rounds_byte_for_byte() {
    for day in DAYS {
        let bench = Bench::new(&["replay", "nng-pub", "parquet"]);
        let lake = "[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"lake\"\n";
        let original = publish(&bench, &day.source(), "original.ipc", lake);
        let source = "[sources.day]\nplugin = \"replay\"\npath = \"lake\"\nspeed = 0.0\n";
        let again = publish(&bench, source, "again.ipc", "");
        assert_eq!(original.len(), again.len(), "{}", day.file);
        for (index, (original, again)) in original.iter().zip(&again).enumerate() {
            assert!(original == again, "{}: message {index} differs", day.file);
        }
    }
}
