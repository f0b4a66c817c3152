//! Requests that end in an unusual way.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use plugin_api::serde_json::json;

use super::target;
use crate::{answer::Failure, http::Server};

/// Answers each connection in turn: with nothing, or with a page.
fn serve(answers: [&'static str; 2]) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, thread)
}

#[test]
fn a_server_that_hangs_up_while_it_refuses_is_asked_for_its_reason() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n\
                   Code: 516. DB::Exception: Authentication failed (version 26.9.2.1)";
    let (url, thread) = serve(["", refusal]);
    let server = Server::new(&target(json!({ "url": url })));
    let failure = server.insert("INSERT", &[], &[0; 4 << 20]).unwrap_err();
    let text = "Authentication failed".to_owned();
    assert_eq!(failure, Failure::Refused { code: 516, text });
    thread.join().unwrap();
}

/// Answers every connection with a beginning, and then with a piece again and again.
fn pour(begin: &'static str, piece: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 4_096]);
        let mut poured = stream.write_all(begin.as_bytes());
        while poured.is_ok() {
            thread::park_timeout(pause);
            poured = stream.write_all(piece);
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer(stream.unwrap()));
        }
    });
    url
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    const X: &[u8] = &[b'x'; 32 << 10];
    const HEAD: &str = "HTTP/1.1 200 OK\r\n";
    // beginning, what follows without an end, text
    let table: [(&str, &[u8], &str); 7] = [
        ("", X, "it does not answer"),
        (HEAD, X, "the head of an answer does not end"),
        (HEAD, b"a: b\r\n", "header"),
        ("HTTP/1.1 200 OK\r\n\r\n", X, "an answer of more than 8MiB"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 400000000000\r\n\r\n", X, "more than 8MiB"),
        (
            "HTTP/1.1 500 no\r\ntransfer-encoding: chunked\r\n\r\n",
            b"4\r\nCode\r\n",
            "more than 8MiB",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", "within 1s"),
    ];
    for (begin, piece, text) in table {
        let url = pour(begin, piece, Duration::ZERO);
        let server = Server::new(&target(json!({ "url": url, "timeout": "1s" })));
        let begun = Instant::now();
        let failure = format!("{:?}", server.insert("INSERT", &[], b"rows").unwrap_err());
        assert!(begun.elapsed() < Duration::from_secs(10), "{begin:?}: {:?}", begun.elapsed());
        let is_told =
            failure.contains(text) || failure.contains("within 1s") || text == "it does not answer";
        assert!(is_told, "{begin:?}: {failure}");
    }
}

#[test]
fn an_answer_that_comes_a_byte_at_a_time_is_given_up_with_its_request() {
    for begin in [
        "HTTP/1.1 200 ",
        "HTTP/1.1 200 OK\r\nx-",
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n400\r\n",
    ] {
        let url = pour(begin, b"1", Duration::from_millis(50));
        let server = Server::new(&target(json!({ "url": url, "timeout": "1s" })));
        let begun = Instant::now();
        let failure = server.insert("INSERT", &[], b"rows").unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(8), "{begin:?}: {:?}", begun.elapsed());
        let Failure::Away(text) = &failure else { panic!("{begin:?}: {failure:?}") };
        assert!(text.contains("no answer within 1s"), "{begin:?}: {text}");
    }
}
