//! Starts that do not go as they should, and what reaches a host in the middle of one.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    thread,
    time::Duration,
};

use harness::{Bench, free_port, wait_until};

const DAY: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"20ms\"\n\
     [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"out.log\"\n";

/// A server that answers one byte a second, whatever it is asked.
fn dripping() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let _ = stream.set_nonblocking(true);
                let mut bytes = [0; 1024];
                while stream.write_all(b"+").is_ok() {
                    let _ = stream.read(&mut bytes);
                    thread::park_timeout(Duration::from_secs(1));
                }
            });
        }
    });
    port
}

#[test]
fn a_store_that_is_slow_to_open_keeps_neither_the_others_nor_health_from_starting() {
    let drips = format!(
        "plugin = \"redis-stream\"\nurl = \"redis://127.0.0.1:{}\"\ntimeout = \"20s\"\n",
        dripping()
    );
    let blocks = "plugin = \"faulty\"\ncall = \"open\"\nhow = \"block\"\nbuffer.type = \"disk\"\n";
    for slow in [drips.as_str(), blocks] {
        let (bench, port) = (Bench::new(&["faulty", "redis-stream"]), free_port());
        bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{port}\"\ndrain_timeout = \"1s\"\n{DAY}\
             [sinks.slow]\ninputs = [\"day\"]\n{slow}"
        ));
        let host = bench.start();
        // at once, and before anything has begun
        let health = host.wait_for_answer(port, "/health", "\"slow\"");
        assert!(health.contains("\"status\":\"starting\""), "{health}");
        host.wait_for("it is slow to open");
        let log = host.wait_for("the pipeline runs");
        assert!(log.contains("component=\"slow\""), "{log}");
        wait_until("its sibling gets nothing", || bench.sequences("out.log").len() > 20);
        // what comes for it waits on disk
        wait_until("its spool is empty", || {
            host.metric(port, "dataserver_buffer_records", "component=\"slow\"") > 20.0
        });
        assert_eq!(host.get(port, "/health", "").0, 503);
        host.signal("TERM");
        host.wait();
    }
}

#[test]
fn what_is_slow_to_open_and_then_refuses_is_tried_again_and_takes_what_has_waited() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    // fails when it opens, and is asked again; the first refusal comes too late to end the start
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n{}\
         [sinks.slow]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"slow.log\"\n\
         open_delay = \"4s\"\ncall = \"open\"\nhow = \"config\"\ncounter = \"counter\"\ntimes = 1\n",
        DAY.replace("1000000", "300")
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    host.wait_for("told to fail in open");
    let run = host.wait();
    run.assert(0, &[]);
    assert_eq!(bench.sequences("slow.log"), (1..=300).collect::<Vec<_>>());
}

#[test]
fn a_signal_that_comes_while_plugins_are_loaded_is_heard() {
    // several and large ones, which take a moment to load; nobody listens on port 1
    let stores = "[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"lake\"\n\
         [sinks.table]\nplugin = \"clickhouse\"\ninputs = [\"day\"]\nurl = \"http://127.0.0.1:1\"\n\
         [sinks.stream]\nplugin = \"redis-stream\"\ninputs = [\"day\"]\nurl = \"redis://127.0.0.1:1\"\n";
    for signals in [&["HUP", "TERM"][..], &["TERM"], &["INT"]] {
        let bench = Bench::with_links(&["faulty", "parquet", "clickhouse", "redis-stream"]);
        bench.pipeline(&format!(
            "{DAY}[sources.unread]\nplugin = \"faulty\"\nbatches = 1\n{stores}"
        ));
        let host = bench.start();
        // what looks wrong with the file is said before its plugins are loaded
        host.wait_for("unread");
        signals.iter().for_each(|signal| host.signal(signal));
        let run = host.wait();
        assert_ne!(run.code, -1, "{signals:?} ended it:\n{}", run.stderr);
    }
}

