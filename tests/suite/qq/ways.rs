//! Ways to the service, and sessions: proxies, the calendar, zones of the machine.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use dataserver::engine::clock::{Clock, SystemClock};
use harness::{Bench, QuoteServer};
use plugin_api::schemas::time::ExchangeTime;

use super::{good_day, market, symbols_file};

/// A proxy on loopback that counts the connections that it made.
struct Proxy {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens; `greet` finds out where a client wants to go.
    fn start(greet: fn(&mut TcpStream) -> Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let count = Arc::clone(&count);
                thread::spawn(move || forward(client, greet, &count));
            }
        });
        Self { port, connections }
    }
}

fn forward(mut client: TcpStream, greet: fn(&mut TcpStream) -> Option<u16>, count: &AtomicUsize) {
    let Some(port) = greet(&mut client) else { return };
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    count.fetch_add(1, Ordering::Relaxed);
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let there = thread::spawn(move || std::io::copy(&mut from, &mut to));
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = there.join();
}

/// `CONNECT host:port HTTP/1.1`.
fn connect(client: &mut TcpStream) -> Option<u16> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.strip_prefix("CONNECT ")?.split_whitespace().next()?.to_owned();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    target.rsplit_once(':')?.1.parse().ok()
}

/// RFC 1928 without a password, for an IPv4 address.
fn socks5(client: &mut TcpStream) -> Option<u16> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).ok()?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).ok()?;
    client.write_all(&[5, 0]).ok()?;
    let mut request = [0; 10];
    client.read_exact(&mut request).ok()?;
    assert_eq!(request[..4], [5, 1, 0, 1], "connect to an IPv4 address");
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    Some(u16::from_be_bytes([request[8], request[9]]))
}

/// A pipeline that counts what comes in two rounds.
fn pipeline(server: &QuoteServer, options: &str) -> String {
    format!(
        "[sources.quotes]\nplugin = \"qq\"\nurl = \"{}\"\nsymbols_file = \"symbols.txt\"\n\
         interval = \"100ms\"\nrounds = 2\n{options}\n[sinks.out]\nplugin = \"null\"\n\
         inputs = [\"quotes\"]\n",
        server.url()
    )
}

#[test]
fn rounds_go_through_http_and_socks_proxies_over_kept_connections() {
    let market = market(240);
    let server = QuoteServer::start(market.clone(), good_day());
    for (scheme, proxy) in [("http", Proxy::start(connect)), ("socks5", Proxy::start(socks5))] {
        let bench = Bench::new(&["qq", "null"]);
        bench.write("symbols.txt", symbols_file(&market));
        let way = format!(
            "phases = []\nconcurrency = 2\nproxy = \"{scheme}://127.0.0.1:{}\"",
            proxy.port
        );
        bench.pipeline(&pipeline(&server, &way));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        assert_eq!(run.summary("out", "in"), 480, "{scheme}");
        // eight requests
        let connections = proxy.connections.load(Ordering::Relaxed);
        assert!((1..=2).contains(&connections), "{connections} connections over {scheme}");
    }
}

#[test]
fn a_proxy_that_is_away_is_a_failure_of_every_request_and_rounds_are_empty() {
    let market = market(120);
    let server = QuoteServer::start(market.clone(), good_day());
    let bench = Bench::new(&["qq", "null"]);
    bench.write("symbols.txt", symbols_file(&market));
    let way = "phases = []\nretries = 0\nproxy = \"http://me:secret@127.0.0.1:1\"";
    bench.pipeline(&pipeline(&server, way));
    let run = bench.run(&["run"]);
    run.assert(
        0,
        &["120 of 120 symbols without an answer", "2 rounds: 0 records, 4 requests, 4 failures"],
    );
    assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    assert_eq!(run.summary("quotes", "dropped"), 240);
    assert!(server.served().is_empty());
    bench.run(&["check"]).assert(78, &["nothing listens there"]);
}

#[test]
fn outside_of_sessions_nothing_is_asked_and_silence_is_normal() {
    let market = market(60);
    let server = QuoteServer::start(market.clone(), good_day());
    let bench = Bench::new(&["qq", "null"]);
    bench.write("symbols.txt", symbols_file(&market));
    let today = ExchangeTime::from_utc_us(SystemClock.now_us()).day;
    let dates = (today - 1..=today + 1).map(|day| {
        let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
        format!("{year}-{month:02}-{day:02}\n")
    });
    bench.write("holidays.txt", dates.collect::<String>());
    let port = harness::free_port();
    let text = pipeline(
        &server,
        "phases = [\"00:00-24:00\"]\nignore_weekend = false\nholidays_file = \"holidays.txt\"",
    );
    bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{text}"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    host.wait_for_answer(port, "/health", "quotes");
    assert_eq!(host.get(port, "/health", "").0, 200);
    assert!(server.served().is_empty(), "it asked on a holiday");
    host.signal("TERM");
    host.wait().assert(0, &["0 rounds: 0 records"]);
}
