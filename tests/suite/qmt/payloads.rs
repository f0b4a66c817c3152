//! Recorded payloads through the bridge and the host into a lake, against a second reader.

use std::fmt::Write;

use harness::{are_complete, fixture, python};
use serde_json::{Value, json};

use super::Site;

#[test]
fn recorded_payloads_are_in_the_lake_as_a_second_reader_reads_them() {
    let file = fixture("qmt/payloads.jsonl").unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let mut payloads = String::new();
    for line in text.lines() {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        // a callback gives an object; the others are read without a bridge, in the plugin's tests
        if entry["payload"].is_object() {
            writeln!(payloads, "{}", entry["payload"].take()).unwrap();
        }
    }
    let rounds = payloads.lines().count() as u64;
    let site = Site::new(&Value::Null);
    let recorded = site.bench.write("payloads.jsonl", &payloads);
    let plan = json!({ "symbols": 1, "payloads": recorded, "full_tick": "empty" });
    site.bench.write("xtquant/plan.json", plan.to_string());
    let (host, bridge) = (site.host(), site.bridge());
    site.wait_for_all(rounds, &bridge);
    site.end(bridge, host);
    let lake = site.bench.path("lake").display().to_string();
    let recorded = recorded.display().to_string();
    let printed = python("qmt_compare.py", &[&lake, &recorded]).finish();
    let compared: usize = printed.trim().parse().unwrap();
    let least = if are_complete() { 14 } else { 1 };
    assert!(compared >= least, "only {compared} quotes");
}
