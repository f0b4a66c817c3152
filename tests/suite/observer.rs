//! What operators see of the data while it flows: quotes, events, and records as they pass.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, DAYS, Host, free_port};
use serde_json::{Value, json};

/// Longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(60);
/// A source without an end, of five securities.
const TICK: &str = "[sources.tick]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 5\nsymbols = 5\n\
    pace = \"2ms\"\n";

fn text(port: u16, components: &str) -> String {
    format!("[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n{components}\n")
}

fn sink(inputs: &str) -> String {
    format!("[sinks.out]\nplugin = \"faulty\"\ninputs = [{inputs}]\n")
}

fn middle(delay: &str) -> String {
    format!("[transforms.middle]\nplugin = \"faulty\"\ninputs = [\"tick\"]\ndelay = \"{delay}\"\n")
}

fn running(components: &str) -> (Bench, Host, u16) {
    let (bench, port) = (Bench::new(&["faulty", "replay"]), free_port());
    bench.pipeline(&text(port, components));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    (bench, host, port)
}

fn end(host: Host) {
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

/// What is answered as JSON.
#[track_caller]
fn get(host: &Host, port: u16, path: &str) -> (u16, Value) {
    let (code, body) = host.get(port, path, "");
    (code, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {code} {body}")))
}

/// An answer that goes on.
struct Stream {
    code: u16,
    lines: BufReader<TcpStream>,
}

impl Stream {
    fn open(port: u16, path: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // in HTTP/1.0 a body is not cut into chunks
        write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut opened = Self { code: 0, lines: BufReader::new(stream) };
        let status = opened.line().unwrap();
        opened.code = status.split_whitespace().nth(1).unwrap().parse().unwrap();
        while !opened.line().unwrap().trim().is_empty() {}
        opened
    }

    /// The next line; `None` when the host has ended the stream.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came for {DEADLINE:?}")
            }
            Err(_) => None,
        }
    }

    /// Reads until a line holds that text.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let line = self.line().unwrap_or_else(|| panic!("it ended before {text:?} came"));
            if line.contains(text) {
                return line;
            }
            // a stream that says nothing new says that it is there
            assert!(Instant::now() < deadline, "waited for {text:?}, got {line}");
        }
    }

    /// The data of the next event of that name.
    #[track_caller]
    fn event(&mut self, name: &str) -> Value {
        self.wait_for(&format!("event: {name}\n"));
        let data = self.line().unwrap();
        serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
    }
}

#[test]
fn the_newest_quotes_of_a_recorded_day_are_told_with_their_source_and_their_day() {
    let day = DAYS[2];
    // not faster than the observer looks: of a flood that ends at once it may miss the end
    let source = day.source().replace("speed = 0.0", "speed = 5000.0");
    let (_bench, host, port) = running(&format!("{TICK}{}{source}", sink("\"tick\", \"day\"")));
    // the last quote of the file
    let newest = "\"time_us\":1654066944000000";
    host.wait_for_answer(port, "/api/quotes?symbols=300122.SZ", newest);
    let asked = "/api/quotes?symbols=SZ300122,000400.SZ,600009.SH,nothing,%3Cscript%3E";
    let (code, answer) = get(&host, port, asked);
    assert_eq!((code, &answer["unknown"]), (200, &json!(["nothing", "<script>", "600009.SH"])));
    let quote = &answer["quotes"][0];
    assert_eq!((&quote["symbol"], &quote["source"]), (&json!("300122.SZ"), &json!("day")));
    assert_eq!(quote["name"], "智飞生物", "from the shipped list, as the file has none");
    for (value, expected) in [(&quote["price"], 86.82), (&quote["bid"][0][0], 86.81)] {
        assert!((value.as_f64().unwrap() - expected).abs() < 1e-6, "{quote}");
    }
    assert_eq!(
        (&quote["bid"][0][1], &quote["time_us"]),
        (&json!(19_400), &json!(1_654_066_944_000_000_u64))
    );
    assert!((0..60_000).contains(&quote["age_ms"].as_i64().unwrap()), "{quote}");
    assert_eq!(answer["quotes"].as_array().unwrap().len(), 2);
    // nobody asked for one
    let (code, answer) = get(&host, port, "/api/quotes");
    assert_eq!((code, &answer["unknown"]), (200, &json!(["000001.SZ"])));
    // minute by minute
    let (code, line) = get(&host, port, "/api/quotes?day=300122.SZ");
    assert_eq!((code, &line["date"]), (200, &json!("2022-06-01")));
    let points = line["points"].as_array().unwrap();
    let minutes: Vec<_> = points.iter().map(|it| it[0].as_u64().unwrap()).collect();
    assert!(minutes.is_sorted() && minutes[0] == 565 && points.len() > 240, "{minutes:?}");
    assert!(!minutes.iter().any(|minute| (691..780).contains(minute)), "at noon nothing is traded");
    assert_eq!(points.iter().map(|it| it[2].as_u64().unwrap()).sum::<u64>(), 10_507_570);
    let (code, line) = get(&host, port, "/api/quotes?day=000009.SZ");
    assert_eq!((code, &line["date"], &line["points"]), (200, &Value::Null, &json!([])));
    end(host);
}

