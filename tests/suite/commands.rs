//! The commands beside `run`.

use std::process::{Command, Stdio};

use harness::{Bench, program};
use serde_json::Value;

const PIPELINE: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\n\
    [transforms.only]\nplugin = \"filter\"\ninputs = [\"day\"]\nmarkets = [\"SH\"]\n\
    [sinks.out]\nplugin = \"console\"\ninputs = [\"only\"]\n";

#[test]
fn plugins_list_shows_what_is_installed() {
    let bench = Bench::new(&["faulty", "filter", "null"]);
    let listed = bench.run(&["plugins", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&listed.assert(0, &[]).stdout).unwrap();
    let faulty = list.as_array().unwrap().iter().find(|it| it["name"] == "faulty").unwrap();
    assert_eq!(faulty["kinds"], serde_json::json!(["source", "transform", "sink"]));
    assert_eq!(faulty["sha256"].as_str().unwrap().len(), 64);
    assert_eq!((faulty["carrier"].as_str(), faulty["api"].as_str()), (Some("native"), Some("1.0")));
    bench.run(&["plugins", "list"]).assert(0, &["filter", "transform", "native", "libnull.so"]);
}

#[test]
fn plugins_are_those_of_the_pipeline_that_is_named_wherever_the_flag_stands() {
    let bench = Bench::new(&["null"]);
    bench.write("elsewhere/p.toml", "[host]\nplugins = [\"mine\"]\n");
    std::fs::create_dir(bench.path("elsewhere/mine")).unwrap();
    bench.install("filter", "../elsewhere/mine/libfilter.so");
    let file = "elsewhere/p.toml";
    let ways: [&[&str]; 3] = [
        &["plugins", "list", "-c", file],
        &["plugins", "-c", file, "list"],
        &["plugins", "show", "filter", "--config", file],
    ];
    for way in ways {
        let listed = bench.run(way);
        listed.assert(0, &["filter"]);
        assert!(!listed.stdout.contains("libnull.so"), "{}", listed.stdout);
    }
    bench.run(&["plugins", "list", "-c", "nowhere.toml"]).assert(78, &["nowhere.toml"]);
    bench.write("elsewhere/p.toml", "[host\n");
    bench.run(&["plugins", "list", "-c", file]).assert(78, &["p.toml:1:"]);
}

#[test]
fn plugins_show_prints_options_with_types_defaults_and_help() {
    let bench = Bench::new(&["replay", "filter"]);
    let shown = bench.run(&["plugins", "show", "replay"]);
    shown.assert(0, &["[sources.ID]", "path: string (required)", "speed: number (default 1.0)"]);
    let schema = bench.run(&["plugins", "show", "filter", "--schema"]);
    let schema: Value = serde_json::from_str(&schema.assert(0, &[]).stdout).unwrap();
    assert_eq!(schema["transform"]["additionalProperties"], false);
    bench.run(&["plugins", "show", "nothing"]).assert(1, &["no plugin \"nothing\"", "filter"]);
}

#[test]
fn graph_draws_the_pipeline() {
    let bench = Bench::new(&[]);
    bench.pipeline(PIPELINE);
    bench.run(&["graph"]).assert(0, &["flowchart LR", "day --> only", "only --> out"]);
    bench.run(&["graph", "--format", "dot"]).assert(0, &["digraph", "\"day\" -> \"only\""]);
}

#[test]
fn check_asks_every_component_whether_it_could_start() {
    let bench = Bench::new(&["replay", "parquet"]);
    bench.write("blocked", "a file where a folder should be");
    bench.pipeline(
        "[sources.day]\nplugin = \"replay\"\npath = \"nothing/*.csv\"\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"blocked/lake\"\n",
    );
    bench.run(&["check"]).assert(
        78,
        &["day could not start", "nothing/*.csv", "lake could not start", "blocked is no folder"],
    );
    bench.run(&["check", "--offline"]).assert(0, &["is fine"]);
    assert!(!bench.path("data").exists(), "a check leaves no trace");
}

#[test]
fn check_prints_findings_as_json() {
    let bench = Bench::new(&["faulty", "filter", "console"]);
    let fine = bench.pipeline(PIPELINE).run(&["check", "--format", "json"]);
    assert_eq!(fine.assert(0, &[]).stdout.trim(), "[]");
    bench.pipeline(&PIPELINE.replace("\"only\"]", "\"onyl\"]"));
    let found = bench.run(&["check", "--format", "json"]);
    let found: Value = serde_json::from_str(&found.assert(78, &[]).stdout).unwrap();
    let fault = found.as_array().unwrap().iter().find(|it| it["severity"] == "error").unwrap();
    assert_eq!((fault["line"].as_u64(), fault["column"].as_u64()), (Some(11), Some(11)));
}

#[test]
fn completions_and_help_are_there_for_every_verb() {
    let bench = Bench::new(&[]);
    for shell in ["bash", "zsh", "fish"] {
        bench.run(&["completions", shell]).assert(0, &["dataserver"]);
    }
    let mut verbs = Vec::new();
    gather_verbs(&bench, &[], &mut verbs);
    for verb in ["run", "plugins new", "dead-letter replay", "consumers pending", "reload"] {
        assert!(verbs.iter().any(|it| it == verb), "{verb} is missing in {verbs:?}");
    }
    bench.run(&["graf"]).assert(2, &["graph"]);
}

/// Asks for the help of every verb that the help of the one above lists, all the way down.
fn gather_verbs(bench: &Bench, above: &[String], verbs: &mut Vec<String>) {
    let words = above.iter().map(String::as_str).chain(["-h"]);
    let help = bench.run(&words.collect::<Vec<_>>());
    help.assert(0, &[format!("Usage: dataserver {}", above.join(" ")).trim_end()]);
    verbs.extend((!above.is_empty()).then(|| above.join(" ")));
    let Some((_, listed)) = help.stdout.split_once("Commands:\n") else { return };
    let lines = listed.lines().take_while(|line| !line.is_empty());
    for line in lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let verb = line.split_whitespace().next().unwrap();
        if verb != "help" {
            let below = above.iter().cloned().chain([verb.to_owned()]).collect::<Vec<_>>();
            gather_verbs(bench, &below, verbs);
        }
    }
}

