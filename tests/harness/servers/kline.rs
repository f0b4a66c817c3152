//! A stand-in for Tencent's K-line service: real HTTP over loopback, recorded rows cut by the last
//! moment and the number of rows that are asked for.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

/// Rows by security and key, as `("sh600000", "day")`.
pub type KlineRows = HashMap<(String, String), Vec<Value>>;

/// The running server.
pub struct KlineServer {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl KlineServer {
    /// Serves those rows; of other securities it has none.
    pub fn start(rows: KlineRows) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, rows) = (Arc::clone(&asked), Arc::new(rows));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (all, rows) = (Arc::clone(&all), Arc::clone(&rows));
                thread::spawn(move || serve(stream, &all, &rows));
            }
        });
        Self { url, asked }
    }

    /// What stands before `/appstock`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All questions so far, as they came behind `param=`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, asked: &Mutex<Vec<String>>, rows: &KlineRows) {
    loop {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default();
        let Some((_, question)) = target.split_once("?param=") else { return };
        asked.lock().unwrap().push(question.to_owned());
        let body = answer(question, rows).to_string();
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// `sh600000,day,,2026-09-18,640,qfq` or `sh600000,m5,202609181500,640`.
fn answer(question: &str, rows: &KlineRows) -> Value {
    let parts: Vec<_> = question.split(',').collect();
    let (code, key, end, count) = match parts[..] {
        [code, "day", _, end, count, adjust] => (code, format!("{adjust}day"), end, count),
        [code, minutes, end, count] => (code, minutes.to_owned(), end, count),
        _ => return json!({ "code": 1, "msg": "bad params" }),
    };
    let found = |key: &str| Some((key.to_owned(), rows.get(&(code.to_owned(), key.to_owned()))?));
    // an index answers under the plain key, whatever is asked
    let Some((key, rows)) = found(&key).or_else(|| found("day")) else {
        return json!({ "code": 0, "msg": "", "data": { (code): { "qt": { (code): [] } } } });
    };
    let is_wanted = |row: &&Value| end.is_empty() || row[0].as_str().unwrap() <= end;
    let rows: Vec<_> = rows.iter().filter(is_wanted).collect();
    let rows = &rows[rows.len().saturating_sub(count.parse().unwrap())..];
    json!({ "code": 0, "msg": "", "data": { (code): { (key): rows, "prec": "", "version": "16" } } })
}
