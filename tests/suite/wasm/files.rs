//! Components as files: found, pinned, refused, cached.

use std::fs;

use harness::{Bench, wasm_plugin};
use serde_json::Value;

const PIPELINE: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 3\nrecords = 5\n\
    [transforms.only]\nplugin = \"filter\"\ninputs = [\"day\"]\nmarkets = [\"SH\"]\n\
    [sinks.out]\nplugin = \"null\"\ninputs = [\"only\"]\n";

fn bench() -> Bench {
    let bench = Bench::new(&["faulty", "null"]);
    bench.install_wasm("filter");
    bench.pipeline(PIPELINE);
    bench
}

#[test]
fn a_component_is_listed_shown_checked_and_run_as_a_library_is() {
    let bench = bench();
    let listed = bench.run(&["plugins", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&listed.assert(0, &[]).stdout).unwrap();
    let filter = list.as_array().unwrap().iter().find(|it| it["name"] == "filter").unwrap();
    assert_eq!((filter["carrier"].as_str(), filter["api"].as_str()), (Some("wasm"), Some("1.0")));
    assert_eq!(filter["kinds"], serde_json::json!(["transform"]));
    let wasm = bench.run(&["plugins", "show", "filter", "--schema"]);
    let native = Bench::new(&["filter"]);
    let native = native.run(&["plugins", "show", "filter", "--schema"]);
    assert_eq!(wasm.assert(0, &[]).stdout, native.assert(0, &[]).stdout);
    bench.run(&["check"]).assert(0, &["is fine"]);
    bench.run(&["run"]).assert(0, &[]);
}

#[test]
fn the_library_is_taken_where_there_are_both_unless_the_component_says_otherwise() {
    let bench = bench();
    bench.install("filter", "libfilter.so");
    // only a component in a sandbox takes limits
    let limited = PIPELINE.replace("markets", "limits.memory = \"16MiB\"\nmarkets");
    bench.pipeline(&limited).run(&["check"]).assert(78, &["this one is native"]);
    let wasm = limited.replace("inputs = [\"day\"]", "inputs = [\"day\"]\ncarrier = \"wasm\"");
    bench.pipeline(&wasm).run(&["run"]).assert(0, &[]);
    fs::remove_file(bench.path("plugins/libfilter.so")).unwrap();
    bench.pipeline(&limited).run(&["run"]).assert(0, &[]);
    let native = PIPELINE.replace("inputs = [\"day\"]", "inputs = [\"day\"]\ncarrier = \"native\"");
    bench.pipeline(&native).run(&["run"]).assert(78, &["not there as a native library"]);
}

#[test]
fn a_pinned_component_runs_only_with_its_own_content() {
    let bench = bench();
    let shown = bench.run(&["plugins", "show", "filter"]);
    let sha256 = shown.stdout.lines().find_map(|line| line.strip_prefix("sha256 ")).unwrap();
    let pinned = |sha256: &str| format!("[host.pins]\nfilter = \"{sha256}\"\n{PIPELINE}");
    bench.pipeline(&pinned(sha256)).run(&["run"]).assert(0, &[]);
    // a byte of its names more
    let mut other = fs::read(wasm_plugin("filter")).unwrap();
    other.extend(b"\0\x02\x01x");
    bench.write("plugins/filter.wasm", &other);
    bench.run(&["run"]).assert(78, &["filter.wasm has SHA-256", sha256, "[host.pins]"]);
    bench.install_wasm("filter");
    bench.run(&["run"]).assert(0, &[]);
    // beside another file of the same id the pin decides
    bench.write("plugins/copy.wasm", &other);
    bench.run(&["run"]).assert(0, &[]);
    bench
        .pipeline(PIPELINE)
        .run(&["run"])
        .assert(78, &["two files hold", "copy.wasm", "filter.wasm"]);
}

#[test]
fn a_component_for_another_contract_is_refused_in_a_line() {
    let bench = bench();
    let whole = fs::read(wasm_plugin("filter")).unwrap();
    let (from, to) = (b"dataserver:plugin/plugin@1.0.0", b"dataserver:plugin/plugin@2.0.0");
    let mut patched = whole.clone();
    let mut at = 0;
    while let Some(found) = patched[at..].windows(from.len()).position(|it| it == from) {
        at += found;
        patched[at..at + to.len()].copy_from_slice(to);
    }
    assert!(at > 0);
    bench.write("plugins/filter.wasm", patched);
    let run = bench.run(&["run"]);
    run.assert(78, &["filter.wasm", "plugin@2.0.0", "this host has version 1.0", "rebuild"]);
}

#[test]
fn a_component_that_says_two_names_is_refused() {
    let bench = Bench::new(&[]);
    bench.install_wasm("liar");
    bench.run(&["plugins", "list"]).assert(0, &["cannot be used", "\"liar\"", "\"honest\""]);
}

#[test]
fn damaged_components_are_listed_with_the_reason_and_never_run() {
    let bench = Bench::new(&[]);
    let whole = fs::read(wasm_plugin("filter")).unwrap();
    for (name, bytes) in [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("text", b"not a plugin".to_vec()),
        ("code", {
            let mut damaged = whole.clone();
            for at in (whole.len() / 4..whole.len() / 2).step_by(97) {
                damaged[at] ^= 0xa5;
            }
            damaged
        }),
    ] {
        bench.write(&format!("plugins/{name}.wasm"), bytes);
    }
    let list = bench.run(&["plugins", "list"]);
    list.assert(0, &["cut.wasm", "empty.wasm", "text.wasm", "code.wasm"]);
    assert_eq!(list.stdout.matches("cannot be used").count(), 4, "{}", list.stdout);
}

#[test]
fn compiled_code_is_kept_and_a_damaged_copy_is_made_anew() {
    let bench = bench();
    bench.run(&["run"]).assert(0, &[]);
    let cached = || {
        let files = fs::read_dir(bench.path("data/cache/wasm")).unwrap();
        files.map(|it| it.unwrap().path()).collect::<Vec<_>>()
    };
    let [file] = &cached()[..] else { panic!("{:?}", cached()) };
    let whole = fs::read(file).unwrap();
    let written = || fs::metadata(file).unwrap().modified().unwrap();
    let first = written();
    bench.run(&["run"]).assert(0, &[]);
    assert_eq!(written(), first, "it was compiled again");
    fs::write(file, &whole[..whole.len() - 1]).unwrap();
    bench.run(&["run"]).assert(0, &[]);
    assert!(fs::read(file).unwrap() == whole, "the damaged copy was not replaced");
}
