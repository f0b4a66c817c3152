//! A plugin that panics, fails or hangs harms its own component alone.

use harness::{Bench, Host, Run, free_port};

/// A source, a sound sink that logs what it gets, and a component that fails as told.
fn pipeline(source: &str, transform: &str, sink: &str) -> String {
    format!(
        "[host]\ndrain_timeout = \"3s\"\nstuck_after = \"300ms\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 40\nrecords = 5\nsymbols = 5\n{source}\n\
         [transforms.middle]\nplugin = \"faulty\"\ninputs = [\"day\"]\n{transform}\n\
         [sinks.sound]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"sound.log\"\n\
         [sinks.last]\nplugin = \"faulty\"\ninputs = [\"middle\"]\nlog = \"last.log\"\n{sink}\n"
    )
}

/// Runs it; every record must reach both sinks, in order and once.
fn run_without_loss(text: &str) -> Run {
    let bench = Bench::new(&["faulty"]);
    let run = bench.pipeline(text).run(&["run"]);
    run.assert(0, &[]);
    let all: Vec<u64> = (1..=200).collect();
    assert_eq!(bench.sequences("sound.log"), all);
    assert_eq!(bench.sequences("last.log"), all);
    run
}

const ONCE: &str = "counter = \"counter\"\ntimes = 1";

#[test]
fn a_transform_that_fails_once_in_any_way_loses_nothing() {
    for how in ["panic", "fatal", "retry"] {
        let run = run_without_loss(&pipeline(
            "",
            &format!("call = \"apply\"\nhow = \"{how}\"\nafter = 7\n{ONCE}"),
            "",
        ));
        run.assert(0, &["middle", "told to fail in apply"]);
        assert_eq!(run.summary("middle", "errors"), 1);
    }
}

#[test]
fn a_sink_that_fails_once_in_any_call_loses_nothing() {
    for (call, how) in [
        ("open", "retry"),
        ("write", "panic"),
        ("write", "fatal"),
        ("write", "retry"),
        ("flush", "panic"),
        ("flush", "retry"),
        ("close", "panic"),
        ("close", "fatal"),
        ("drop", "panic"),
    ] {
        let run = run_without_loss(&pipeline(
            "",
            "",
            &format!("call = \"{call}\"\nhow = \"{how}\"\n{ONCE}"),
        ));
        if call != "drop" {
            run.assert(0, &["last", &format!("told to fail in {call}")]);
        }
    }
}

#[test]
fn what_a_failed_sink_held_is_offered_again() {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(&pipeline(
        "",
        "",
        &format!(
            "hold = true\ncall = \"write\"\nhow = \"panic\"\nafter = 3\n{ONCE}\n\
             [sinks.last.batch]\nmax_records = 5"
        ),
    ));
    bench.run(&["run"]).assert(0, &["told to fail in write"]);
    let written = bench.sequences("last.log");
    // the three groups before the panic were held, not safe: the next instance got them first
    let all: Vec<u64> = (1..=15).chain(1..=200).collect();
    assert_eq!(written, all);
}

#[test]
fn a_failed_instance_is_gone_before_the_next_one_opens() {
    for call in ["apply", "write", "flush"] {
        let fails =
            format!("lock = \"lock\"\ncall = \"{call}\"\nhow = \"fatal\"\nafter = 0\n{ONCE}");
        let text = match call {
            "apply" => pipeline("", &fails, ""),
            _ => pipeline("", "", &fails),
        };
        let run = run_without_loss(&text);
        assert!(!run.stderr.contains("File exists"), "{call}: {}", run.stderr);
    }
}

#[test]
fn a_held_record_that_is_called_bad_at_the_flush_is_set_aside_alone() {
    let bench = Bench::new(&["faulty"]);
    let fails = "hold = true\nbad_flush = 42\n[sinks.last.batch]\nmax_records = 5";
    let run = bench.pipeline(&pipeline("", "", fails)).run(&["run"]);
    run.assert(0, &["last", "record 42"]);
    assert_eq!((run.summary("last", "out"), run.summary("last", "dropped")), (199, 1));
    let written: std::collections::BTreeSet<u64> =
        bench.sequences("last.log").into_iter().collect();
    assert_eq!(written.len(), 200);
}

#[test]
fn a_sink_that_gave_up_on_a_batch_is_healthy_again() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let fails = "call = \"write\"\nhow = \"retry\"\ncounter = \"counter\"\ntimes = 2\n\
         batch = { max_records = 5 }\nretry = { max_attempts = 2, backoff = \"1ms..1ms\" }";
    let text = pipeline("pace = \"20ms\"", "", fails).replace("batches = 40", "batches = 100000");
    bench.pipeline(&text.replace("[host]\n", &format!("[host]\nhttp = \"127.0.0.1:{port}\"\n")));
    let host = bench.start();
    host.wait_for_answer(port, "/metrics", "reason=\"dead_letter\"} 5");
    host.wait_for_answer(port, "/health", "\"status\":\"healthy\"");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn a_bad_record_is_set_aside_alone_and_the_others_get_through() {
    let bench = Bench::new(&["faulty"]);
    let run = bench.pipeline(&pipeline("", "", "bad_record = 42")).run(&["run"]);
    run.assert(0, &["last", "bad data: record 42"]);
    let expected: Vec<u64> = (1..=200).filter(|sequence| *sequence != 42).collect();
    assert_eq!(bench.sequences("last.log"), expected);
    assert_eq!(run.summary("last", "dropped"), 1);
    let letters = std::fs::read_dir(bench.path("data/dead-letter/last")).unwrap();
    let text: String =
        letters.map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap()).collect();
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("record 42") && text.contains("base64"), "{text}");
}

