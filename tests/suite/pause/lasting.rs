//! What becomes of a pause, and of what waits, when the pipeline changes or the host ends.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{ENDLESS, Site, THOUSAND, sink, transform};

#[test]
fn a_reload_leaves_what_is_paused_so_and_says_why_it_cannot_lead_routes_around_it() {
    let t = |delay: &str| {
        transform("day", &format!("buffer = {{ max_bytes = \"64KiB\" }}\ndelay = \"{delay}\""))
    };
    let site = Site::new(&format!("{ENDLESS}{}{}", t("0ms"), sink("a", "t", "")));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "t");
    site.wait_until(&host, "day", |day| day["blocked_by"] == "t");
    // another instance is paused, too
    site.write(&format!("{ENDLESS}{}{}", t("1ms"), sink("a", "t", "")));
    let (code, report) = host.reload(site.port);
    assert_eq!((code, &report["plan"]["changed"][0]["id"]), (200, &json!("t")), "{report:#}");
    assert_eq!(site.component(&host, "t")["state"], "paused");
    site.wait_for_rest("a.log");
    // what waits before it could not arrive before what goes another way
    site.write(&format!("{ENDLESS}{}{}", t("1ms"), sink("a", "day", "")));
    let since = Instant::now();
    let (code, report) = host.reload(site.port);
    let reason = report["reason"].as_str().unwrap_or_default();
    assert_eq!((code, reason.contains("t: it is paused")), (409, true), "{report:#}");
    assert!(since.elapsed() < Duration::from_secs(20), "it waited {:?}", since.elapsed());
    site.write(&format!("{ENDLESS}{}{}", t("1ms"), sink("a", "t", "")));
    assert_eq!(host.reload(site.port).1["outcome"], "unchanged");
    site.resume(&host, "t");
    site.wait_for_more("a.log", 500);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    site.assert_whole("a.log", run.summary("day", "out"));
}

#[test]
fn a_sink_stays_paused_with_another_plugin_and_is_forgotten_when_it_is_removed() {
    let null = "[sinks.a]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    let (with, without) = (
        format!("{ENDLESS}{}{}", sink("a", "day", ""), sink("b", "day", "")),
        format!("{ENDLESS}{}", sink("b", "day", "")),
    );
    let site = Site::new(&with);
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "a");
    site.write(&format!("{ENDLESS}{null}{}", sink("b", "day", "")));
    assert_eq!(host.reload(site.port).0, 200);
    let a = site.component(&host, "a");
    assert_eq!(
        (&a["plugin"], &a["state"], &a["paused"]),
        (&"null".into(), &"paused".into(), &true.into())
    );
    site.wait_until(&host, "a", |a| a["queue"]["records"].as_u64() > Some(50));
    // removed, it is not waited for, and what it had in memory is counted
    site.write(&without);
    let since = Instant::now();
    assert_eq!(host.reload(site.port).0, 200);
    assert!(since.elapsed() < Duration::from_secs(20), "it waited {:?}", since.elapsed());
    assert_eq!(site.bench.read("data/paused.json"), "{\"paused\":[]}\n");
    site.write(&with);
    assert_eq!(host.reload(site.port).0, 200);
    assert_eq!(site.component(&host, "a")["paused"], false);
    site.wait_for_more("a.log", 50);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &["removed"]);
    site.assert_whole("b.log", run.summary("day", "out"));
}

#[test]
fn a_source_that_is_removed_does_not_wait_for_a_sink_that_is_paused_which_keeps_its_records() {
    let more =
        "[sources.more]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 1\npace = \"1ms\"\n";
    let site = Site::new(&format!("{ENDLESS}{more}{}", sink("a", "day\", \"more", "")));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "a");
    site.wait_until(&host, "a", |a| a["queue"]["records"].as_u64() > Some(50));
    site.write(&format!("{more}{}", sink("a", "more", "")));
    let since = Instant::now();
    assert_eq!(host.reload(site.port).0, 200);
    assert!(since.elapsed() < Duration::from_secs(20), "it waited {:?}", since.elapsed());
    let kept = site.component(&host, "a")["queue"]["records"].as_u64();
    assert!(kept > Some(50), "{kept:?}");
    host.signal("KILL");
    host.wait();
}