#[test]
fn securities_are_found_by_code_name_and_initials_whether_or_not_they_were_seen() {
    let (_bench, host, port) = running(&format!("{TICK}{}", sink("\"tick\"")));
    // the source calls its securities 测试
    host.wait_for_answer(port, "/api/quotes?q=600003", "测试");
    for (question, symbol) in [
        ("payh", "000001.SZ"),
        ("PAYHH", "000001.SZ"),
        ("%E5%B9%B3%E5%AE%89", "000001.SZ"),
        ("000001", "000001.SZ"),
        ("sz000001", "000001.SZ"),
        ("cqpj", "600132.SH"),
        ("cs", "600003.SH"),
    ] {
        let (code, answer) = get(&host, port, &format!("/api/quotes?q={question}"));
        let found = answer["matches"].as_array().unwrap();
        let is_found = found.iter().any(|it| it["symbol"] == symbol);
        assert!(code == 200 && is_found && found.len() <= 20, "{question}: {answer}");
    }
    for nothing in ["", "%3Cscript%3E", "%FF%FE", "%E6%B2%A1%E6%9C%89%E8%BF%99%E4%B8%AA"] {
        let (code, answer) = get(&host, port, &format!("/api/quotes?q={nothing}"));
        assert_eq!((code, &answer["matches"]), (200, &json!([])), "{nothing}");
    }
    end(host);
}

#[test]
fn ten_thousand_symbols_may_be_asked_for_at_once_and_not_one_more() {
    let (_bench, host, port) = running(&format!("{TICK}{}", sink("\"tick\"")));
    let path = |symbols: u32| {
        let symbols: Vec<_> = (0..symbols).map(|it| it.to_string()).collect();
        format!("/api/quotes?symbols={}", symbols.join(","))
    };
    let (code, answer) = get(&host, port, &path(10_000));
    assert_eq!((code, answer["unknown"].as_array().unwrap().len()), (200, 10_000));
    let (code, answer) = get(&host, port, &path(10_001));
    assert_eq!(code, 400);
    assert!(answer["error"].as_str().unwrap().contains("10001 symbols"), "{answer}");
    // an address has an end, and says so; a body has room for as many whole ones
    let (code, body) =
        host.send(port, &format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", path(30_000)));
    assert!(matches!(code, 414 | 431) && body.contains("body of a POST"), "{code} {body}");
    let post = |path: &str, symbols: u32| {
        let symbols: Vec<_> = (0..symbols).map(|it| format!("{it:06}.SH")).collect();
        let body = json!({ "symbols": symbols }).to_string();
        let head = format!("host: localhost\r\ncontent-length: {}\r\n", body.len());
        let kind = "content-type: application/json\r\nconnection: close\r\n";
        let request = format!("POST {path} HTTP/1.1\r\n{head}{kind}\r\n{body}");
        let (code, body) = host.send(port, &request);
        (code, serde_json::from_str::<Value>(&body).unwrap_or_else(|_| panic!("{body}")))
    };
    let (code, answer) = post("/api/quotes", 10_000);
    let told = ["quotes", "unknown"].map(|key| answer[key].as_array().unwrap().len());
    assert_eq!((code, told.iter().sum::<usize>()), (200, 10_000));
    assert_eq!(post("/api/quotes", 10_001).0, 400);
    let (code, answer) = post("/api/quotes", 30_000);
    assert_eq!((code, answer["error"].as_str().is_some()), (413, true), "{answer}");
    end(host);
}

#[test]
fn a_name_that_is_a_script_comes_as_a_text() {
    let name = "<script>alert('x')</script>";
    let source = "[sources.day]\nplugin = \"replay\"\npath = \"day.csv\"\n";
    let (bench, port) = (Bench::new(&["faulty", "replay"]), free_port());
    bench.write(
        "day.csv",
        format!("symbol,name,time,close\n600519.SH,{name},2024-01-03 09:30:00,9.5\n"),
    );
    bench.pipeline(&text(port, &format!("{TICK}{}{source}", sink("\"tick\", \"day\""))));
    let host = bench.start();
    host.wait_for_answer(port, "/api/quotes?symbols=600519.SH", "script");
    let request = "GET /api/quotes?symbols=600519.SH HTTP/1.0\r\nhost: localhost\r\n\r\n";
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["quotes"][0]["name"], name);
    end(host);
}

