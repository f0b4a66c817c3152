//! Secrets of a pipeline are shown nowhere, and data that a terminal would obey reaches none.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
};

use harness::{Bench, free_port, wait_until};
use serde_json::Value;

/// What must not be shown.
const SECRET: &str = "hunter2xyz";

fn assert_hidden(shown: &str) {
    assert!(!shown.contains(SECRET), "{shown}");
}

/// Runs commands that look at a pipeline, and fails when one of them shows the secret.
fn look_at(bench: &Bench) {
    let commands: [&[&str]; 6] = [
        &["check"],
        &["check", "--offline"],
        &["check", "--format", "json"],
        &["graph"],
        &["graph", "--format", "dot"],
        &["dead-letter", "ls"],
    ];
    for command in commands {
        let run = bench.run(command);
        assert_hidden(&run.stdout);
        assert_hidden(&run.stderr);
    }
}

#[test]
fn no_plugin_shows_what_its_address_holds_besides_the_way() {
    let dead = free_port();
    let bench = Bench::with_links(&[
        "clickhouse",
        "faulty",
        "hikyuu-server",
        "nng-pub",
        "nng-sub",
        "null",
        "qmt",
        "qq",
        "redis-stream",
    ]);
    let day = "[sources.day]\nplugin = \"faulty\"\nbatches = 100000\npace = \"10ms\"\n";
    let sink = |text: String| format!("{day}[sinks.x]\ninputs = [\"day\"]\n{text}\n");
    let source = |text: String| {
        format!("[sources.x]\n{text}\n[sinks.end]\nplugin = \"null\"\ninputs = [\"x\"]\n")
    };
    let at = format!("u:{SECRET}@127.0.0.1:{dead}");
    let query = format!("127.0.0.1:{dead}/?user=u&password={SECRET}");
    let pipelines = [
        sink(format!("plugin = \"clickhouse\"\nurl = \"http://{query}\"")),
        sink(format!("plugin = \"clickhouse\"\nurl = \"http://{at}\"")),
        sink(format!("plugin = \"clickhouse\"\nurl = \"htp:/{at}\"")),
        sink(format!(
            "plugin = \"clickhouse\"\nurl = \"http://127.0.0.1:{dead}\"\npassword = \"{SECRET}\""
        )),
        sink(format!("plugin = \"redis-stream\"\nurl = \"redis://{at}\"")),
        sink(format!("plugin = \"redis-stream\"\nurl = \"rdis://{at}\"")),
        sink(format!("plugin = \"nng-pub\"\nlisten = [\"tcp://{at}\"]")),
        sink(format!("plugin = \"nng-pub\"\nlisten = [\"tls://{at}\"]")),
        sink(format!("plugin = \"hikyuu-server\"\nlisten = \"tcp://{at}\"")),
        source(format!("plugin = \"nng-sub\"\ndial = \"tcp://{at}\"")),
        source(format!("plugin = \"nng-sub\"\ndial = \"ws://{query}\"")),
        source(format!("plugin = \"redis-stream\"\nurl = \"redis://{at}\"\ngroup = \"g\"")),
        source(format!("plugin = \"qq\"\nsymbols = [\"sh600000\"]\nurl = \"http://{at}/q=\"")),
        source(format!("plugin = \"qq\"\nsymbols = [\"sh600000\"]\nurl = \"htp:/{at}/q=\"")),
        source(format!("plugin = \"qq\"\nsymbols = [\"sh600000\"]\nproxy = \"http://{at}\"")),
        source(format!("plugin = \"qq\"\nsymbols = [\"sh600000\"]\nproxy = \"htp//{at}\"")),
        source(format!("plugin = \"qmt\"\nconnect = \"ws://{at}/ws\"\nsymbols = [\"SH\"]")),
        source(format!("plugin = \"qmt\"\nconnect = \"ws://{query}\"\nsymbols = [\"SH\"]")),
        source(format!("plugin = \"qmt\"\nlisten = \"tcp//{at}\"\ntoken = \"{SECRET}\"")),
    ];
    for pipeline in pipelines {
        let port = free_port();
        bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\n{pipeline}"));
        look_at(&bench);
        let mut host = bench.spawn(&["run", "--log-level", "debug"]);
        // either it does not start, or it runs and says that what it needs is away
        let complains = |log: &str| log.contains("WARN") || log.contains("ERROR");
        let runs = |log: &str| log.contains("the pipeline runs");
        wait_until("it ends, or runs and complains", || {
            host.has_ended() || complains(&host.log()) && runs(&host.log())
        });
        if !host.has_ended() {
            for path in ["/health", "/api/pipeline", "/metrics"] {
                assert_hidden(&host.get(port, path, "").1);
            }
            host.signal("TERM");
            host.signal("TERM");
        }
        let run = host.wait();
        assert_hidden(&run.stdout);
        assert_hidden(&run.stderr);
    }
}

