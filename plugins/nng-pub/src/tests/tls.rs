//! Subscribers in TLS, and those who should have come in TLS. Other people's are in the suite.

use std::{
    io::{IoSlice, Read, Write},
    net::TcpStream,
    path::Path,
};

use sp::{
    Protocol, Wire,
    testing::{Authority, dial_tls},
    tls,
};

use super::*;

/// Certificates of a sink in the bench's folder, which asks for those of clients or does not.
fn files(authority: &Authority, asks: bool) -> Value {
    let (cert, key) = authority.make("sink", &["127.0.0.1"]);
    let client_ca = asks.then(|| authority.ca());
    json!({ "cert": cert, "key": key, "client_ca": client_ca })
}

fn bench(authority: &Authority, asks: bool) -> Bench {
    Bench::new(json!({ "listen": ["tls+tcp://127.0.0.1:0"], "tls": files(authority, asks) }))
}

/// A subscriber of our own making; what it was told instead of a welcome otherwise.
fn dial(address: &str, authority: &Authority, shows: bool) -> Result<Wire, String> {
    let (cert, key) = shows.then(|| authority.make("reader", &["reader"])).unzip();
    let files = tls::ClientFiles { ca: authority.ca(), cert, key, name: None };
    dial_tls(address, &files, Protocol::Sub)
}

/// The next message without its topic.
fn message(mut wire: &Wire) -> Vec<u8> {
    let mut len = [0; 8];
    wire.read_exact(&mut len).unwrap();
    let mut body = vec![0; usize::try_from(u64::from_be_bytes(len)).unwrap()];
    wire.read_exact(&mut body).unwrap();
    body.split_off(raw::TOPIC.len())
}

#[test]
fn a_round_reaches_subscribers_in_tls_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    for asks in [false, true] {
        let mut bench = bench(&authority, asks);
        let wire = dial(&bench.address("tls+tcp://"), &authority, asks).unwrap();
        bench.await_subscribers(1);
        let batches = [testing::spot_batch(2_000, FIRST), numbered(0..1, LAST)];
        bench.sink.write(&batches).unwrap();
        assert_eq!(message(&wire), b"[start spot]");
        for batch in &batches {
            assert!(message(&wire) == batch.payload()[..]);
        }
        assert_eq!(message(&wire), b"[end spot]");
        // one that talks is told from one that leaves, as without TLS
        wire.send_all(&mut [IoSlice::new(b"x")]).unwrap();
        bench.await_subscribers(0);
        assert_eq!(bench.logged("sent data"), 1);
    }
}

#[test]
fn who_shows_no_certificate_is_refused_where_one_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let bench = bench(&authority, true);
    let fault = dial(&bench.address("tls+tcp://"), &authority, false).unwrap_err();
    assert!(fault.contains("set `tls.cert` and `tls.key`"), "{fault}");
    wait_until("the refusal", || bench.logged("showed no certificate") == 1);
    assert_eq!(bench.sink.bus().subscribers(), 0);
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let secure = bench(&authority, false);
    let mut plain = TcpStream::connect(&secure.address("tls+tcp://")[10..]).unwrap();
    plain.write_all(b"\0SP\0\0\x21\0\0").unwrap();
    let mut received = Vec::new();
    // a reset is an end as well
    let _ = plain.read_to_end(&mut received);
    assert!(received.is_empty(), "no greeting");
    wait_until("a line", || {
        secure.logged("speaks no TLS") == 1 && secure.logged("dial tls+tcp") == 1
    });

    let open = Bench::new(json!({ "listen": ["tcp://127.0.0.1:0"] }));
    let fault = dial(&format!("tls+{}", open.tcp()), &authority, false).unwrap_err();
    assert!(fault.contains("speaks no TLS") && fault.contains("dial tcp://"), "{fault}");
    wait_until("a line", || open.logged("speaks TLS, which this address does not") == 1);
}

#[test]
fn who_says_nothing_of_tls_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let options = json!({ "listen": ["tls+tcp://127.0.0.1:0"], "tls": files(&authority, false) });
    let bench = Bench::with(options, |settings| {
        settings.handshake_timeout = Duration::from_secs(2);
    });
    let address = bench.address("tls+tcp://");
    let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(&address[10..]).unwrap()).collect();
    let begun = Instant::now();
    let _reader = dial(&address, &authority, false).unwrap();
    bench.await_subscribers(1);
    assert!(begun.elapsed() < Duration::from_secs(2), "it waited for the silent ones");
    for mut stream in silent {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    wait_until("a line", || bench.logged("did not agree on TLS in 2s") > 0);
}

#[test]
fn an_address_that_others_reach_is_warned_of_once() {
    let bench = Bench::new(json!({ "listen": ["tcp://127.0.0.1:0", "tcp://*:0", "ipc://a"] }));
    assert_eq!(bench.logged("open to the network and speaks no TLS"), 1);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let bench = Bench::new(json!({ "listen": ["tls+tcp://*:0"], "tls": files(&authority, false) }));
    assert_eq!(bench.logged("open to the network"), 0);
}

#[test]
fn a_key_that_others_can_read_is_warned_of_at_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = files(&authority, false);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("sink.key"), open).unwrap();
    let bench = Bench::new(json!({ "listen": ["tls+tcp://127.0.0.1:0"], "tls": files }));
    assert_eq!(bench.logged("open to every user of this machine (mode 644)"), 1);
}

/// NNG's own TLS is that of mbedTLS.
#[test]
fn pynng_reads_in_tls_with_certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let mut bench = bench(&authority, true);
    let (cert, key) = authority.make("reader", &["reader"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let reader = std::process::Command::new(root.join("target/venv/bin/python"))
        .arg(root.join("tests/python/nng_peer.py"))
        .args(["sub", &bench.address("tls+tcp://"), "1"])
        .args([authority.ca(), cert, key])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    bench.await_subscribers(1);
    let batch = testing::spot_batch(2_000, Round::WHOLE);
    bench.write(batch.clone());
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success());
    let heard = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = heard.lines().collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!((lines[0], lines[2]), (&*hex(b":spot:[start spot]"), &*hex(b":spot:[end spot]")));
    assert!(lines[1] == hex(&[raw::TOPIC, &batch.payload()[..]].concat()));
}
