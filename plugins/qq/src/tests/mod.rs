//! Tests of the source against a small service on loopback, and of the round without one.

mod answers;
mod life;
mod round;

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use plugin_api::{
    Context, Source,
    serde_json::{Value, json},
    testing::{TestHost, context, options},
};
use tempfile::TempDir;

use crate::source::Qq;

/// A line of that symbol and last price, in cents.
fn line(symbol: &str, cents: u32) -> String {
    let price = format!("{}.{:02}", cents / 100, cents % 100);
    let book = format!("~{price}~1").repeat(10);
    format!(
        "v_{symbol}=\"1~N~{}~{price}~{price}~{price}~5~2~3{book}~~20250310100000~0~0~{price}~{price}\
         ~{price}/5/500~5~0~0~0~~{price}~{price}\";\n",
        &symbol[2..]
    )
}

/// Ends the connection instead of an answer.
const CLOSED: &str = "closed";

/// What the service says to the nth question, counted from 1: a body, or all of an answer with its
/// status; `None`: nothing, ever.
type Says = fn(u32, &str) -> Option<String>;

/// A service on loopback. Returns its address, and what it was asked.
fn serve(says: Says) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/q=", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let all = Arc::clone(&all);
            thread::spawn(move || {
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        if stream.read_exact(&mut byte).is_err() {
                            return;
                        }
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default();
                    let symbols = path.trim_start_matches("/q=").to_owned();
                    let number = {
                        let mut all = all.lock().unwrap();
                        all.push(symbols.clone());
                        u32::try_from(all.len()).unwrap()
                    };
                    match says(number, &symbols) {
                        Some(body) if body == CLOSED => return,
                        Some(whole) if whole.starts_with("HTTP/") => {
                            stream.write_all(whole.as_bytes()).unwrap();
                        }
                        Some(body) => {
                            let length = body.len();
                            let head =
                                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                            stream.write_all((head + &body).as_bytes()).unwrap();
                        }
                        None => thread::park(),
                    }
                }
            });
        }
    });
    (url, asked)
}

/// Every symbol at 10.00.
fn all_well(_: u32, symbols: &str) -> Option<String> {
    Some(symbols.split(',').map(|symbol| line(symbol, 1_000)).collect())
}

/// A host with a folder.
struct Bench {
    folder: TempDir,
    host: Arc<TestHost>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), host: Arc::new(TestHost::default()) }
    }

    fn context(&self) -> Context {
        context(&self.host, self.folder.path())
    }

    fn open(&self, url: &str, more: Value) -> Qq {
        Qq::open(options(with(url, more)).unwrap(), self.context()).unwrap()
    }
}

/// Five symbols in requests of two, day and night.
fn with(url: &str, more: Value) -> Value {
    let mut options = json!({
        "url": url,
        "symbols": ["sh600000", "sh600001", "sz000001", "sz000002", "bj430047"],
        "request_symbols": 2,
        "phases": [],
        "interval": "1s",
        "timeout": "1s",
    });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    options
}
