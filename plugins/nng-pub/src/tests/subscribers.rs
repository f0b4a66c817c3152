//! What subscribers of every kind receive: our own, pynng, and NNG's C library.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use nng::{
    Protocol,
    options::{Options as _, RecvBufferSize, RecvTimeout, protocol::pubsub::Subscribe},
};
use plugin_api::{Levels, serde_json};

use super::{raw::Seen, *};

#[test]
fn a_round_reaches_subscribers_of_every_transport_byte_for_byte() {
    let name = format!("abstract://dataserver-test-{}", std::process::id());
    let mut bench = Bench::new(json!({ "listen": ["ipc://bus.ipc", "tcp://127.0.0.1:0", name] }));
    let mut subscribers: Vec<_> =
        bench.sink.addresses().iter().map(|address| bench.dial(address)).collect();
    let batches = [numbered(0..3, FIRST), numbered(3..5, Round::MIDDLE), numbered(5..6, LAST)];
    bench.sink.write(&batches).unwrap();
    bench.sink.close().unwrap();
    let mut expected = vec![Seen::Start];
    expected.extend(batches.iter().map(|batch| Seen::Data(batch.payload().to_vec())));
    expected.push(Seen::End);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.rest(), expected);
    }
    assert_eq!(bench.dropped(), 0);
}

#[test]
fn localhost_is_served_at_every_address_it_stands_for() {
    let bench = Bench::new(json!({ "listen": ["tcp://localhost:0"] }));
    drop(bench.dial(&bench.tcp()));
}

#[test]
fn who_joins_within_a_round_gets_the_next_one_whole() {
    let mut bench = Bench::new(json!({}));
    bench.write(numbered(0..1, FIRST));
    let mut late = bench.dial(&bench.tcp());
    bench.write(numbered(1..2, Round::MIDDLE));
    bench.write(numbered(2..3, LAST));
    bench.write(numbered(3..4, FIRST));
    bench.write(numbered(4..5, LAST));
    bench.sink.close().unwrap();
    let seen = late.rest();
    assert_eq!(seen.iter().flat_map(Seen::numbers).collect::<Vec<_>>(), [3, 4]);
    assert_eq!((seen.first(), seen.last()), (Some(&Seen::Start), Some(&Seen::End)));
}

#[test]
fn a_round_that_is_open_at_the_end_is_closed() {
    let mut bench = Bench::new(json!({}));
    let mut subscriber = bench.dial(&bench.ipc());
    bench.write(numbered(0..1, FIRST));
    bench.sink.close().unwrap();
    assert_eq!(subscriber.rest().last(), Some(&Seen::End));
}

#[test]
fn batches_without_quotes_send_marks_alone() {
    let mut bench = Bench::new(json!({}));
    let mut subscriber = bench.dial(&bench.ipc());
    bench.write(numbered(0..0, FIRST));
    bench.write(numbered(0..0, Round::MIDDLE));
    bench.write(numbered(0..0, LAST));
    bench.write(numbered(0..0, Round::MIDDLE));
    bench.sink.close().unwrap();
    assert_eq!(subscriber.rest(), [Seen::Start, Seen::End]);
}

#[test]
fn bars_are_skipped_and_said_so_once() {
    let mut bench = Bench::new(json!({}));
    let mut subscriber = bench.dial(&bench.ipc());
    for _ in 0..3 {
        bench.write(testing::bar_batch());
    }
    bench.write(numbered(0..1, Round::WHOLE));
    bench.sink.close().unwrap();
    assert_eq!(subscriber.rest().len(), 3, "the round of quotes alone");
    assert_eq!(bench.host.counted("bars_skipped_total"), 3);
    assert_eq!(bench.logged("bars are skipped"), 1);
}

#[test]
fn another_topic_stands_before_every_message() {
    let mut bench = Bench::new(json!({ "topic": ":spot:x" }));
    let mut subscriber = bench.dial(&bench.ipc());
    bench.write(numbered(0..0, Round::WHOLE));
    bench.sink.close().unwrap();
    let text = |text: &[u8]| Seen::Data(text.to_vec());
    assert_eq!(subscriber.rest(), [text(b"x[start spot]"), text(b"x[end spot]")]);
}

