//! Code that reads what the host writes, run as it stands on the pages.

use std::{fs, process::Command};

use harness::{Bench, ClickHouse, Redis, free_port, repository};

use super::{Block, Runner, blocks_for};

/// Runs Python code in a folder, and gives what it printed.
#[track_caller]
pub fn run(bench: &Bench, block: &Block, text: &str) -> String {
    let interpreter = repository().join("target/venv/bin/python");
    let ran = Command::new(interpreter)
        .args(["-c", text])
        .current_dir(bench.path(""))
        .env("PYTHONPATH", bench.path("generated"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{}: {told}\n{text}", block.place());
    String::from_utf8(ran.stdout).unwrap()
}

/// The quotes of the demo and bars of them in one lake, where the pages have it.
fn demo() -> Bench {
    let bench = Bench::with_links(&["replay", "parquet", "bars"]);
    let demo = fs::read_to_string(repository().join("config/demo.toml")).unwrap();
    let source = demo.find("[sources.morning]").unwrap()..demo.find("[sinks.feed]").unwrap();
    let samples = repository().join("config/samples");
    let source = demo[source].replace("\"samples/", &format!("\"{}/", samples.display()));
    bench.pipeline(&format!(
        "{source}\n[transforms.bars]\nplugin = \"bars\"\ninputs = [\"morning\"]\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"morning\", \"bars\"]\n\
         path = \"dist/current/data/demo/lake\"\n"
    ));
    bench.run(&["run"]).assert(0, &[]);
    assert!(bench.path("dist/current/data/demo/lake/kind=bar").is_dir());
    bench
}

#[test]
fn what_reads_the_lake_reads_quotes_alone_though_bars_lie_beside_them() {
    let bench = demo();
    for block in blocks_for(Runner::Lake) {
        let printed = run(&bench, &block, &block.text);
        if block.text.contains("pandas") {
            assert!(printed.contains("319.51"), "{}: {printed}", block.place());
            let whole = format!("{}\nprint(len(quotes), quotes.volume.notna().all())", block.text);
            let rows = run(&bench, &block, &whole);
            assert!(rows.trim_end().ends_with(" True"), "{}: {rows}", block.place());
        } else {
            // three libraries count the same
            let counts: Vec<&str> = printed.lines().collect();
            assert_eq!(counts.len(), 3, "{printed}");
            assert!(counts.iter().all(|it| *it == counts[0] && *it != "0"), "{printed}");
        }
    }
}

#[test]
fn what_subscribes_to_a_feed_prints_its_quotes() {
    let bench = Bench::with_links(&["faulty", "nng-pub"]);
    let flatc = repository().join("target/venv/bin/flatc");
    fs::create_dir(bench.path("generated")).unwrap();
    let made = Command::new(flatc)
        .args(["--python", "-o"])
        .arg(bench.path("generated"))
        .arg(repository().join("schemas/spot.fbs"))
        .status()
        .unwrap();
    assert!(made.success());
    for block in blocks_for(Runner::Feed) {
        let feed = format!("ipc://{}", bench.path("feed.ipc").display());
        bench.pipeline(&format!(
            "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 5\npace = \"5ms\"\n\
             [sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nlisten = [\"{feed}\"]\n"
        ));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        // it never ends: a hundred quotes are enough
        let text = block.text.replace("ipc:///tmp/hikyuu_real.ipc", &feed);
        let ends = "import builtins, os, sys\nshown = []\ndef print(*words):\n\
                    \x20   shown.append(words)\n    if len(shown) == 100:\n\
                    \x20       builtins.print(shown[-1]); sys.stdout.flush(); os._exit(0)\n";
        let printed = run(&bench, &block, &format!("{ends}{text}"));
        assert!(printed.contains("10.0"), "{}: {printed}", block.place());
        host.signal("TERM");
        host.wait();
    }
}

#[test]
fn what_asks_the_query_server_is_answered() {
    let bench = Bench::with_links(&["faulty", "hikyuu-server"]);
    for block in blocks_for(Runner::Queries) {
        let port = free_port();
        bench.pipeline(&format!(
            "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 5\npace = \"5ms\"\n\
             [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"day\"]\n\
             listen = \"tcp://127.0.0.1:{port}\"\n"
        ));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        let text = block.text.replace("9201", &port.to_string());
        let printed = run(&bench, &block, &text);
        assert!(printed.starts_with('{'), "{}: {printed}", block.place());
        host.signal("TERM");
        host.wait();
    }
}

#[test]
fn what_asks_clickhouse_is_answered_by_a_real_one() {
    let server = ClickHouse::start();
    let bench = Bench::with_links(&["faulty", "clickhouse"]);
    bench.pipeline(&format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 5\nrecords = 10\nsymbols = 10\n\
         [sinks.db]\nplugin = \"clickhouse\"\ninputs = [\"day\"]\nurl = \"{}\"\n",
        server.http_url()
    ));
    bench.run(&["run"]).assert(0, &[]);
    for block in blocks_for(Runner::ClickHouse) {
        server.query(&block.text);
        // the records of the test are of another day
        let text = block.text.replace("today()", "toDate('2000-01-01')");
        let rows = server.query(&text).lines().count();
        assert_eq!(rows, 10, "{}", block.place());
    }
}

#[test]
fn the_command_that_shows_the_newest_quote_in_redis_shows_one() {
    let server = Redis::start(&[]);
    let bench = Bench::with_links(&["faulty", "redis-stream"]);
    bench.pipeline(&format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 3\n\
         [sinks.out]\nplugin = \"redis-stream\"\ninputs = [\"day\"]\nurl = \"{}\"\n",
        server.url()
    ));
    bench.run(&["run"]).assert(0, &[]);
    for page in ["README.md", "README.zh-CN.md"] {
        let text = fs::read_to_string(repository().join(page)).unwrap();
        let commands: Vec<_> =
            text.split('`').filter_map(|part| part.strip_prefix("redis-cli ")).collect();
        assert!(!commands.is_empty(), "{page}");
        for command in commands {
            let answer = server.cli(&command.split_whitespace().collect::<Vec<_>>());
            assert!(answer.contains("symbol"), "{page}: {command}: {answer}");
        }
    }
}

#[test]
fn what_needs_hikyuu_is_python_at_least() {
    let bench = Bench::new(&[]);
    for block in blocks_for(Runner::Hikyuu) {
        // what stands between two calls is left out on the page
        let text = block.text.replace('…', "...");
        let parse = format!("import ast; ast.parse({:?})", text);
        run(&bench, &block, &parse);
    }
}
