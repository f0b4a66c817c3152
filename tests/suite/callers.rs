//! Who may ask the control interface, and what those do who mean it no good.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, free_port};

/// Longest wait for what should come at once; far below the 30 s for which it once did not.
const SOON: Duration = Duration::from_secs(8);

/// A host that runs for as long as it is let.
fn running(host_keys: &str) -> (Bench, Host, u16) {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\ndrain_timeout = \"2s\"\n{host_keys}\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"50ms\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n"
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    (bench, host, port)
}

/// Asks for health until that is answered; how long that took.
fn health(port: u16) -> Duration {
    let since = Instant::now();
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let asked =
            write!(stream, "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        if asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            return since.elapsed();
        }
        assert!(since.elapsed() < SOON, "no answer about health");
    }
}

#[test]
fn no_page_of_another_site_reads_or_acts_and_programs_go_on_as_before() {
    let (_bench, host, port) = running("allowed_hosts = [\"Quotes.lan\"]");
    let own = format!("127.0.0.1:{port}");
    let end = "connection: close\r\n\r\n";
    // the first line, the headers, and the answer
    let table = [
        // as a program asks
        ("POST /api/reload HTTP/1.1", "host: OWN", 200),
        ("POST /api/reload HTTP/1.1", "host: LOCALHOST.:1", 200),
        ("POST /api/reload HTTP/1.1", "host: quotes.LAN:1", 200),
        ("POST /api/reload HTTP/1.1", "host: [::1]:1", 200),
        ("POST /api/reload HTTP/1.0", "host: OWN", 200),
        ("POST http://OWN/api/reload HTTP/1.1", "host: OWN", 200),
        ("GET /health HTTP/1.0", "x: x", 200),
        // as a page of its own would
        (
            "POST /api/reload HTTP/1.1",
            "host: OWN|origin: http://OWN|sec-fetch-site: same-origin",
            200,
        ),
        // as a page of another site
        ("POST /api/reload HTTP/1.1", "host: OWN|origin: http://evil.example", 403),
        ("POST /api/reload HTTP/1.1", "host: OWN|origin: null", 403),
        ("POST /api/reload HTTP/1.1", "host: OWN|origin: https://OWN", 403),
        ("POST /api/reload HTTP/1.1", "host: OWN|origin: http://127.0.0.1:1", 403),
        ("POST /api/reload HTTP/1.1", "host: OWN|sec-fetch-site: cross-site", 403),
        ("POST /api/reload HTTP/1.1", "host: OWN|sec-fetch-site: same-site", 403),
        ("POST /api/dead-letter/out/replay HTTP/1.1", "host: OWN|origin: null", 403),
        // by a link to the page, which is not shown within another one
        (
            "GET / HTTP/1.1",
            "host: OWN|sec-fetch-site: cross-site|sec-fetch-mode: navigate|sec-fetch-dest: document",
            200,
        ),
        (
            "GET / HTTP/1.1",
            "host: OWN|sec-fetch-site: cross-site|sec-fetch-mode: navigate|sec-fetch-dest: iframe",
            403,
        ),
        ("GET /page/main.js HTTP/1.1", "host: OWN|sec-fetch-site: cross-site", 403),
        // with a token where everybody sees it
        ("GET /?token=0123456789 HTTP/1.1", "host: OWN", 400),
        ("POST /api/reload?x=1&Token=0123456789 HTTP/1.1", "host: OWN", 400),
        // by a name that was pointed here
        ("POST /api/reload HTTP/1.1", "host: evil.example:1", 403),
        ("POST /api/reload HTTP/1.1", "host: localhost.evil.example:1", 403),
        ("GET /health HTTP/1.1", "host: 127.0.0.1.evil.example", 403),
        ("GET /metrics HTTP/1.1", "host: evil.example", 403),
        ("GET /api/pipeline HTTP/1.1", "host: evil.example", 403),
        ("GET /api/dead-letter/out/replay HTTP/1.1", "host: evil.example", 403),
        // by none, by several, or by one that is not clear
        ("POST /api/reload HTTP/1.0", "x: x", 400),
        ("GET /health HTTP/1.1", "x: x", 400),
        ("GET /health HTTP/1.1", "host: user@OWN", 400),
        ("GET /health HTTP/1.1", "host: OWN|host: evil.example", 400),
        ("GET http://evil.example/health HTTP/1.1", "host: OWN", 400),
    ];
    for (line, headers, code) in table {
        let request = format!("{line}|{headers}").replace("OWN", &own).replace('|', "\r\n");
        let (answered, body) = host.send(port, &format!("{request}\r\n{end}"));
        assert_eq!(answered, code, "{request}\n{body}");
    }
    // bodies: as JSON, however they come
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    for (kind, body, code) in [
        ("content-type: application/json; charset=utf-8\r\ncontent-length: 2\r\n", "{}", 200),
        ("content-type: application/json\r\ntransfer-encoding: chunked\r\n", chunks, 200),
        ("content-type: text/plain\r\ncontent-length: 2\r\n", "{}", 415),
        ("content-length: 2\r\n", "{}", 415),
        ("transfer-encoding: chunked\r\n", chunks, 415),
        ("content-type: application/x-www-form-urlencoded\r\ncontent-length: 0\r\n", "", 415),
    ] {
        let request = format!("POST /api/reload HTTP/1.1\r\nhost: {own}\r\n{kind}{end}{body}");
        assert_eq!(host.send(port, &request).0, code, "{request}");
    }
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    let reloads = run.stderr.matches("nothing to reload").count();
    assert_eq!(reloads, 9, "who is refused does nothing");
    assert!(!run.stderr.contains("0123456789"), "{}", run.stderr);
}

