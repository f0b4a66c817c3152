//! Who reads from a host: told over HTTP and on the command line, and what is done with one.

mod feed;
mod questions;
mod redis;

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, free_port, wait_until};
use serde_json::Value;

/// Longest wait for anything that must happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// A host that tells who reads from it.
struct Telling {
    host: Host,
    port: u16,
}

impl Telling {
    /// Starts a pipeline, which gets a control interface.
    fn start(bench: &Bench, pipeline: &str) -> Self {
        let port = free_port();
        bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{pipeline}"));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        Self { host, port }
    }

    fn listing(&self) -> Value {
        let (code, body) = self.host.get(self.port, "/api/readers", "");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Lists again and again until a reader is as it should be.
    #[track_caller]
    fn wait_for(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let listing = self.listing();
            let readers = listing["readers"].as_array().unwrap();
            if let Some(reader) = readers.iter().find(|reader| is_it(reader)) {
                return reader.clone();
            }
            assert!(Instant::now() < deadline, "waited for {what}, got\n{listing:#}");
            thread::park_timeout(Duration::from_millis(200));
        }
    }

    /// Lists again and again until nobody has that id, or it has gone.
    #[track_caller]
    fn wait_until_gone(&self, id: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let listing = self.listing();
            let mut readers = listing["readers"].as_array().unwrap().iter();
            if !readers.any(|reader| reader["id"] == id && reader["state"] != "gone") {
                return;
            }
            assert!(Instant::now() < deadline, "{id} does not go:\n{listing:#}");
            thread::park_timeout(Duration::from_millis(200));
        }
    }

    /// Status and answer of something that is done with a reader.
    fn act(&self, id: &str, body: &str) -> (u16, Value) {
        let port = self.port;
        let id = id.replace('%', "%25").replace('/', "%2F");
        let request = format!(
            "POST /api/readers/{id} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (code, body) = self.host.send(port, &request);
        (code, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{code} {body}")))
    }
}

/// The reader of that id.
fn with_id(id: &str) -> impl Fn(&Value) -> bool {
    move |reader| reader["id"] == id
}
