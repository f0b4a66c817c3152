//! Clients in TLS. Other people's are in the suite.

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

fn bench(authority: &Authority, more: &[(&str, Json)]) -> Bench {
    let (cert, key) = authority.make("server", &["127.0.0.1"]);
    let tls = json!({ "cert": cert, "key": key, "client_ca": authority.ca() });
    let mut options = json!({ "listen": "tls+tcp://127.0.0.1:0", "tls": tls });
    for (name, value) in more {
        options[*name] = value.clone();
    }
    Bench::new(options)
}

fn dial(address: &str, authority: &Authority) -> Wire {
    let (cert, key) = authority.make("client", &["client"]);
    let files =
        tls::ClientFiles { ca: authority.ca(), cert: Some(cert), key: Some(key), name: None };
    dial_tls(address, &files, Protocol::Req).unwrap()
}

fn ask(mut wire: &Wire, request: &Value) -> Value {
    let mut body = Vec::new();
    rmpv::encode::write_value(&mut body, request).unwrap();
    wire.send_all(&mut [IoSlice::new(&raw::framed(0x8000_0007, &body))]).unwrap();
    let mut len = [0; 8];
    wire.read_exact(&mut len).unwrap();
    let mut answer = vec![0; usize::try_from(u64::from_be_bytes(len)).unwrap()];
    wire.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..4], 0x8000_0007_u32.to_be_bytes());
    read(&answer[4..])
}

#[test]
fn questions_and_large_answers_go_through_tls_whole() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let mut bench = bench(&authority, &[]);
    let first = spot("600000", "00:00:00", 8.5);
    let spots: Vec<_> = (0..20_000)
        .map(|number| SpotRecord {
            time_us: first.time_us + number * 500_000,
            volume_shares: 100 * number.unsigned_abs(),
            ..first
        })
        .collect();
    bench.spots(&spots);
    let wire = dial(&bench.address(), &authority);
    for _ in 0..3 {
        let answer = ask(&wire, &tick("SH", "600000", "1400-01-01"));
        assert_eq!(answer["data"].as_array().unwrap().len(), 20_000);
        assert_eq!(ask(&wire, &map(&[("cmd", "ping".into())]))["data"], Value::from("pong"));
    }
}

#[test]
fn an_idle_client_in_tls_is_disconnected_and_the_end_waits_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let mut bench = bench(&authority, &[("idle_timeout", json!("200ms"))]);
    let wire = dial(&bench.address(), &authority);
    assert_eq!(wire.receive(&mut [0]).unwrap(), 0);
    assert_eq!(bench.logged("connection was closed"), 0);
    let _silent = TcpStream::connect(&bench.address()[10..]).unwrap();
    let begun = Instant::now();
    bench.sink.close().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn a_client_without_tls_is_told_from_one_with() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let bench = bench(&authority, &[]);
    let mut plain = TcpStream::connect(&bench.address()[10..]).unwrap();
    plain.write_all(b"\0SP\0\0\x30\0\0").unwrap();
    let _ = plain.read_to_end(&mut Vec::new());
    wait_until("a line", || bench.logged("speaks no TLS") == 1);
    let open = Bench::new(json!({}));
    let mut hello = TcpStream::connect(open.address().strip_prefix("tcp://").unwrap()).unwrap();
    hello.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").unwrap();
    let _ = hello.read_to_end(&mut Vec::new());
    wait_until("a line", || open.logged("speaks TLS, which this address does not") == 1);
}

/// NNG's own TLS is that of mbedTLS.
#[test]
fn pynng_is_answered_in_tls_with_certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let bench = bench(&authority, &[]);
    let (cert, key) = authority.make("client", &["client"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut client = std::process::Command::new(root.join("target/venv/bin/python"))
        .arg(root.join("tests/python/nng_peer.py"))
        .args(["req", &bench.address()])
        .args([authority.ca(), cert, key])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // {"cmd": "ping"}
    client.stdin.take().unwrap().write_all(b"81a3636d64a470696e67\n").unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success());
    let digits = String::from_utf8(output.stdout).unwrap();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let answer: Vec<u8> = (0..digits.trim().len()).step_by(2).map(byte).collect();
    assert_eq!(read(&answer)["data"], Value::from("pong"));
}
