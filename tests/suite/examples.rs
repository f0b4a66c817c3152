//! The example plugins for the sandbox do in the host what their pages say.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Duration,
};

use harness::{Bench, build_dir};
use serde_json::{Value, json};

/// Longest wait for a request.
const DEADLINE: Duration = Duration::from_secs(60);

/// A folder with those components.
fn bench(ids: &[&str]) -> Bench {
    let bench = Bench::new(&[]);
    for id in ids {
        let file = format!("wasm32-wasip2/release/dataserver_{}.wasm", id.replace('-', "_"));
        let built = build_dir().parent().unwrap().join(file);
        assert!(built.exists(), "{} is missing; `make wasm` builds it first", built.display());
        fs::copy(built, bench.path("plugins").join(format!("{id}.wasm"))).unwrap();
    }
    bench
}

/// Serves two good lines and a bad one so many times, then tells of the next request and keeps it.
fn serve(answers: usize) -> (u16, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (kept, keep) = sync_channel(1);
    let lines = [
        json!({ "symbol": "600000.SH", "time": "2021-12-01T09:30:00+08:00", "close": 8.55 }),
        json!({ "symbol": "nonsense", "time": "2021-12-01T09:30:00+08:00" }),
        json!({ "symbol": "000001.SZ", "time": "2021-12-01T09:30:00+08:00", "volume": 700 }),
    ];
    let body = lines.map(|line| format!("{line}\n")).concat();
    thread::spawn(move || {
        for stream in listener.incoming().take(answers) {
            answer(&stream.unwrap(), &body);
        }
        let _ = kept.send(listener.accept().unwrap().0);
    });
    (port, keep)
}

fn answer(mut stream: &TcpStream, body: &str) {
    let mut request = BufReader::new(stream).lines().map(Result::unwrap);
    assert_eq!(request.next().unwrap(), "GET /quotes?all HTTP/1.1");
    assert!(request.any(|line| line.is_empty()), "the request has no end");
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
}

fn pipeline(bench: &Bench, port: u16, granted: &str) {
    fs::create_dir(bench.path("out")).unwrap();
    bench.pipeline(&format!(
        r#"
        [sources.web]
        plugin   = "http-quotes"
        url      = "http://127.0.0.1:{port}/quotes?all"
        interval = "100ms"
        grants   = {{ http = [{granted}] }}
        on_failure = "stop"

        [sinks.files]
        plugin = "files-json"
        inputs = ["web"]
        path   = "out/quotes.jsonl"
        grants = {{ dirs = {{ out = "write" }} }}
        "#
    ));
}

#[test]
fn quotes_from_a_granted_server_come_to_a_granted_file() {
    let (port, next) = serve(3);
    let bench = bench(&["http-quotes", "files-json"]);
    pipeline(&bench, port, &format!("\"127.0.0.1:{port}\""));
    let host = bench.start();
    let kept = next.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{}", host.log()));
    host.signal("TERM");
    let run = host.wait();
    drop(kept);
    run.assert(0, &[]);
    let lines: Vec<Value> = bench
        .read("out/quotes.jsonl")
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let symbols: Vec<_> = lines.iter().map(|line| line["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["600000.SH", "000001.SZ"].repeat(3));
    assert_eq!((&lines[0]["close"], &lines[1]["volume"]), (&json!(8.55), &json!(700)));
    let set_aside = bench.run(&["dead-letter", "ls"]);
    set_aside.assert(0, &["web"]);
}

#[test]
fn a_server_that_is_not_granted_is_not_asked_and_the_grant_is_named() {
    let (port, next) = serve(0);
    let bench = bench(&["http-quotes", "files-json"]);
    pipeline(&bench, port, "\"quotes.example.com\"");
    let run = bench.run(&["run"]);
    run.assert(1, &["grants.http", &format!("127.0.0.1:{port}")]);
    assert!(next.try_recv().is_err(), "the server was asked");
}

#[test]
fn a_transform_in_c_passes_every_record_on() {
    let bench = bench(&["c-passthrough"]);
    for id in ["replay", "console"] {
        bench.install(id, &format!("lib{id}.so"));
    }
    bench.write(
        "quotes.csv",
        "symbol,time,close\n600000.SH,2021-12-01 09:30:00,8.55\n600000.SH,2021-12-01 09:30:03,8.56\n",
    );
    let printed = |through: &str| {
        bench.pipeline(&format!(
            r#"
            [sources.day]
            plugin = "replay"
            path   = "quotes.csv"
            speed  = 0.0

            [transforms.same]
            plugin = "c-passthrough"
            inputs = ["day"]

            [sinks.screen]
            plugin = "console"
            inputs = ["{through}"]

            [sinks.other]
            plugin = "console"
            inputs = ["same"]
            limit  = 1
            fields = ["period"]
            "#
        ));
        bench.run(&["run"]).assert(0, &[]).stdout.clone()
    };
    let through = printed("same");
    assert_eq!((through.lines().count(), &through), (2, &printed("day")));
    let checked = bench.run(&["plugins", "show", "c-passthrough"]);
    checked.assert(0, &["c-passthrough 0.1.0 (wasm", "[transforms.ID]"]);
}