#[test]
fn the_console_prints_json_lines_to_stdout_and_nothing_else() {
    let bench = Bench::new(&["faulty", "filter", "console"]);
    let run = bench.pipeline(PIPELINE).run(&["run", "--log-format", "json"]);
    let record: Value = serde_json::from_str(run.assert(0, &[]).stdout.trim()).unwrap();
    assert_eq!(
        (record["symbol"].as_str(), record["source"].as_str()),
        (Some("600000.SH"), Some("day"))
    );
    let first_log_line = run.stderr.lines().next().unwrap();
    assert!(serde_json::from_str::<Value>(first_log_line).is_ok(), "{first_log_line}");
}

#[test]
fn a_log_level_that_does_not_exist_is_refused() {
    let bench = Bench::new(&[]);
    bench.run(&["--log-level", "infoo", "graph"]).assert(2, &["infoo", "info, debug"]);
}

/// A component whose name takes much of a line.
const LONG: &str = "archive_of_the_second_host";

/// A bench where something waits on disk, and something was refused.
fn with_something_to_list() -> Bench {
    let bench = Bench::new(&["faulty", "filter", "null"]);
    bench.pipeline(&format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 10\nrecords = 10\nsymbols = 1000000000\n\
         [sinks.{LONG}]\nplugin = \"faulty\"\ninputs = [\"day\"]\ncall = \"write\"\nhow = \"retry\"\n\
         buffer = {{ type = \"disk\" }}\n\
         [sinks.refusing]\nplugin = \"faulty\"\ninputs = [\"day\"]\nbad_record = 42\n"
    ));
    let host = bench.start();
    host.wait_for("told to fail in write");
    host.wait_for("bad data: record 42");
    host.signal("TERM");
    host.wait().assert(0, &["100 records wait on disk"]);
    bench
}