#[test]
fn a_batch_that_breaks_every_instance_is_set_aside() {
    let bench = Bench::new(&["faulty"]);
    let text = pipeline(
        "",
        "call = \"apply\"\nhow = \"panic\"\nafter = 0\ncounter = \"counter\"\ntimes = 3",
        "",
    );
    let run = bench.pipeline(&text).run(&["run"]);
    run.assert(0, &["middle", "panicked: told to fail in apply"]);
    assert_eq!(bench.sequences("last.log"), (6..=200).collect::<Vec<_>>());
    assert_eq!(run.summary("middle", "dropped"), 5);
}

#[test]
fn a_source_that_fails_is_opened_again_or_goes_on() {
    for how in ["retry", "bad_data"] {
        let fails = format!("call = \"next\"\nhow = \"{how}\"\nafter = 10\n{ONCE}");
        run_without_loss(&pipeline(&fails, "", "")).assert(0, &["day", "told to fail in next"]);
    }
    let bench = Bench::new(&["faulty"]);
    let fails = format!("call = \"next\"\nhow = \"panic\"\nafter = 10\n{ONCE}");
    bench
        .pipeline(&pipeline(&fails, "", ""))
        .run(&["run"])
        .assert(0, &["panicked: told to fail in next"]);
    // a new instance of this source starts at its beginning
    assert_eq!(bench.sequences("sound.log"), (1..=50).chain(1..=200).collect::<Vec<_>>());
}

#[test]
fn a_component_told_to_stop_ends_the_host_with_code_1() {
    let bench = Bench::new(&["faulty"]);
    let fails = "on_failure = \"stop\"\ncall = \"write\"\nhow = \"panic\"\nafter = 2\nbatch = { max_records = 5 }";
    bench
        .pipeline(&pipeline("", "", fails))
        .run(&["run"])
        .assert(1, &["last failed", "told to fail in write"]);
}

#[test]
fn options_that_a_plugin_refuses_and_faults_at_the_start_end_the_start() {
    for (how, code) in [("config", 78), ("fatal", 1), ("panic", 1)] {
        let bench = Bench::new(&["faulty"]);
        let fails = format!("call = \"open\"\nhow = \"{how}\"");
        bench
            .pipeline(&pipeline("", "", &fails))
            .run(&["run"])
            .assert(code, &["last", "told to fail in open"]);
    }
}

/// Starts a host in which the sink `last` never returns from `write`.
fn blocked(bench: &Bench, port: u16) -> Host {
    let text = pipeline(
        "",
        "",
        "call = \"write\"\nhow = \"block\"\nafter = 1\nbatch = { max_records = 5 }",
    );
    bench.pipeline(&text.replace("[host]\n", &format!("[host]\nhttp = \"127.0.0.1:{port}\"\n")));
    bench.start()
}

#[test]
fn a_sink_that_never_returns_is_named_and_left_behind() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let host = blocked(&bench, port);
    let log = host.wait_for("stuck");
    assert!(log.contains("last") && log.contains("write"), "{log}");
    let (code, health) = host.get(port, "/health", "");
    assert_eq!(code, 503);
    assert!(health.contains(r#""state":"stuck""#), "{health}");
    host.signal("TERM");
    let run = host.wait();
    run.assert(1, &["last did not end in time and was left behind", "records were not delivered"]);
    assert!(run.elapsed.as_secs() < 20, "{:?}", run.elapsed);
    assert_eq!(bench.sequences("sound.log"), (1..=200).collect::<Vec<_>>(), "its sibling has all");
}

#[test]
fn a_second_signal_ends_at_once() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let host = blocked(&bench, port);
    host.wait_for("stuck");
    host.signal("INT");
    host.wait_for("delivering the rest");
    host.signal("INT");
    host.wait().assert(1, &["ending at once", "last did not end in time"]);
}

#[test]
fn a_plugin_that_never_opens_does_not_hide_what_another_one_refuses() {
    let bench = Bench::new(&["faulty"]);
    let text =
        pipeline("", "call = \"open\"\nhow = \"block\"", "call = \"open\"\nhow = \"config\"");
    bench.pipeline(&text.replace("\"3s\"", "\"100ms\""));
    bench.run(&["run"]).assert(78, &["last: told to fail in open"]);
}

#[test]
fn a_plugin_that_never_opens_is_named_and_a_signal_still_ends_the_host() {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(
        &pipeline("", "", "call = \"open\"\nhow = \"block\"").replace("\"3s\"", "\"100ms\""),
    );
    let host = bench.start();
    let log = host.wait_for("stuck");
    assert!(log.contains("last") && log.contains("open"), "{log}");
    host.signal("TERM");
    host.wait().assert(1, &["last did not end in time and was left behind"]);
}

#[test]
fn a_server_that_is_away_is_not_waited_for_when_there_is_nothing_to_deliver() {
    let bench = Bench::new(&["faulty"]);
    let text =
        pipeline("", "", "call = \"open\"\nhow = \"retry\"").replace("batches = 40", "batches = 0");
    bench.pipeline(&text);
    bench.run(&["run"]).assert(0, &["last", "told to fail in open"]);
}

#[test]
fn a_second_host_on_the_same_address_sends_nothing() {
    let bench = Bench::new(&["faulty"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let http = format!("[host]\nhttp = \"{}\"\n", taken.local_addr().unwrap());
    bench.pipeline(&pipeline("", "", "").replace("[host]\n", &http));
    bench.run(&["run"]).assert(1, &["ss -ltnp"]);
    assert_eq!(bench.sequences("sound.log"), [0; 0]);
}