#[test]
fn a_file_that_is_wrong_shows_no_secret_in_any_answer() {
    let (bench, port) = (Bench::new(&["faulty", "null"]), free_port());
    let components = "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\npace = \"5ms\"\n\
                      [sinks.end]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    let good = format!("[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n{components}");
    bench.pipeline(&good);
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let wrong: [String; 7] = [
        format!("{good}password = {SECRET}\n"),
        format!("{good}password = \"{SECRET}\"\npassword = \"{SECRET}\"\n"),
        format!("{good}pasword = \"{SECRET}\"\n"),
        format!("{good}pwd = '{SECRET}\n"),
        format!("{good}# api_key: {SECRET}\nx\n"),
        format!("{good}url = \"http://h/?user=a&password={SECRET}\"\n"),
        format!("{good}auth = {{ x = [\"{SECRET}\",\n"),
    ];
    for text in wrong {
        bench.pipeline(&text);
        look_at(&bench);
        let (code, report) = host.reload(port);
        assert_eq!(code, 422);
        assert_hidden(&report.to_string());
        bench.write("pipeline.toml", [text.as_bytes(), b"\xff\n"].concat());
        look_at(&bench);
        assert_hidden(&host.reload(port).1.to_string());
    }
    host.signal("TERM");
    assert_hidden(&host.wait().stderr);
}

#[test]
fn the_pipeline_of_a_command_is_printed_without_the_password_of_its_proxy_and_run_with_it() {
    let bench = Bench::with_links(&["qq", "nng-pub"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://fred:{SECRET}@{}", listener.local_addr().unwrap());
    let plugins = bench.path("plugins").display().to_string();
    let feed = format!("ipc://{}", bench.path("feed.ipc").display());
    let data = bench.path("data").display().to_string();
    let ini = bench.write("hikyuu.ini", "[hikyuu]\n").display().to_string();
    bench.write("symbols.txt", "sh600000\n");
    let symbols = bench.path("symbols.txt").display().to_string();
    let given = [
        "collect",
        "--proxy",
        &proxy,
        "--plugins",
        &plugins,
        "--server",
        &feed,
        "--ipc",
        "",
        "--data-dir",
        &data,
        "--phase1",
        "0:00-0:00",
        "--phase2",
        "0:00-0:00",
        "--ini",
        &ini,
        "--symbols_file",
        &symbols,
        "--seconds",
        "1",
    ];
    let printed = bench.run(&[given.as_slice(), &["--print-config"]].concat());
    printed.assert(0, &["proxy = \"${HIKYUU_PROXY}\""]);
    assert_hidden(&printed.stdout);
    let host = bench.spawn(&given);
    let asked = listener.accept().unwrap().0;
    let head = BufReader::new(asked).lines().map(Result::unwrap).take_while(|it| !it.is_empty());
    let head: Vec<_> = head.collect();
    // fred:hunter2xyz in Base64
    assert!(head.iter().any(|line| line.contains("ZnJlZDpodW50ZXIyeHl6")), "{head:?}");
    host.signal("TERM");
    host.signal("TERM");
    let run = host.wait();
    assert_hidden(&run.stdout);
    assert_hidden(&run.stderr);
}

/// Rows that a terminal would obey: its title, its screen, what is written back, the direction.
const HOSTILE: &str = "symbol,time,close\n\
    600000.SH,2021-12-01 09:30:00,\u{1b}]0;owned\u{7}\n\
    600000.SH,2021-12-01 09:30:00,\u{9b}2J\u{202e}8.5\u{7f}\u{2066}\n\
    \u{1b}[31m浦发\u{200b},2021-12-01 09:30:00,8.5\n\
    600000.SH,2021-12-01 09:30:03,8.56\n";

#[test]
fn data_that_a_terminal_would_obey_is_written_out() {
    let bench = Bench::with_links(&["replay", "console"]);
    bench.write("day.csv", HOSTILE);
    bench.pipeline(
        "[sources.day]\nplugin = \"replay\"\npath = \"day.csv\"\nspeed = 0.0\n\
         [sinks.screen]\nplugin = \"console\"\ninputs = [\"day\"]\n",
    );
    let commands: [&[&str]; 6] = [
        &["run"],
        &["run", "--log-format", "json"],
        &["dead-letter", "ls"],
        &["dead-letter", "ls", "--format", "json"],
        &["dead-letter", "show", "day"],
        &["dead-letter", "show", "day", "--format", "json"],
    ];
    for command in commands {
        let run = bench.run(command);
        for shown in [&run.stdout, &run.stderr] {
            let bad: Vec<char> =
                shown.chars().filter(|c| plugin_api::terminal::is_unsafe(*c)).collect();
            assert!(bad.is_empty(), "{command:?}: {bad:?} in {shown}");
        }
    }
    let shown = bench.run(&["dead-letter", "show", "day"]);
    shown.assert(0, &["\\x1b]0;owned\\x07", "\\u{202e}", "浦发"]);
    let shown = bench.run(&["dead-letter", "show", "day", "--format", "json"]);
    let letters: Value = serde_json::from_str(&shown.assert(0, &[]).stdout).unwrap();
    assert!(letters.to_string().contains("\\u001b]0;owned"), "it means the same");
}