#[test]
fn what_is_no_regular_file_is_named_and_freezes_nothing() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let made = |name: &str| {
        assert!(Command::new("mkfifo").arg(bench.path(name)).status().unwrap().success());
    };
    made("pipe");
    std::fs::create_dir(bench.path("folder")).unwrap();
    std::fs::File::create(bench.path("huge")).unwrap().set_len(1 << 40).unwrap();
    for (file, said) in [
        ("pipe", "a named pipe"),
        ("folder", "a folder"),
        ("/dev/zero", "a device"),
        ("huge", "larger than 4 MiB"),
    ] {
        for command in ["check", "run", "reload"] {
            bench.run(&[command, "-c", file]).assert(78, &["cannot read the pipeline", said]);
        }
    }
    bench.run(&["collect", "--ini", "pipe"]).assert(78, &["a named pipe"]);
    bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{port}\"\ndrain_timeout = \"2s\"\n{DAY}"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    std::fs::remove_file(bench.path("pipeline.toml")).unwrap();
    made("pipeline.toml");
    let (code, report) = host.reload(port);
    assert_eq!(code, 422, "{report}");
    assert!(report["reason"].as_str().unwrap().contains("a named pipe"), "{report}");
    host.signal("HUP");
    wait_until("SIGHUP is not heard", || host.log().matches("a named pipe").count() > 1);
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn what_is_no_regular_file_where_a_plugin_reads_one_is_named() {
    let bench = Bench::new(&["faulty", "nng-pub", "null", "qq", "redis-stream"]);
    assert!(Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap().success());
    let sink = "[sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    for file in ["pipe", "/dev/zero"] {
        let source = |options: &str| format!("[sources.day]\n{options}\n{sink}");
        let bus = format!(
            "[sources.day]\nplugin = \"faulty\"\n[sinks.bus]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\n\
             listen = [\"tls+tcp://127.0.0.1:0\"]\ntls = {{ cert = \"{file}\", key = \"{file}\" }}\n"
        );
        for pipeline in [
            bus,
            source(&format!("plugin = \"qq\"\nsymbols_file = \"{file}\"")),
            source(&format!("plugin = \"qq\"\nholidays_file = \"{file}\"")),
            source(&format!("plugin = \"qq\"\nsymbols = {{ hikyuu = \"{file}\" }}")),
            source(&format!(
                "plugin = \"redis-stream\"\nurl = \"rediss://127.0.0.1:1\"\nstream = \"s\"\n\
                 group = \"g\"\ntls_ca = \"{file}\""
            )),
        ] {
            bench.pipeline(&pipeline);
            bench.run(&["check"]).assert(78, &["no regular file"]);
        }
    }
}

#[test]
fn two_hosts_never_share_a_data_folder_also_when_nothing_waits_there() {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(DAY);
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let other = format!("[host]\n{}", DAY.replace("out.log", "other.log"));
    bench.write("other.toml", &other);
    bench.run(&["run", "-c", "other.toml"]).assert(1, &["is used by another host", "data_dir"]);
    assert!(bench.sequences("other.log").is_empty());
    bench.write("apart.toml", other.replace("[host]\n", "[host]\ndata_dir = \"apart\"\n"));
    let apart = bench.spawn(&["run", "-c", "apart.toml"]);
    apart.wait_for("the pipeline runs");
    for host in [host, apart] {
        host.signal("TERM");
        host.wait().assert(0, &[]);
    }
}

#[test]
fn a_check_finds_what_a_run_cannot_work_with() {
    let bench = Bench::new(&["faulty"]);
    let id = "x".repeat(300);
    for (text, said) in [
        (DAY.replace("sinks.out", &format!("sinks.{id}")), "an id of 300 characters is too long"),
        (
            format!("[host]\nhttp = \"127.0.0.1:1\"\ntoken = \"a\\nb\"\n{DAY}"),
            "`token` cannot be sent",
        ),
        (
            format!("[host]\nhttp = \"127.0.0.1:1\"\ntoken = \"a\\u0000\"\n{DAY}"),
            "`token` cannot be sent",
        ),
        (
            format!("[host]\nhttp = \"127.0.0.1:1\"\ntoken = \" a\"\n{DAY}"),
            "`token` cannot be sent",
        ),
    ] {
        bench.pipeline(&text);
        bench.run(&["check", "--offline"]).assert(78, &[said]);
        bench.run(&["run"]).assert(78, &[said]);
    }
    // what a name of a file can hold runs
    let id = "x".repeat(255);
    bench.pipeline(&format!(
        "{}buffer.type = \"disk\"\n",
        DAY.replace("1000000", "10").replace("sinks.out", &format!("sinks.{id}"))
    ));
    bench.run(&["check", "--offline"]).assert(0, &[]);
    bench.run(&["run"]).assert(0, &[]);
    assert_eq!(bench.sequences("out.log"), (1..=10).collect::<Vec<_>>());
}

#[test]
fn the_limit_of_open_files_is_raised_and_one_that_is_too_low_is_named() {
    let bench = Bench::new(&["faulty", "nng-pub"]);
    let feed = "[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nmax_subscribers = 4096\n";
    let feed = format!("{feed}listen = [\"tcp://127.0.0.1:{}\"]\n", free_port());
    bench.pipeline(&format!("{}{feed}", DAY.replace("1000000", "3")));
    let run = |limits: &str| {
        let program = harness::program();
        let command = format!("{limits}; exec {} --log-level debug run", program.display());
        let mut shell = Command::new("sh");
        let run = shell.args(["-c", &command]).current_dir(bench.path("")).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        String::from_utf8_lossy(&run.stderr).into_owned()
    };
    let log = run("ulimit -Sn 100; ulimit -Hn 512");
    assert!(log.contains("raised the limit of open files limit=Some(512)"), "{log}");
    assert!(log.contains("may need") && log.contains("4128 of them feed"), "{log}");
    let log = run("ulimit -Sn 100; ulimit -Hn 8192");
    assert!(!log.contains("may need"), "{log}");
}
