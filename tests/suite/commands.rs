//! The commands beside `run`.

use harness::Bench;
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
