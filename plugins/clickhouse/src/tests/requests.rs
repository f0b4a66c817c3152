//! Requests that end in an unusual way.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use plugin_api::serde_json::json;

use super::settings;
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
    let server = Server::new(&settings(json!({ "url": url })));
    let failure = server.insert("INSERT", &[], &[0; 4 << 20]).unwrap_err();
    let text = "Authentication failed".to_owned();
    assert_eq!(failure, Failure::Refused { code: 516, text });
    thread.join().unwrap();
}