/// Commands that list something.
const LISTINGS: [&[&str]; 5] = [
    &["plugins", "list"],
    &["spool", "ls"],
    &["spool", "verify"],
    &["dead-letter", "ls"],
    &["dead-letter", "show", "refusing"],
];

/// What the program prints to a pipe, with `COLUMNS` set or not.
fn piped(bench: &Bench, columns: Option<u16>, arguments: &[&str]) -> String {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(bench.path("")).stdin(Stdio::null());
    command.env_remove("COLUMNS").env_remove("DATASERVER_CONFIG").env("HOME", bench.path(""));
    if let Some(columns) = columns {
        command.env("COLUMNS", columns.to_string());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("left") && !stderr.contains('\x1b'), "a bar in a pipe: {stderr:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the program prints to a terminal of so many columns, to stdout and stderr.
fn in_terminal(bench: &Bench, columns: u16, arguments: &[&str]) -> String {
    let command =
        format!("stty cols {columns}; exec {} {}", program().display(), arguments.join(" "));
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(bench.path(""))
        .stdin(Stdio::null())
        .env_remove("COLUMNS")
        .env_remove("DATASERVER_CONFIG")
        .env("HOME", bench.path(""))
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    assert!(output.status.success(), "{arguments:?}: {printed}");
    // a sequence for the terminal ends with a letter
    let mut parts = printed.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(|c: char| c.is_ascii_alphabetic()));
    first + &rest.map(|part| part.map_or("", |(_, text)| text)).collect::<String>()
}

/// What a verb printed in a terminal, without the bars that it drew meanwhile: these have the width of
/// the terminal, which is no less than `COLUMNS`.
fn listed(printed: &str) -> String {
    printed.lines().filter(|line| !line.contains("left")).map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn assert_fits(listing: &str, columns: u16) {
    assert!(listing.lines().count() > 2, "{listing}");
    for line in listing.lines() {
        let width = line.chars().count();
        assert!(width <= usize::from(columns), "{width} of {columns}: {line}\n{listing}");
    }
    // a rule below the names of the columns, and none between rows
    assert!(listing.matches("──\n").count() <= 1, "{listing}");
}

#[test]
fn listings_fit_the_terminal_and_a_pipe_is_one_of_eighty_columns() {
    let bench = with_something_to_list();
    for listing in LISTINGS {
        assert_fits(&piped(&bench, None, listing), 80);
        for columns in [60, 80, 120, 200] {
            assert_fits(&piped(&bench, Some(columns), listing), columns);
        }
        assert_fits(&listed(&in_terminal(&bench, 72, listing)), 72);
    }
    // what is left out where there is no room is there where there is
    let names = |columns| piped(&bench, Some(columns), &["dead-letter", "ls"]);
    assert!(!names(80).contains("oldest") && names(200).contains("oldest"));
    assert!(piped(&bench, None, &["spool", "ls"]).contains(LONG), "it can be typed from there");
}

#[test]
fn long_work_shows_how_far_it_is_on_a_terminal_alone() {
    let bench = with_something_to_list();
    let shown = in_terminal(&bench, 100, &["spool", "verify"]);
    assert!(shown.contains("left") && shown.contains("sound"), "{shown:?}");
    // asserts that nothing is drawn into a pipe
    assert!(piped(&bench, None, &["spool", "verify"]).contains("sound"));
}

#[test]
fn every_listing_is_there_for_programs() {
    let bench = with_something_to_list();
    for listing in LISTINGS {
        let printed = piped(&bench, None, &[listing, &["--format", "json"]].concat());
        let list: Value = serde_json::from_str(&printed).unwrap();
        assert!(!list.as_array().unwrap().is_empty(), "{listing:?}");
    }
    let shown = piped(&bench, None, &["plugins", "show", "filter", "--format", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (shown["name"].as_str(), shown["carrier"].as_str()),
        (Some("filter"), Some("native"))
    );
    assert_eq!(shown["options"]["transform"]["additionalProperties"], false);
    let text = piped(&bench, Some(80), &["plugins", "show", "filter"]);
    assert!(text.contains("symbols: "), "{text}");
}
