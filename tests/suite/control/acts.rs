//! Who may act over the control interface, what is kept of it, and what a reload would do.

use harness::{Bench, free_port};
use serde_json::{Value, json};

use super::{ENDLESS, pipeline, send};

#[test]
fn what_a_client_asked_for_that_left_at_once_is_done_and_kept_account_of() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{ENDLESS}"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    for (before, action) in ["pause", "resume", "pause"].into_iter().enumerate() {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request =
            format!("POST /api/components/day/{action} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        drop(stream);
        let line = loop {
            let kept = bench.read("data/audit.jsonl");
            match kept.lines().nth(before).and_then(|line| serde_json::from_str(line).ok()) {
                Some(line) => break line,
                None => assert!(std::time::Instant::now() < deadline, "{action}: {kept}"),
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        };
        let line: Value = line;
        assert_eq!((&line["action"], &line["target"]), (&json!(action), &json!("day")));
    }
    host.signal("TERM");
    host.wait();
}

#[test]
fn a_page_logs_in_once_and_its_cookie_is_not_the_token() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\ntoken = \"secret-token\"\n{ENDLESS}"
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let login = |body: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = format!(
            "POST /api/login HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        answer
    };
    for (body, code) in [
        ("{\"token\":\"wrong\"}", 401),
        ("{\"token\":\"\"}", 401),
        ("{}", 400),
        ("{\"token\":7}", 400),
        ("nonsense", 400),
    ] {
        let answer = login(body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{body}: {answer}");
        assert!(!answer.contains("set-cookie") && answer.contains("\"error\""), "{answer}");
    }
    let answer = login("{\"token\":\"secret-token\"}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let key = serde_json::from_str::<Value>(body).unwrap()["key"].as_str().unwrap().to_owned();
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert!(pair.starts_with(&format!("dataserver-{port}=")) && !pair.contains("secret"), "{pair}");
    let with = |cookie: &str| host.get(port, "/api/pipeline", &format!("cookie: {cookie}\r\n")).0;
    let named = |value: &str| with(&format!("dataserver-{port}={value}"));
    assert_eq!((with(pair), with(&format!("a=1; {pair}")), named("x")), (200, 200, 401));
    assert_eq!(named("secret-token"), 401, "the token is no cookie");
    assert_eq!(host.get(port, "/api/pipeline?token=secret-token", "").0, 400, "nor in an address");
    // the login acts, too, and not for a page of another site or for who has only its cookie, which
    // a browser also shows to other servers of this machine
    let line = "POST /api/components/day/pause";
    let login = format!("cookie: {pair}\r\nx-dataserver-key: {key}\r\n");
    assert_eq!(send(&host, port, line, &login, "").0, 200);
    assert_eq!(send(&host, port, line, &format!("cookie: {pair}\r\n"), "").0, 401);
    assert_eq!(send(&host, port, line, &format!("x-dataserver-key: {key}\r\n"), "").0, 401);
    let foreign = format!("{login}origin: http://evil.example\r\n");
    assert_eq!(send(&host, port, line, &foreign, "").0, 403);
    assert_eq!(send(&host, port, line, "", "").0, 401);
    // nor does it log out; with the login goes what it follows
    let (only_cookie, line) = (format!("cookie: {pair}\r\n"), "POST /api/logout");
    assert_eq!(send(&host, port, line, &only_cookie, "").0, 401);
    let mut followed = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    followed.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let events = format!("GET /api/events HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{only_cookie}\r\n");
    std::io::Write::write_all(&mut followed, events.as_bytes()).unwrap();
    let mut told = String::new();
    let mut lines = std::io::BufReader::new(followed);
    while !told.contains("event: pipeline") {
        assert!(std::io::BufRead::read_line(&mut lines, &mut told).unwrap() > 0, "{told}");
    }
    assert_eq!(send(&host, port, line, &login, "").0, 204);
    std::io::Read::read_to_string(&mut lines, &mut told).expect("the stream ends");
    assert_eq!(with(pair), 401, "who logged out is out");
    let kept = bench.read("data/audit.jsonl");
    let refused = kept.lines().filter(|line| line.contains("\"refused (401)\""));
    assert_eq!(refused.count(), 1, "once a minute: {kept}");
    assert!(kept.contains("\"refused (403)\""), "{kept}");
    host.signal("TERM");
    let run = host.wait();
    assert!(run.stderr.contains("somebody showed a token that is not this host's"));
    assert!(!run.stderr.contains("secret-token") && !run.stderr.contains(pair), "{}", run.stderr);
}

#[test]
fn a_host_that_is_only_looked_at_refuses_all_that_acts() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let text = |read_only: bool| {
        format!(
            "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\nread_only = {read_only}\n{ENDLESS}"
        )
    };
    bench.pipeline(&text(true));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    for path in [
        "/api/reload",
        "/api/reload?check=true",
        "/api/components/day/pause",
        "/api/components/day/resume",
        "/api/dead-letter/out/replay",
        "/api/spool/out/acknowledge",
    ] {
        let (code, body) = send(&host, port, &format!("POST {path}"), "", "");
        assert!(code == 403 && body.contains("`[host] read_only`"), "{path}: {code} {body}");
    }
    bench.run(&["pause", "day"]).assert(1, &["read_only"]);
    assert_eq!(pipeline(&host, port)["read_only"], true);
    assert_eq!(
        send(&host, port, "POST /api/login", "", "{\"token\":\"\"}").0,
        204,
        "no token is set"
    );
    let kept = bench.read("data/audit.jsonl");
    let is_refused = |line: &str| line.contains("\"outcome\":\"refused (403)\"");
    assert!(kept.lines().count() == 7 && kept.lines().all(is_refused), "{kept}");
    // its owner still has it by the signal
    bench.pipeline(&text(false));
    host.signal("HUP");
    host.wait_for_answer(port, "/api/pipeline", "\"read_only\":false");
    assert_eq!(send(&host, port, "POST /api/components/day/pause", "", "").0, 200);
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn what_is_asked_of_a_host_is_kept_with_who_asked() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let text = format!("[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n{ENDLESS}");
    bench.pipeline(&text);
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let post = |path: &str| send(&host, port, &format!("POST {path}"), "", "").0;
    assert_eq!(post("/api/components/day/pause"), 200);
    assert_eq!(post("/api/components/day/resume"), 200);
    assert_eq!(post("/api/components/nobody/pause"), 404, "which does nothing");
    assert_eq!(post("/api/reload?check=true"), 200, "nor does this");
    assert_eq!(post("/api/reload?check=yes"), 400);
    // what is misspelt does nothing
    let (code, body) = send(&host, port, "POST /api/reload?chekc=true", "", "");
    assert!(code == 400 && body.contains("did you mean `check`?"), "{code} {body}");
    assert_eq!(
        send(&host, port, "POST /api/components/day/pause", "", "{\"preview\":true}").0,
        400
    );
    bench.pipeline(&text.replace("[sinks.out]", "[sinks.out]\nnonsense = 1"));
    assert_eq!(post("/api/reload"), 422);
    let kept = bench.read("data/audit.jsonl");
    let lines: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            ["action", "target", "outcome"].map(|key| line[key].as_str().unwrap()).join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "pause day done",
            "resume day done",
            "reload  refused (400)",
            "reload  refused (400)",
            "pause day refused (400)",
            "reload  refused (422)"
        ]
    );
    for line in &lines {
        assert!(line["from"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
        assert!(line["time_us"].as_i64() > Some(1_600_000_000_000_000), "{line}");
    }
    host.signal("TERM");
    host.wait().assert(0, &["asked over the control interface", "action=\"pause\""]);
}

#[test]
fn a_plan_is_told_and_nothing_changed() {
    let (bench, port) = (Bench::new(&["faulty", "null"]), free_port());
    let text = format!("[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n{ENDLESS}");
    bench.pipeline(&text);
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let check = || {
        let (code, body) = send(&host, port, "POST /api/reload?check=true", "", "");
        let report: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
        assert_eq!(report["checked"], true, "{report:#}");
        (code, report)
    };
    let (code, report) = check();
    assert_eq!((code, &report["outcome"]), (200, &json!("unchanged")));
    bench.pipeline(&format!(
        "{}[sinks.more]\nplugin = \"null\"\ninputs = [\"day\"]\n",
        text.replace("pace = \"1ms\"", "pace = \"2ms\"")
    ));
    for _ in 0..2 {
        let (code, report) = check();
        assert_eq!((code, &report["outcome"]), (200, &json!("done")));
        let plan = &report["plan"];
        assert_eq!((&plan["added"], &plan["kept"]), (&json!(["more"]), &json!(["out"])));
        assert_eq!(plan["changed"], json!([{ "id": "day", "what": ["pace"] }]));
    }
    assert_eq!(pipeline(&host, port)["components"].as_array().unwrap().len(), 2);
    bench.pipeline(&text.replace("plugin = \"faulty\"\nbatches", "plugin = \"nobody\"\nbatches"));
    let (code, report) = check();
    assert_eq!((code, &report["outcome"]), (422, &json!("refused")));
    assert!(report["reason"].as_str().unwrap().contains("nobody"), "{report:#}");
    bench.pipeline(&text.replace("watch = false", "watch = false\ndata_dir = \"elsewhere\""));
    assert!(check().1["reason"].as_str().unwrap().contains("data_dir"));
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    assert!(!run.stderr.contains("reloaded"), "{}", run.stderr);
}