#[test]
fn connections_that_keep_their_places_without_asking_lock_nobody_out() {
    let (_bench, host, port) = running("");
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n");
    // silent ones, those that send a head or a body byte by byte, those that ask on and on and
    // read nothing, and those that have asked and stay
    type Kind<'a> = (&'a str, &'a dyn Fn(&mut TcpStream));
    let kinds: [Kind<'_>; 5] = [
        ("silent", &|_| ()),
        ("slow head", &|it| it.write_all(b"GET /hea").unwrap()),
        ("slow body", &|it| {
            let kind = "content-type: application/json\r\ncontent-length: 9\r\n";
            write!(it, "POST /api/reload HTTP/1.1\r\nhost: localhost\r\n{kind}\r\n{{").unwrap();
        }),
        ("never reads", &|it| {
            it.set_nonblocking(true).unwrap();
            let many = format!("{head}\r\n").repeat(200);
            let _ = it.write_all(many.as_bytes());
        }),
        ("idle", &|it| {
            write!(it, "{head}\r\n").unwrap();
            let mut byte = [0];
            it.read_exact(&mut byte).unwrap();
        }),
    ];
    for (kind, begin) in kinds {
        let mut held: Vec<_> = (0..100)
            .map(|_| {
                let mut stream = connect();
                begin(&mut stream);
                stream
            })
            .collect();
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    if kind.starts_with("slow") {
                        held.iter_mut().for_each(|it| drop(it.write(b" ")));
                    }
                    thread::park_timeout(Duration::from_millis(100));
                }
            });
            let longest = (0..5).map(|_| health(port)).max().unwrap();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(longest < SOON, "{kind}: {longest:?}");
        });
    }
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn a_request_that_trickles_ends_also_when_nobody_needs_its_place() {
    let (_bench, host, port) = running("");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let since = Instant::now();
    stream.write_all(b"GET /health HTTP/1.1\r\nx: ").unwrap();
    while stream.write_all(b"x").is_ok() {
        let mut byte = [0];
        if matches!(stream.read(&mut byte), Ok(0)) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(25), "it may go on for ever");
    }
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

/// Has every reload wait for a sink that never opens.
fn slow_reload(bench: &Bench) {
    let text = bench.read("pipeline.toml");
    bench.pipeline(&format!(
        "{text}[sinks.slow]\nplugin = \"faulty\"\ninputs = [\"day\"]\ncall = \"open\"\nhow = \"block\"\n"
    ));
}

#[test]
fn reloads_that_nobody_waits_for_cost_no_threads_and_do_not_hold_up_the_end() {
    let (bench, host, port) = running("");
    slow_reload(&bench);
    let began = Instant::now();
    let before = host.threads();
    let request = format!("POST /api/reload HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
    for _ in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let _ = stream.write_all(request.as_bytes());
    }
    // who waits shares the reload that waits
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert!(health(port) < SOON);
    let threads = host.threads();
    // each reload leaves the sink behind that does not come back
    assert!(threads < before + 10, "{before} threads before, {threads} now");
    let since = Instant::now();
    host.signal("TERM");
    for mut stream in waiting {
        let mut answer = [0; 12];
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.read_exact(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(["HTTP/1.1 503", "HTTP/1.1 409"].contains(&answer.as_str()), "{answer}");
    }
    let run = host.wait();
    let took = since.elapsed();
    assert!(took < Duration::from_secs(12), "the end took {took:?}\n{}", run.stderr);
    // each takes 2 s, and no more than one at a time
    let reloads = run.stderr.matches("not reloaded").count() as u64;
    assert!(reloads <= 2 + began.elapsed().as_secs() / 2, "{reloads} in {:?}", began.elapsed());
}

#[test]
fn a_reload_that_takes_longer_than_a_client_may_be_silent_is_told_as_it_went() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let keys = format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\ndrain_timeout = \"33s\"\nstuck_after = \"200ms\"\n"
    );
    let day = "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"50ms\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n";
    let stuck = "[sinks.stuck]\nplugin = \"faulty\"\ninputs = [\"day\"]\ncall = \"write\"\nhow = \"block\"\n";
    bench.pipeline(&format!("{keys}{day}{stuck}"));
    let host = bench.start();
    host.wait_for("stuck: the plugin does not return");
    // what is removed has `drain_timeout` to end
    bench.pipeline(&format!("{keys}{day}"));
    bench
        .run(&["reload"])
        .assert(0, &["removed", "stuck is removed, but its plugin", "reloaded in 3"]);
    host.signal("INT");
    host.signal("INT");
    host.wait();
}