#[test]
fn a_host_that_ends_says_what_a_paused_component_had_in_memory_and_keeps_what_is_on_disk() {
    let site = Site::new(&format!("{ENDLESS}{}{}", sink("a", "day", ""), sink("b", "day", "")));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "a");
    site.wait_until(&host, "a", |a| a["queue"]["records"].as_u64() > Some(100));
    host.signal("TERM");
    let run = host.wait();
    run.assert(1, &["the host ends while it is paused", "records were not delivered"]);
    assert!(run.elapsed < Duration::from_secs(35), "it waited for what is paused");
    site.assert_whole("b.log", run.summary("day", "out"));

    let disk = sink("a", "t", "buffer = { type = \"disk\" }");
    let with = |day: &str| format!("{day}{}{disk}", transform("day", ""));
    let site = Site::new(&with(ENDLESS));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "a");
    site.wait_until(&host, "a", |a| a["queue"]["records"].as_u64() > Some(100));
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &["records wait on disk for the next start"]);
    assert!(!run.stderr.contains("not delivered"), "{}", run.stderr);
    // all of it is there: what the source gave is in the log or on disk
    site.write(&with(&THOUSAND.replace("batches = 200", "batches = 1")));
    site.bench.run(&["resume", "a"]).assert(0, &["a is not paused any more"]);
    site.bench.run(&["run"]).assert(0, &[]);
    let numbers = site.bench.sequences("a.log");
    let given = usize::try_from(run.summary("day", "out")).unwrap();
    assert_eq!(numbers[..given], (1..=given as u64).collect::<Vec<_>>());
    assert_eq!(numbers[given..], [1, 2, 3, 4, 5]);
}

#[test]
fn pauses_without_a_host_wait_for_each_other_and_are_kept_account_of() {
    let ids = ["a", "b", "c", "d"];
    let sinks: String = ids.iter().map(|id| sink(id, "day", "")).collect();
    let site = Site::new(&format!("{ENDLESS}{sinks}"));
    std::thread::scope(|scope| {
        for id in ids {
            let bench = &site.bench;
            scope.spawn(move || {
                bench.run(&["pause", id]).assert(0, &["is paused: the next start"]);
            });
        }
    });
    assert_eq!(site.bench.read("data/paused.json"), "{\"paused\":[\"a\",\"b\",\"c\",\"d\"]}\n");
    site.bench.run(&["pause", "a"]).assert(0, &["a is paused already"]);
    site.bench.run(&["resume", "a"]).assert(0, &["a is not paused any more"]);
    let kept = site.bench.read("data/audit.jsonl");
    let lines: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{kept}");
    let last = &lines[4];
    let told = ["action", "target", "outcome"].map(|key| last[key].as_str().unwrap());
    assert_eq!(told, ["resume", "a", "done"]);
    assert!(last["from"].as_str().unwrap().ends_with(" (no host)"), "{last}");
}

#[test]
fn a_paused_source_ends_with_the_host() {
    let site = Site::new(&format!("{ENDLESS}{}", sink("a", "day", "")));
    let host = site.start();
    site.wait_for_more("a.log", 50);
    site.pause(&host, "day");
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    site.assert_whole("a.log", run.summary("day", "out"));
}

#[test]
fn a_damaged_file_is_told_and_put_aside_and_one_of_others_is_kept() {
    let site = Site::new(&format!("{ENDLESS}{}", sink("a", "day", "")));
    fs::create_dir(site.bench.path("data")).unwrap();
    site.bench.write("data/paused.json", "{\"paused\":[\"a\"");
    let host = site.start();
    host.wait_for("which components are paused");
    site.wait_for_more("a.log", 50);
    assert_eq!(site.bench.read("data/paused.json.damaged"), "{\"paused\":[\"a\"");
    host.signal("TERM");
    host.wait().assert(0, &["paused.json.damaged"]);
    site.bench.write("data/paused.json", "{\"paused\":[\"elsewhere\"]}");
    let host = site.start();
    host.wait_for("and not in this pipeline");
    site.pause(&host, "a");
    assert_eq!(site.bench.read("data/paused.json"), "{\"paused\":[\"a\",\"elsewhere\"]}\n");
    site.resume(&host, "elsewhere");
    assert_eq!(site.bench.read("data/paused.json"), "{\"paused\":[\"a\"]}\n");
    host.signal("KILL");
    host.wait();
}
