//! What fails leaves everything as it was.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{DAY, Running, assert_row, assert_whole, sink, transform};

/// Every record reaches both sinks, whatever was tried in between.
fn all_goes_on(running: Running) {
    for log in ["a.log", "b.log"] {
        running.wait_for_more(log);
    }
    let (bench, run) = running.end();
    run.assert(0, &["goes on as it was"]);
    assert_whole(&bench, &run, "a.log");
    assert_whole(&bench, &run, "b.log");
}

fn two_ways(a: &str, middle: &str) -> String {
    format!(
        "{DAY}{}{}{}",
        transform("middle", "day", middle),
        sink("a", "day", a),
        sink("b", "middle", "")
    )
}

#[test]
fn a_file_with_faults_changes_nothing_and_says_where_they_are() {
    let running = Running::start(&["faulty"], &two_ways("", ""));
    for (components, code, text) in [
        ("[sinks.a\n", 422, "pipeline.toml:5"),
        ("[sinks.a]\nplugin = \"fualty\"\n", 422, "did you mean \\\"faulty\\\""),
        (&*two_ways("no_such = 1", ""), 422, "no_such"),
        (&*two_ways("buffer = { type = \"disk\" }", ""), 422, "`buffer.type` cannot change"),
    ] {
        let (status, report) = running.reload(components);
        assert_eq!((status, &report["outcome"]), (code, &json!("refused")), "{report:#}");
        assert!(report.to_string().contains(text), "{text} is not in {report:#}");
    }
    let other = running.bench.read("pipeline.toml").replace("[host]", "[host]\ndata_dir = \"x\"");
    running.bench.pipeline(&other);
    let (_, report) = running.host.reload(running.port);
    assert!(report["reason"].as_str().unwrap().contains("data_dir"), "{report:#}");
    all_goes_on(running);
}

#[test]
fn an_instance_that_does_not_open_leaves_the_one_before_it_at_work() {
    let running = Running::start(&["faulty"], &two_ways("", ""));
    for how in ["config", "fatal", "panic"] {
        let fails = format!("call = \"open\"\nhow = \"{how}\"");
        for components in [
            two_ways(&fails, ""),
            two_ways("", &fails),
            // a new component beside a changed one
            format!("{}{}", two_ways("delay = \"1ms\"", ""), sink("c", "day", &fails)),
            DAY.to_owned() + &two_ways("", "").replace(DAY, "") + &sink("c", "day", &fails),
        ] {
            let (code, report) = running.reload(&components);
            assert!(code == 422 || code == 409, "{code} {report:#}");
            let reason = report["reason"].as_str().unwrap();
            assert!(reason.contains("told to fail in open"), "{reason}");
        }
    }
    all_goes_on(running);
}

#[test]
fn a_source_that_cannot_hand_over_or_take_over_is_not_replaced() {
    let before = two_ways("", "");
    let running = Running::start(&["faulty"], &before);
    for call in ["import_state", "open"] {
        let fails = format!("pace = \"1ms\"\ncall = \"{call}\"\nhow = \"fatal\"");
        let (code, report) = running.reload(&before.replace("pace = \"1ms\"", &fails));
        assert_eq!((code, &report["outcome"]), (409, &json!("failed")), "{report:#}");
        running.wait_for_more("a.log");
    }
    all_goes_on(running);
}

#[test]
fn a_sink_whose_successor_fails_takes_its_port_or_lock_again() {
    let locked = "lock = \"lock\"";
    let running = Running::start(&["faulty"], &two_ways(locked, ""));
    running.must_reload(&two_ways("lock = \"lock\"\ndelay = \"1ms\"", ""));
    running.wait_for_more("a.log");
    let fails = "lock = \"lock\"\ncall = \"open\"\nhow = \"fatal\"";
    let (code, report) = running.reload(&two_ways(fails, ""));
    assert_eq!(code, 409, "{report:#}");
    all_goes_on(running);
}

#[test]
fn what_was_replaced_before_a_later_step_failed_is_put_back() {
    let running = Running::start(&["faulty"], &two_ways("", ""));
    // the transform is replaced last, and fails when it takes over from the sink's turn on
    let (code, report) =
        running.reload(&two_ways("delay = \"2ms\"", "call = \"open\"\nhow = \"fatal\""));
    assert_eq!(code, 409, "{report:#}");
    let (_, pipeline) = running.host.get(running.port, "/api/pipeline", "");
    assert!(!pipeline.contains("failed"), "{pipeline}");
    all_goes_on(running);
}

/// A sink on disk whose server never comes, and how long a reload took.
const DEAD: &str = "buffer = { type = \"disk\" }\ncall = \"write\"\nhow = \"retry\"\n";

#[test]
fn a_dead_sink_holds_no_reload_up_and_leaves_its_records_on_disk() {
    let without = format!("{DAY}{}", sink("a", "day", ""));
    let with = |dead: &str| format!("{without}{}", sink("dead", "day", dead));
    let running = Running::start(&["faulty"], &with(DEAD));
    running.wait_for_lines("a.log", 100);
    let since = Instant::now();
    running.must_reload(&format!("{}{}", with(DEAD), sink("c", "day", "")));
    running.must_reload(&with(&format!("{DEAD}retry = {{ backoff = \"1s..2s\" }}")));
    running.must_reload(&without);
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    running.host.wait_for("its records wait on disk");
    running.wait_for_more("a.log");
    // the server is there again
    running.must_reload(&with("buffer = { type = \"disk\" }\n"));
    running.wait_for_lines("dead.log", 100);
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
    let dead = bench.sequences("dead.log");
    let gap = dead.windows(2).position(|pair| pair[1] != pair[0] + 1).unwrap();
    assert_row(&dead[..=gap], 1, gap as u64 + 1, "dead.log before it was removed");
    let after = &dead[gap + 1..];
    assert_row(after, after[0], run.summary("day", "out"), "dead.log after it came again");
}

#[test]
fn a_dead_sink_in_memory_that_holds_everybody_up_can_be_removed() {
    let blocking = "buffer = { max_bytes = \"64KiB\" }\ncall = \"write\"\nhow = \"retry\"\n";
    let without = format!("{DAY}{}", sink("a", "day", ""));
    let running =
        Running::start(&["faulty"], &format!("{without}{}", sink("dead", "day", blocking)));
    running.host.wait_for_answer(running.port, "/metrics", "by=\"dead\"");
    running.must_reload(&without);
    running.wait_for_more("a.log");
    let (bench, run) = running.end();
    run.assert(0, &["removed"]);
    assert_whole(&bench, &run, "a.log");
}

#[test]
fn a_plugin_that_does_not_come_back_fails_the_reload_in_time_and_stays() {
    let stuck = "call = \"apply\"\nhow = \"block\"\nafter = 20\n";
    let running = Running::start(&["faulty"], &two_ways("", stuck));
    running.wait_for_lines("b.log", 100);
    let since = Instant::now();
    let (code, report) = running.reload(&two_ways("", &stuck.replace("20", "21")));
    assert_eq!(code, 409, "{report:#}");
    assert!(report["reason"].as_str().unwrap().starts_with("middle: "), "{report:#}");
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    running.wait_for_more("a.log");
    let (bench, run) = running.end();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_whole(&bench, &run, "a.log");
}