#[test]
fn a_tap_goes_on_over_reloads_and_ends_with_its_component() {
    let with = |delay: &str, input: &str| {
        format!("{TICK}{}{}", middle(delay), sink(&format!("\"{input}\"")))
    };
    let (bench, host, port) = running(&with("0ms", "tick"));
    let mut taps = [
        Stream::open(port, "/api/tap/tick?symbols=600001.SH&fields=symbol,close"),
        Stream::open(port, "/api/tap/middle"),
        Stream::open(port, "/api/tap/out?inputs=true"),
    ];
    let first = taps[0].wait_for("\"kind\"");
    let expected =
        json!({ "kind": "spot", "component": "tick", "symbol": "600001.SH", "close": 10.0 });
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap(), expected);
    taps[2].wait_for("\"component\":\"tick\"");
    for (delay, input) in [("1ms", "tick"), ("1ms", "middle"), ("0ms", "middle")] {
        bench.pipeline(&text(port, &with(delay, input)));
        let (code, report) = host.reload(port);
        assert_eq!(code, 200, "{report:#}");
        // those of before may still be under way
        (0..200).for_each(|_| drop(taps[1].wait_for("\"component\":\"middle\"")));
    }
    taps[2].wait_for("\"component\":\"middle\"");
    bench.pipeline(&text(port, &format!("{TICK}{}", sink("\"tick\""))));
    assert_eq!(host.reload(port).0, 200);
    while taps[1].line().is_some() {}
    taps[2].wait_for("\"component\":\"tick\"");
    // what cannot be watched, and why
    for (path, code, said) in [
        ("/api/tap/tikc", 404, "did you mean `tick`?"),
        ("/api/tap/out", 400, "inputs=true"),
        ("/api/tap/tick?inputs=true", 400, "has no inputs"),
        ("/api/tap/tick?kind=trade", 400, "`kind` is spot or bar"),
        ("/api/tap/tick?fields=colse", 400, "did you mean `close`?"),
        ("/api/tap/tick?symbols=x", 400, "`x` is no security"),
        ("/api/tap/tick?limit=0", 400, "`limit`"),
    ] {
        let (answered, refusal) = get(&host, port, path);
        assert_eq!(answered, code, "{path}");
        assert!(refusal["error"].as_str().unwrap().contains(said), "{path}: {refusal}");
    }
    end(host);
}

#[test]
fn a_watcher_that_never_reads_holds_nobody_up_and_is_told_what_it_missed() {
    // far more than one that reads could be given
    let fast = TICK.replace("records = 5\n", "records = 500\n");
    let (_bench, host, port) = running(&format!("{fast}{}", sink("\"tick\"")));
    let mut deaf: Vec<_> = (0..5).map(|_| Stream::open(port, "/api/tap/tick")).collect();
    let delivered = || host.metric(port, "dataserver_records_out_total", "\"out\"");
    let before = delivered();
    let mut waited = 0;
    while delivered() < before + 1_000_000.0 {
        assert_eq!(host.get(port, "/health", "").0, 200);
        waited += 1;
        assert!(waited < 6_000, "the others do not get on");
        thread::park_timeout(Duration::from_millis(10));
    }
    assert!(host.peak_memory() < 400 << 20, "{} bytes", host.peak_memory());
    let missed = deaf[0].wait_for("{\"missed\":");
    let missed: Value = serde_json::from_str(&missed).unwrap();
    assert!(missed["missed"].as_u64().unwrap() > 0);
    end(host);
}

#[test]
fn two_hundred_streams_of_events_are_served_and_one_more_is_told_so() {
    let (_bench, host, port) = running(&format!("{TICK}{}", sink("\"tick\"")));
    let mut streams: Vec<_> = (0..200).map(|_| Stream::open(port, "/api/events")).collect();
    for stream in &mut streams {
        let pipeline = stream.event("pipeline");
        assert_eq!((stream.code, &pipeline["edges"][0]["to"]), (200, &json!("out")));
    }
    let mut refused = Stream::open(port, "/api/events");
    assert_eq!(refused.code, 503);
    assert!(refused.line().unwrap().contains("200 others watch already"));
    // neither requests nor watchers of components lack a place
    assert_eq!(host.get(port, "/health", "").0, 200);
    assert_eq!(Stream::open(port, "/api/tap/tick").code, 200);
    // each still gets on
    streams.iter_mut().for_each(|stream| drop(stream.event("pipeline")));
    drop(streams.pop());
    let mut tries = 0;
    while Stream::open(port, "/api/events").code != 200 {
        tries += 1;
        assert!(tries < 1_000, "the place of one that left is not free again");
        thread::park_timeout(Duration::from_millis(10));
    }
    end(host);
}

