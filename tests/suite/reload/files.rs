//! Files that change by themselves: the pipeline's, and those of plugins.

use std::fs;

use harness::{plugin, wait_until};
use serde_json::json;

use super::{DAY, Running, assert_whole, sink, text, transform};

/// The library of a plugin with a byte behind its end, which nobody reads: another file, same code.
fn variant(id: &str, byte: u8) -> Vec<u8> {
    let mut bytes = fs::read(plugin(id)).unwrap();
    bytes.push(byte);
    bytes
}

fn components() -> String {
    format!("{DAY}{}{}", transform("middle", "day", ""), sink("a", "middle", ""))
}

#[test]
fn a_plugin_file_that_is_replaced_gives_those_who_use_it_a_new_instance() {
    let running = Running::start_with(&["faulty"], "", &components());
    running.wait_for_lines("a.log", 50);
    // as an installer does it: beside it, then in its place
    running.bench.write("plugins/.new", variant("faulty", 1));
    let library = running.bench.path("plugins/libfaulty.so");
    fs::rename(running.bench.path("plugins/.new"), &library).unwrap();
    running.host.wait_for("changed day (plugin file), middle (plugin file), a (plugin file)");
    running.wait_for_more("a.log");
    // as cp does it: in place
    fs::write(&library, variant("faulty", 2)).unwrap();
    wait_until("it was reloaded twice", || running.host.log().matches("reloaded").count() >= 2);
    running.wait_for_more("a.log");
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
}

#[test]
fn a_broken_plugin_file_changes_nothing_and_a_mended_one_is_taken() {
    let running = Running::start_with(&["faulty"], "", &components());
    running.wait_for_lines("a.log", 50);
    let library = running.bench.path("plugins/libfaulty.so");
    let whole = variant("faulty", 1);
    fs::write(&library, &whole[..whole.len() / 2]).unwrap();
    running.host.wait_for("the pipeline goes on as it was");
    running.wait_for_more("a.log");
    fs::write(&library, &whole).unwrap();
    running.host.wait_for("changed day (plugin file)");
    running.wait_for_more("a.log");
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
}

#[test]
fn a_plugin_file_that_goes_away_is_missed_by_nobody_before_a_reload() {
    let running = Running::start_with(&["faulty", "null"], "", &components());
    let null = "[sinks.n]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    fs::remove_file(running.bench.path("plugins/libfaulty.so")).unwrap();
    // the next event is noticed, so the one before it was seen and left alone
    running.bench.write("plugins/libother.so", "no plugin");
    running.host.wait_for("no plugin \"faulty\"");
    running.wait_for_more("a.log");
    let (code, report) = running.host.reload(running.port);
    assert_eq!((code, &report["outcome"]), (422, &json!("refused")));
    running.bench.install("faulty", "libfaulty.so");
    let port = running.port;
    running.bench.pipeline(&text(port, "", &format!("{}{null}", components())));
    running.host.wait_for("added n");
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
}

#[test]
fn an_edited_pipeline_file_is_applied_when_it_is_saved_and_on_sighup() {
    let more = |id: &str| format!("{}{}", components(), sink(id, "day", ""));
    let running = Running::start_with(&["faulty"], "", &components());
    running.wait_for_lines("a.log", 20);
    // an editor puts the new file in the place of the old one
    running.bench.write("pipeline.toml~", text(running.port, "", &more("b")));
    let from = running.bench.path("pipeline.toml~");
    fs::rename(from, running.bench.path("pipeline.toml")).unwrap();
    running.wait_for_lines("b.log", 20);
    running.bench.pipeline(&text(running.port, "watch = false", &more("b")));
    running.host.wait_for("settings host.watch");
    running.write(&more("c"));
    // a batch takes a millisecond at least: a change is noticed in 2 s and applied in 300 ms
    let lines = running.bench.read("a.log").lines().count();
    running.wait_for_lines("a.log", lines + 5 * 3_000);
    assert!(!running.host.log().contains("added c"), "nobody watches any more");
    running.host.signal("HUP");
    running.wait_for_lines("c.log", 20);
    let (bench, run) = running.end();
    run.assert(0, &["SIGHUP"]);
    assert_whole(&bench, &run, "a.log");
}
