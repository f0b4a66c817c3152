//! A change that fails after components have been replaced: they get their old settings back.
//!
//! The first sink writes to another file after the change, so the files tell which settings were at
//! work when. Nothing may be lost or doubled over both.

use serde_json::{Value, json};

use super::{DAY, Running, assert_row, sink, transform};

/// The sink `a` as the change wants it.
fn changed_a() -> String {
    sink("a", "day", "").replace("a.log", "a2.log")
}

/// The change fails for that reason, and `a` goes on with its old settings.
#[track_caller]
fn assert_put_back(running: &Running, components: &str, reason: &str) -> Value {
    running.wait_for_more("a.log");
    let (code, report) = running.reload(components);
    assert_eq!((code, &report["outcome"]), (409, &json!("failed")), "{report:#}");
    let told = report["reason"].as_str().unwrap();
    assert!(told.contains(reason), "{reason} is not in {told}");
    // a successor that has taken nothing would show nothing of the way back
    running.wait_for_more("a.log");
    report
}

/// All that the source gave is in the two files of `a`, once.
#[track_caller]
fn assert_whole_over_both(running: Running, code: i32) {
    let (bench, run) = running.end();
    assert_eq!(run.code, code, "{}", run.stderr);
    let old = bench.sequences("a.log");
    assert!(old.is_sorted(), "a.log is out of order");
    let mut all = [old, bench.sequences("a2.log")].concat();
    all.sort_unstable();
    assert_row(&all, 1, run.summary("day", "out"), "a.log and a2.log");
}

#[test]
fn a_sink_is_put_back_when_the_next_one_does_not_open() {
    let running = Running::start(
        &["faulty"],
        &format!("{DAY}{}{}", sink("a", "day", ""), sink("b", "day", "")),
    );
    let fails = sink("b", "day", "call = \"open\"\nhow = \"fatal\"");
    for _ in 0..3 {
        assert_put_back(
            &running,
            &format!("{DAY}{}{fails}", changed_a()),
            "b: told to fail in open",
        );
        running.wait_for_more("b.log");
    }
    assert_whole_over_both(running, 0);
}

#[test]
fn a_sink_is_put_back_when_the_source_cannot_take_over() {
    let running = Running::start(&["faulty"], &format!("{DAY}{}", sink("a", "day", "")));
    let fails = format!("{DAY}call = \"import_state\"\nhow = \"fatal\"\n{}", changed_a());
    assert_put_back(&running, &fails, "day: told to fail in import_state");
    assert_whole_over_both(running, 0);
}

#[test]
fn a_sink_is_put_back_when_what_is_under_way_does_not_get_through() {
    let stuck = transform("middle", "day", "call = \"apply\"\nhow = \"block\"\nafter = 20");
    let with = |a: &str, input: &str| {
        format!("{DAY}{stuck}{a}{}{}", sink("b", input, ""), sink("c", "middle", ""))
    };
    let running = Running::start(&["faulty"], &with(&sink("a", "day", ""), "middle"));
    running.wait_for_lines("b.log", 100);
    let report = assert_put_back(
        &running,
        &with(&changed_a(), "day"),
        "what is before it does not get through in time",
    );
    // the transform hangs, and its readers wait for it in vain
    assert!(report["reason"].as_str().unwrap().starts_with("middle: "), "{report:#}");
    // the call that hangs is left behind at the end
    assert_whole_over_both(running, 1);
}

#[test]
fn a_sink_that_cannot_be_put_back_goes_on_with_its_new_settings_and_says_so() {
    let running = Running::start(
        &["faulty"],
        &format!("{DAY}{}{}", sink("a", "day", ""), sink("b", "day", "")),
    );
    running.wait_for_more("a.log");
    // its second write hangs, which the opening of the other one leaves it the time for
    let hangs = changed_a() + "call = \"write\"\nhow = \"block\"\nafter = 1\n";
    let slow = sink("b", "day", "call = \"open\"\nhow = \"block\"");
    let (code, report) = running.reload(&format!("{DAY}{hangs}{slow}"));
    assert_eq!((code, &report["outcome"]), (409, &json!("failed")), "{report:#}");
    running.host.wait_for("does not go back to its old settings; reload again");
    running.wait_for_more("b.log");
    let first = running.bench.sequences("a2.log");
    assert!(!first.is_empty());
    let (_, run) = running.end();
    assert_eq!(run.code, 1, "the call that hangs is left behind: {}", run.stderr);
}