#[test]
fn a_hundred_thousand_small_messages_arrive_in_order() {
    const MESSAGES: usize = 100_000;
    let mut bench = Bench::new(json!({ "send_buffer": "1GiB", "max_rate": 0 }));
    let addresses = [bench.ipc(), bench.tcp()];
    let readers = addresses.map(|address| {
        let mut subscriber = bench.dial(&address);
        std::thread::spawn(move || {
            subscriber.rest().iter().flat_map(Seen::numbers).collect::<Vec<_>>()
        })
    });
    for number in 0..MESSAGES {
        bench.write(numbered(number..number + 1, Round::MIDDLE));
    }
    bench.sink.close().unwrap();
    for reader in readers {
        assert!(reader.join().unwrap().into_iter().eq(0..MESSAGES), "lost or out of order");
    }
    assert_eq!(bench.dropped(), 0);
}

/// The project's Python environment, with pynng and flatc.
fn venv(program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/venv/bin").join(program);
    assert!(program.exists(), "{} is missing; run `make venv`", program.display());
    program
}

/// A subscriber in Python, told by `rest` what to do.
struct Pynng {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Pynng {
    fn start(bench: &Bench, address: &str, rest: &[&str]) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let accessors = bench.folder.path().join("accessors");
        let made = Command::new(venv("flatc"))
            .args(["--python", "-o"])
            .args([&accessors, &tests.join("hikyuu.fbs")])
            .status();
        assert!(made.unwrap().success(), "flatc failed");
        let mut process = Command::new(venv("python"))
            .args([&tests.join("subscribe.py"), &accessors])
            .arg(address)
            .args(rest)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn line(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("pynng says something").unwrap()).unwrap()
    }

    fn finish(mut self) -> Vec<Value> {
        let lines: Vec<_> =
            self.lines.by_ref().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        assert!(self.process.wait().unwrap().success(), "pynng failed");
        lines
    }
}

#[test]
fn hikyuus_reader_on_pynng_gets_every_record_over_ipc_and_tcp_at_once() {
    let mut bench = Bench::new(json!({}));
    let addresses = [bench.ipc(), bench.tcp()];
    let readers = addresses.map(|address| Pynng::start(&bench, &address, &["2"]));
    bench.await_subscribers(2);
    let batches = [
        testing::spot_batch(500, FIRST),
        testing::spot_batch(60, Round::MIDDLE),
        testing::spot_batch(1, LAST),
        testing::spot_batch(300, Round::WHOLE),
    ];
    bench.sink.write(&batches).unwrap();
    let expected = [
        vec![json!("start")],
        batches[..3].iter().map(as_python_sees).collect(),
        vec![json!("end"), json!("start"), as_python_sees(&batches[3]), json!("end")],
    ]
    .concat();
    for reader in readers {
        let seen = reader.finish();
        assert_eq!(seen.len(), expected.len());
        for (index, (seen, expected)) in seen.iter().zip(&expected).enumerate() {
            assert!(seen == expected, "message {index} differs");
        }
    }
}

/// NNG's sockets take messages of 1 MiB at most until they are told otherwise, as this reader is not.
#[test]
fn a_reader_that_was_told_nothing_gets_a_batch_of_the_whole_market() {
    let mut bench = Bench::new(json!({}));
    let addresses = [bench.ipc(), bench.tcp()];
    let readers = addresses.map(|address| Pynng::start(&bench, &address, &["1"]));
    bench.await_subscribers(2);
    let batch = testing::spot_batch(5_500, Round::WHOLE);
    assert!(batch.payload().len() > 1 << 20);
    bench.write(batch.clone());
    let expected = as_python_sees(&batch)["spots"].clone();
    for reader in readers {
        let seen = reader.finish();
        let lists = seen.iter().filter_map(|message| message["spots"].as_array());
        let spots: Vec<_> = lists.flatten().cloned().collect();
        assert_eq!(seen.first().zip(seen.last()), Some((&json!("start"), &json!("end"))));
        assert!(spots == *expected.as_array().unwrap(), "the same quotes in the same order");
    }
    assert_eq!(bench.dropped(), 0);
}