#[test]
fn quotes_reloads_states_and_warnings_are_events_and_the_log_can_be_read() {
    let components = format!("{TICK}{}", sink("\"tick\""));
    let (bench, host, port) = running(&components);
    let mut stream = Stream::open(port, "/api/events?watch=600002.SH,000001.SZ");
    let quotes = stream.event("quotes");
    let symbols: Vec<_> =
        quotes["quotes"].as_array().unwrap().iter().map(|it| it["symbol"].clone()).collect();
    assert_eq!(symbols, [json!("600002.SH")]);
    // the same look finds the line of the log and the reload
    bench.pipeline("[sinks]\n");
    assert_eq!(host.reload(port).0, 422);
    let line = stream.event("log");
    assert_eq!(line["level"], "error");
    assert!(line["text"].as_str().unwrap().contains("not reloaded"), "{line}");
    assert_eq!(stream.event("reload")["outcome"], "refused");
    let failing = components.replace("inputs", "call = \"write\"\nhow = \"retry\"\ninputs");
    bench.pipeline(&text(port, &failing));
    assert_eq!(host.reload(port).0, 200);
    let change = stream.event("component");
    assert_eq!((&change["id"], &change["from"]), (&json!("out"), &json!("running")));
    let (code, log) = get(&host, port, "/api/log");
    let lines = log["lines"].as_array().unwrap();
    assert!(
        code == 200
            && lines.iter().any(|it| it["text"].as_str().unwrap().contains("the pipeline runs"))
    );
    assert_eq!(get(&host, port, "/api/log?limit=1").1["lines"].as_array().unwrap().len(), 1);
    assert_eq!(host.get(port, "/api/log?limit=x", "").0, 400);
    let many = vec!["600000.SH"; 1_001].join(",");
    assert_eq!(Stream::open(port, &format!("/api/events?watch={many}")).code, 400);
    host.signal("INT");
    host.signal("INT");
    // the end of the host ends its streams
    while stream.line().is_some() {}
    host.wait();
}

#[test]
fn the_verb_shows_records_until_there_are_as_many_as_were_asked_for() {
    let (bench, host, _) = running(&format!("{TICK}{}", sink("\"tick\"")));
    let tap = |arguments: &str| {
        let arguments: Vec<_> = ["tap"].into_iter().chain(arguments.split(' ')).collect();
        bench.run(&arguments)
    };
    let table = tap("tick --limit 3 --symbols 600001.SH");
    table.assert(0, &["time           symbol", "12-01 09:15:01 600001.SH    10.00"]);
    assert_eq!(table.stdout.lines().count(), 4);
    let json = tap("--inputs-of out --once --format json");
    let record: Value = serde_json::from_str(&json.assert(0, &[]).stdout).unwrap();
    assert_eq!((&record["component"], &record["close"]), (&json!("tick"), &json!(10.0)));
    let csv = tap("tick --limit 2 --format csv");
    csv.assert(0, &["component,symbol,market,code,name,time,", "tick,60000"]);
    assert_eq!(csv.stdout.lines().count(), 3);
    assert_eq!(tap("tick --kind bar --duration 300ms").assert(0, &[]).stdout, "");
    tap("out").assert(1, &["is a sink", "--inputs-of out"]);
    tap("tikc").assert(1, &["no component `tikc`", "did you mean `tick`?"]);
    end(host);
    tap("tick").assert(1, &["no host runs that listens"]);
    bench.pipeline(&format!("{TICK}{}", sink("\"tick\"")));
    tap("tick").assert(1, &["no `[host] http`", "http = \"127.0.0.1:9280\""]);
}

#[test]
fn the_verb_goes_on_when_the_host_was_away() {
    let (bench, host, _) = running(&format!("{TICK}{}", sink("\"tick\"")));
    let tap = bench.spawn(&["tap", "tick", "--format", "json", "--symbols", "600001.SH"]);
    tap.wait_for_output("600001.SH");
    host.signal("KILL");
    host.wait();
    tap.wait_for("the connection is lost");
    let host = bench.start();
    tap.wait_for("the host answers again");
    end(host);
    tap.signal("TERM");
    let run = tap.wait();
    assert!(run.stdout.lines().all(|line| line.contains("600001.SH")), "{}", run.stdout);
}
