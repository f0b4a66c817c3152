//! Real publishers: NNG's C library, pynng, and messages of Hikyuu's own encoder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use plugin_api::{Levels, serde_json};

use super::{raw::*, *};

/// Plays rounds to a source that reads that address, and returns what it gives.
fn play(socket: &nng::Socket, bench: &mut Bench) -> Vec<Batch> {
    // marks alone give no batch, so knocking leaves no trace
    knock(socket, START, || {
        bench.source.next(Duration::from_millis(5)).unwrap();
        bench.logged("reading ") > 0
    });
    // what NNG sends to a connection it has not noticed is lost, so this goes on until it arrives
    let deadline = Instant::now() + PATIENCE;
    let mut batches = Vec::new();
    while batches.is_empty() {
        assert!(Instant::now() < deadline, "nothing arrives");
        socket.send(&list(0..1)[..]).unwrap();
        if let Polled::Batch(batch) = bench.source.next(Duration::from_millis(5)).unwrap() {
            batches.push(batch);
        }
    }
    while let Polled::Batch(batch) = bench.source.next(Duration::from_millis(50)).unwrap() {
        batches.push(batch);
    }
    batches.clear();
    for message in [END, START, &list(0..500), &list(500..501), END] {
        socket.send(message).unwrap();
    }
    batches.extend(bench.records(501));
    batches
}

#[test]
fn nngs_own_publisher_is_read_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for address in [
        ipc(folder.path()),
        format!("tcp://127.0.0.1:{port}"),
        format!("abstract://dataserver-sub-{}", std::process::id()),
    ] {
        let socket = nng_publisher(&address);
        let mut bench = Bench::new(&address);
        let batches = play(&socket, &mut bench);
        assert!(numbers(&batches).into_iter().eq(0..501), "{address}");
    }
}

#[test]
fn messages_of_hikyuus_encoder_give_the_records_they_were_made_of() {
    let Some(folder) = fixtures::fixture("hikyuu/vectors") else { return };
    let records: Vec<Value> =
        serde_json::from_slice(&fs::read(folder.join("records.json")).unwrap()).unwrap();
    for (file, count) in [("spot_message_60.bin", 60), ("spot_message_1.bin", 1)] {
        let mut publisher = RawPublisher::new();
        let mut bench = Bench::new(&publisher.address());
        bench.source.next(Duration::ZERO).unwrap();
        publisher.accept();
        publisher.send(&fs::read(folder.join(file)).unwrap());
        let batch = bench.batch();
        let mut read: Vec<_> = batch.spots().iter().map(|spot| as_record(&spot)).collect();
        read.reverse(); // the encoder writes its list from behind
        assert_eq!(read, records[..count], "{file}");
        assert_eq!(bench.dropped(), []);
    }
}

fn as_record(spot: &plugin_api::SpotView<'_>) -> Value {
    let wire = spot.to_wire();
    let levels = |levels: Levels<'_>| levels.iter().collect::<Vec<_>>();
    json!({
        "market": wire.market, "code": wire.code, "name": wire.name,
        "datetime": spot.datetime(), "yesterday_close": wire.yesterday_close,
        "open": wire.open, "high": wire.high, "low": wire.low, "close": wire.close,
        "amount": wire.amount, "volume": wire.volume,
        "bid": levels(wire.bid), "bid_amount": levels(wire.bid_amount),
        "ask": levels(wire.ask), "ask_amount": levels(wire.ask_amount),
    })
}

/// The project's Python environment, with pynng.
fn python() -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python");
    assert!(program.exists(), "{} is missing; run `make venv`", program.display());
    program
}

#[test]
fn a_collector_on_pynng_is_read_to_the_last_quote() {
    const ROUNDS: usize = 20;
    const LISTS: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let address = ipc(folder.path());
    let messages = folder.path().join("messages");
    fs::create_dir(&messages).unwrap();
    for index in 0..LISTS {
        let message = list(index * 60..(index + 1) * 60);
        fs::write(messages.join(format!("{index}.bin")), message).unwrap();
    }
    let mut bench = Bench::new(&address);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/publish.py");
    let mut publisher = Command::new(python())
        .args([&script, &messages])
        .args([&address, &ROUNDS.to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let batches = bench.records(u32::try_from(ROUNDS * LISTS * 60).unwrap());
    drop(publisher.stdin.take());
    bench.idle_until("its end", |host| {
        host.told().logs.iter().any(|(_, line)| line.contains("lost ipc://"))
    });
    assert!(publisher.wait().unwrap().success());
    let one_round: Vec<_> = (0..LISTS * 60).collect();
    assert_eq!(numbers(&batches), one_round.repeat(ROUNDS));
    let firsts = batches.iter().filter(|batch| batch.round().first).count();
    assert_eq!((firsts, bench.host.counted("source_gaps_total")), (ROUNDS, 0));
    assert_eq!(bench.dropped(), []);
}