fn as_python_sees(batch: &Batch) -> Value {
    // doubles go as their bits, because a decimal text may round
    let bits = |number: f64| format!("{:016x}", number.to_bits());
    let levels = |levels: Levels<'_>| levels.iter().map(bits).collect::<Vec<_>>();
    let spots = batch.spots().iter().map(|spot| {
        let wire = spot.to_wire();
        json!({
            "market": wire.market, "code": wire.code, "name": wire.name,
            "datetime": spot.datetime(), "pre_close": bits(wire.yesterday_close),
            "open": bits(wire.open), "high": bits(wire.high), "low": bits(wire.low),
            "close": bits(wire.close), "amount": bits(wire.amount), "volume": bits(wire.volume),
            "bid": levels(wire.bid), "bid_lots": levels(wire.bid_amount),
            "ask": levels(wire.ask), "ask_lots": levels(wire.ask_amount),
        })
    });
    json!({ "sha256": sha256(batch.payload()), "spots": spots.collect::<Vec<_>>() })
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// NNG's subscriber buffers at most 8192 messages and drops the next, whoever sends; so the sink
/// sends flat out, but never further ahead of the reader than that.
#[test]
fn pynng_gets_a_hundred_thousand_small_messages_in_order() {
    const MESSAGES: usize = 100_000;
    const STEP: usize = 5_000;
    let mut bench = Bench::new(json!({ "max_rate": 0 }));
    let (messages, step) = (MESSAGES.to_string(), STEP.to_string());
    let mut reader = Pynng::start(&bench, &bench.tcp(), &["count", &messages, &step]);
    bench.await_subscribers(1);
    for number in 0..MESSAGES {
        let round = Round { first: number == 0, last: number + 1 == MESSAGES };
        bench.write(numbered(number..number + 1, round));
        if (number + 1) % STEP == 0 {
            assert_eq!(reader.line(), json!(number + 1));
        }
    }
    assert!(reader.finish().is_empty());
    assert_eq!(bench.dropped(), 0);
}

#[test]
fn nngs_own_subscriber_reads_over_every_transport() {
    let mut bench = Bench::new(json!({}));
    let sockets: Vec<_> = [bench.ipc(), bench.tcp()]
        .iter()
        .map(|address| {
            let socket = nng::Socket::new(Protocol::Sub0).unwrap();
            socket.set_opt::<RecvTimeout>(Some(DEADLINE)).unwrap();
            socket.set_opt::<RecvBufferSize>(1024).unwrap();
            socket.set_opt::<Subscribe>(raw::TOPIC.to_vec()).unwrap();
            socket.dial(address).unwrap();
            socket
        })
        .collect();
    bench.await_subscribers(2);
    let batch = numbered(0..500, Round::WHOLE);
    bench.write(batch.clone());
    for socket in sockets {
        assert_eq!(&socket.recv().unwrap()[..], b":spot:[start spot]");
        assert_eq!(&socket.recv().unwrap()[6..], &batch.payload()[..]);
        assert_eq!(&socket.recv().unwrap()[..], b":spot:[end spot]");
    }
}

#[test]
fn a_subscriber_returns_by_itself_after_a_restart() {
    let mut bench = Bench::new(json!({}));
    let socket = nng::Socket::new(Protocol::Sub0).unwrap();
    socket.set_opt::<RecvTimeout>(Some(DEADLINE)).unwrap();
    socket.set_opt::<Subscribe>(raw::TOPIC.to_vec()).unwrap();
    socket.dial(&bench.tcp()).unwrap();
    bench.await_subscribers(1);
    let options = json!({ "listen": [bench.tcp()] });
    bench.sink.close().unwrap();
    let mut bench = Bench::new(options);
    bench.await_subscribers(1);
    bench.write(numbered(0..1, Round::WHOLE));
    assert_eq!(&socket.recv().unwrap()[..], b":spot:[start spot]");
}
