//! Publishers in TLS. Other people's are in the suite.

use std::{io::Write, net::TcpListener, os::fd::OwnedFd, path::Path, thread};

use sp::{Address, Listener, Protocol, greeting, testing::Authority, tls};

use super::*;

/// A publisher of our own making, which asks for certificates or does not.
fn listen(authority: &Authority, asks: bool) -> Listener {
    let (cert, key) = authority.make("sink", &["127.0.0.1"]);
    let files = tls::ServerFiles { cert, key, client_ca: asks.then(|| authority.ca()) };
    let log = tls::Log::new(|_| {}, |_| {});
    let server = Arc::new(tls::Server::new(&files, Path::to_owned, log).unwrap());
    let address = Address::listen("tls+tcp://127.0.0.1:0", Path::to_owned).unwrap();
    Listener::bind(&address, 0o600, Some(&server)).unwrap().remove(0)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u64).to_be_bytes(), body].concat()
}

fn source(address: &str, authority: &Authority, shows: bool) -> Bench {
    let (cert, key) = shows.then(|| authority.make("reader", &["reader"])).unzip();
    Bench::with(json!({
        "dial": address,
        "tls": { "ca": authority.ca(), "cert": cert, "key": key },
    }))
}

#[test]
fn a_publisher_in_tls_is_read_to_the_last_quote() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    for asks in [false, true] {
        let listener = listen(&authority, asks);
        let mut bench = source(listener.name(), &authority, asks);
        // larger than a record of TLS and than what is read at once
        let messages = [START.to_vec(), list(0..5_000), list(5_000..5_001), END.to_vec()];
        let publisher = thread::spawn(move || {
            let accepted = listener.accept().unwrap();
            greeting::shake_hands(&accepted.wire, Protocol::Pub, PATIENCE).unwrap();
            let bytes: Vec<u8> = messages.iter().flat_map(|body| framed(body)).collect();
            accepted.wire.send_all(&mut [std::io::IoSlice::new(&bytes)]).unwrap();
            // keeps the connection until the reader has gone
            let _ = accepted.wire.receive(&mut [0]);
        });
        let batches = bench.records(5_001);
        assert!(numbers(&batches).into_iter().eq(0..5_001));
        bench.source.close().unwrap();
        publisher.join().unwrap();
    }
}

#[test]
fn why_there_is_no_tls_is_told_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().join("ours"));
    let others = Authority::new(&folder.path().join("others"));
    let serve = |listener: Listener, times: usize| {
        thread::spawn(move || {
            for _ in 0..times {
                let accepted = listener.accept().unwrap();
                let _ = greeting::shake_hands(&accepted.wire, Protocol::Pub, PATIENCE);
            }
        })
    };
    // certificates of the publisher, whether it asks for some, of the reader; what is said
    let cases = [
        (&others, false, "put the certificate of its CA into `tls.ca`"),
        (&authority, true, "set `tls.cert` and `tls.key`"),
    ];
    for (of, asks, said) in cases {
        let listener = listen(of, asks);
        let options = json!({ "dial": listener.name(), "tls": { "ca": authority.ca() } });
        let serving = serve(listener, 1);
        let context = testing::context(&Arc::default(), folder.path());
        let error = NngSub::check(&testing::options(options).unwrap(), &context).unwrap_err();
        assert!(error.message.contains(said), "{error}");
        serving.join().unwrap();
    }
    // one without TLS, to a reader with, and the other way round
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tls+tcp://{}", plain.local_addr().unwrap());
    let greets = thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        stream.write_all(b"\0SP\0\0\x20\0\0").unwrap();
        let _: OwnedFd = stream.into();
    });
    let mut bench = source(&address, &authority, false);
    bench.idle_until("the fault", |host| {
        host.told()
            .logs
            .iter()
            .any(|(_, line)| line.contains("speaks no TLS") && line.contains("dial tcp://"))
    });
    greets.join().unwrap();
    let listener = listen(&authority, false);
    let plain = listener.name().replace("tls+", "");
    let serving = serve(listener, 1);
    let mut bench = Bench::new(&plain);
    bench.idle_until("the fault", |host| {
        host.told().logs.iter().any(|(_, line)| line.contains("no publisher answers"))
    });
    drop(bench);
    serving.join().unwrap();
}

/// What TLS has agreed on cannot go over to another instance, which dials anew and says so.
#[test]
fn a_successor_dials_a_publisher_in_tls_anew() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let listener = listen(&authority, false);
    let mut bench = source(listener.name(), &authority, false);
    bench.source.next(Duration::ZERO).unwrap();
    let publish = |number: usize| {
        let accepted = listener.accept().unwrap();
        greeting::shake_hands(&accepted.wire, Protocol::Pub, PATIENCE).unwrap();
        let round = [framed(START), framed(&list(number..number + 1)), framed(END)].concat();
        accepted.wire.send_all(&mut [std::io::IoSlice::new(&round)]).unwrap();
        accepted
    };
    let _first = publish(0);
    assert_eq!(numbers(&[bench.batch()]), [0]);
    let state = bench.source.export_state().unwrap().unwrap();
    let options = json!({ "dial": listener.name(), "tls": { "ca": authority.ca() } });
    let mut successor = open(&options, &bench.host, &bench.folder).unwrap();
    successor.import_state(&state).unwrap();
    bench.source.close().unwrap();
    bench.source = successor;
    bench.source.next(Duration::ZERO).unwrap();
    let _second = publish(1);
    assert_eq!(numbers(&[bench.batch()]), [1]);
}

/// NNG's own TLS is that of mbedTLS.
#[test]
fn pynng_is_read_in_tls_with_certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let (cert, key) = authority.make("collector", &["127.0.0.1"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("tls+tcp://127.0.0.1:{port}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut collector = std::process::Command::new(root.join("target/venv/bin/python"))
        .arg(root.join("tests/python/nng_peer.py"))
        .args(["pub", &address])
        .args([authority.ca(), cert, key])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut bench = source(&address, &authority, true);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let round = [START, &list(0..500), END].map(|body| hex(body) + "\n").concat();
    let stdin = collector.stdin.as_mut().unwrap();
    // a publisher knows nobody to wait for
    let deadline = Instant::now() + PATIENCE;
    let batch = loop {
        assert!(Instant::now() < deadline, "{:?}", bench.warnings());
        stdin.write_all(round.as_bytes()).unwrap();
        if let Polled::Batch(batch) = bench.source.next(Duration::from_millis(50)).unwrap() {
            break batch;
        }
    };
    assert!(numbers(&[batch]).into_iter().eq(0..500));
    collector.kill().unwrap();
    collector.wait().unwrap();
}
