//! Whoever answers instead of Redis: without an end, without a measure, a byte at a time.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use plugin_api::{
    Context, ErrorKind, PluginError, Sink, Source,
    serde_json::{Value, json},
    testing::options,
};

use super::{Bench, batch};
use crate::{sink::RedisSink, source::RedisSource};

const TIMEOUT: Duration = Duration::from_millis(400);
/// A deadline for each byte alone would take minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is answered instead of an answer.
#[derive(Debug, Clone, Copy)]
enum Poison {
    /// These bytes, and then others without an end.
    Flood(&'static str),
    /// These bytes, and then one at a time.
    Drip(&'static str),
}

const POISONS: [(Poison, &str); 8] = [
    (Poison::Flood("$400000000000\r\n"), "sends an answer of more than"),
    (Poison::Flood("*400000000000\r\n"), "sends an answer of more than"),
    (Poison::Flood("*3\r\n*2000000\r\n*999999999\r\n"), "sends an answer of more than"),
    (Poison::Flood("+"), "a line that does not end"),
    (Poison::Flood("%1\r\n"), "answers what no Redis answers"),
    (Poison::Drip("$100000\r\n"), "does not answer within 400ms"),
    (Poison::Drip("+"), "does not answer within 400ms"),
    (Poison::Drip("*1000\r\n$1000\r\n"), "does not answer within 400ms"),
];

/// A server that answers as Redis does until it is asked for that command.
fn serve(command: &'static str, poison: Poison) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer(stream.unwrap(), port, command, poison));
        }
    });
    port
}

fn answer(mut stream: TcpStream, port: u16, poisoned: &str, poison: Poison) {
    let mut commands = BufReader::new(stream.try_clone().unwrap());
    while let Some(words) = command(&mut commands) {
        if words.starts_with(poisoned) {
            return poison.pour(&mut stream);
        }
        let host = format!("*3\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$1\r\nx\r\n");
        let answer = match words.split(' ').next().unwrap() {
            "XINFO" if words.starts_with("XINFO STREAM") => "-ERR no such key\r\n".to_owned(),
            "CLUSTER" => format!("*1\r\n*3\r\n:0\r\n:16383\r\n{host}"),
            "XLEN" => ":0\r\n".to_owned(),
            "XINFO" | "XPENDING" => "*0\r\n".to_owned(),
            "XREADGROUP" => "*-1\r\n".to_owned(),
            "XADD" => "+QUEUED\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The words of the next command.
fn command(from: &mut impl BufRead) -> Option<String> {
    let mut number = || {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|read| *read > 0)?;
        line.trim()[1..].parse::<usize>().ok()
    };
    let count = number()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let mut word = vec![0; line.trim()[1..].parse::<usize>().ok()? + 2];
        from.read_exact(&mut word).ok()?;
        words.push(String::from_utf8_lossy(&word[..word.len() - 2]).into_owned());
    }
    Some(words.join(" "))
}

impl Poison {
    fn pour(self, stream: &mut TcpStream) {
        let (head, pause, piece) = match self {
            Self::Flood(head) => (head, Duration::ZERO, &[b'x'; 64 << 10][..]),
            Self::Drip(head) => (head, Duration::from_millis(20), &b"x"[..]),
        };
        let begun = Instant::now();
        let mut poured = stream.write_all(head.as_bytes());
        while poured.is_ok() && begun.elapsed() < PATIENCE * 2 {
            thread::park_timeout(pause);
            poured = stream.write_all(piece);
        }
    }
}

fn with(port: u16, poison: Poison, more: &Value) -> Value {
    // a flood ends by its size, on a busy machine later
    let timeout = if matches!(poison, Poison::Drip(_)) { "400ms" } else { "20s" };
    let mut options = json!({
        "url": format!("redis://127.0.0.1:{port}"), "timeout": timeout, "password": "any",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn write(options_of: Value, context: Context) -> Result<(), PluginError> {
    let mut sink = RedisSink::open(options(options_of).unwrap(), context)?;
    sink.write(&[batch(1, 5, 1_000)]).map(drop)
}

fn read(options_of: Value, context: Context) -> Result<(), PluginError> {
    let mut source = RedisSource::open(options(options_of).unwrap(), context)?;
    source.next(Duration::from_millis(20)).map(drop)
}

/// Asserts that it ends in time, with that text.
#[track_caller]
fn assert_given_up(what: &str, text: &str, call: impl FnOnce() -> Result<(), PluginError>) {
    let begun = Instant::now();
    let error = call().expect_err(what);
    assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", begun.elapsed());
    assert_eq!(error.kind, ErrorKind::Retry, "{what}: {error}");
    assert!(error.message.contains(text), "{what}: {error}");
}

#[test]
fn a_sink_gives_up_answers_without_measure_or_end_to_every_command() {
    for command in ["CLIENT", "XINFO STREAM", "MULTI", "XADD", "EXEC"] {
        for (poison, text) in POISONS {
            let port = serve(command, poison);
            let what = format!("{command} {poison:?}");
            assert_given_up(&what, text, || {
                write(with(port, poison, &json!({})), Bench::new().context())
            });
        }
    }
}

#[test]
fn a_source_gives_up_answers_without_measure_or_end_to_every_command() {
    for command in ["AUTH", "XPENDING", "XINFO CONSUMERS", "XLEN", "XREADGROUP"] {
        for (poison, text) in POISONS {
            let port = serve(command, poison);
            let what = format!("{command} {poison:?}");
            // the signs of life are commands, too
            let more = json!({ "stream": "s", "claim_after": "60s" });
            assert_given_up(&what, text, || {
                read(with(port, poison, &more), Bench::new().context())
            });
        }
    }
}

#[test]
fn a_cluster_gives_up_answers_without_measure_or_end() {
    for command in ["CLUSTER", "XPENDING"] {
        for (poison, text) in POISONS {
            let port = serve(command, poison);
            let what = format!("{command} {poison:?}");
            let more = json!({ "cluster": true, "shards": 6 });
            assert_given_up(&what, text, || {
                read(with(port, poison, &more), Bench::new().context())
            });
        }
    }
}

#[test]
fn a_handshake_that_comes_a_byte_at_a_time_is_given_up() {
    // the beginning of a record of 16,000 bytes
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://127.0.0.1:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            Poison::Drip("\x16\x03\x03\x3e\x00").pour(&mut stream);
        }
    });
    let bench = Bench::new();
    let options = json!({ "url": url, "timeout": "400ms" });
    let begun = Instant::now();
    assert_given_up("a handshake", "does not answer within 400ms", || {
        write(options, bench.context())
    });
    assert!(begun.elapsed() >= TIMEOUT);
}
