//! Bridges in TLS, and those that should have come in TLS. The script itself is in the suite.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use plugin_api::{Source, serde_json::json};
use sp::testing::Authority;

use super::{Bench, TOKEN, nothing};
use crate::{options::Options, source::Qmt};

fn listener(bench: &Bench) -> Qmt {
    let authority = Authority::new(bench.folder.path());
    let (cert, key) = authority.make("host", &["127.0.0.1"]);
    bench.source(&json!({
        "listen": "tls+tcp://127.0.0.1:0",
        "token": TOKEN,
        "tls": { "cert": cert, "key": key },
    }))
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is_are_told_with_the_remedy() {
    let bench = Bench::new();
    let mut source = listener(&bench);
    bench.wait_for("waiting for a qmt bridge at tls+tcp://127.0.0.1:");
    // a bridge without TLS waits for the host's first word
    let silent = TcpStream::connect(source.address()).unwrap();
    bench.wait_for("did not agree on TLS within 5 s; set tls = yes");
    drop(silent);
    let mut stranger = TcpStream::connect(source.address()).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    bench.wait_for("speaks no TLS: it began with");
    nothing(&mut source);

    let plain = Bench::new();
    let source = plain.listener();
    let mut hello = TcpStream::connect(source.address()).unwrap();
    hello.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").unwrap();
    let _ = hello.read_to_end(&mut Vec::new());
    plain.wait_for("it speaks TLS, and this address does not");
}

#[test]
fn certificates_that_do_not_fit_the_address_are_refused() {
    let bench = Bench::new();
    let check = |given| {
        let options: Options = plugin_api::testing::options(given).unwrap();
        Qmt::check(&options, &bench.context()).map_err(|error| error.message)
    };
    let files = json!({ "cert": "a.pem", "key": "a.key" });
    let cases = [
        (json!({ "token": TOKEN, "listen": "tls+tcp://*:9300" }), "needs certificates"),
        (json!({ "token": TOKEN, "tls": files }), "begins with tls+tcp://"),
        (json!({ "token": TOKEN, "listen": "tls+tcp://*:9300", "tls": files }), "`tls.cert`"),
        (json!({ "connect": "ws://127.0.0.1:1", "tls": files }), "`tls` belongs to `listen`"),
    ];
    for (given, said) in cases {
        let fault = check(given).unwrap_err();
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    let bench = Bench::new();
    let _source = bench.source(&json!({ "listen": "tcp://0.0.0.0:0", "token": TOKEN }));
    bench.wait_for("open to the network and speaks no TLS");
    let warned = bench.host.told().logs.iter().filter(|(_, line)| line.contains("open to")).count();
    assert_eq!(warned, 1);
}
