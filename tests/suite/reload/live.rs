//! A hundred changes of every kind under a feed of 100,000 quotes a second.

use std::fs;

use harness::plugin;
use serde_json::json;

use super::{Running, assert_row, assert_whole, sink, transform};

/// 500 quotes every 5 ms.
const FEED: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 500\n\
    symbols = 500\npace = \"5ms\"\n";

/// What the file says at one time.
#[derive(Clone, Default)]
struct Version {
    /// The second sink reads from the source itself.
    direct: bool,
    /// There is a third sink.
    third: bool,
    /// An option of the transform.
    delay_ms: u64,
    /// An option of the second sink.
    hold: bool,
}

impl Version {
    fn text(&self) -> String {
        let delay = format!("delay = \"{}ms\"", self.delay_ms);
        let mut text = format!("{FEED}{}", transform("middle", "day", &delay));
        text += &sink("a", "day", "");
        let input = if self.direct { "day" } else { "middle" };
        text += &sink("b", input, &format!("hold = {}", self.hold));
        if self.third {
            text += &sink("c", "middle", "");
        }
        text
    }
}

#[test]
fn a_hundred_changes_under_load_lose_nothing_double_nothing_and_keep_the_order() {
    let mut version = Version::default();
    let running = Running::start(&["faulty"], &version.text());
    let library = running.bench.path("plugins/libfaulty.so");
    let code = fs::read(plugin("faulty")).unwrap();
    let mut gaps_us = Vec::new();
    for change in 0..100_u32 {
        let mut refused = false;
        match change % 10 {
            0 => swap(&library, &code, change),
            1 | 6 => version.direct = !version.direct,
            2 | 7 => version.third = !version.third,
            3 => version.delay_ms = 1 - version.delay_ms,
            4 => {
                let damaged = &code[..code.len() / 3];
                fs::write(library.with_extension("tmp"), damaged).unwrap();
                fs::rename(library.with_extension("tmp"), &library).unwrap();
                refused = true;
            }
            5 => swap(&library, &code, change),
            8 => version.hold = !version.hold,
            _ => {
                (version.direct, version.third) = (!version.direct, !version.third);
                version.delay_ms = 1 - version.delay_ms;
            }
        }
        running.wait_for_more("a.log");
        let (status, report) = running.reload(&version.text());
        let wanted = if refused { (422, json!("refused")) } else { (200, json!("done")) };
        assert_eq!((status, report["outcome"].clone()), wanted, "change {change}: {report:#}");
        if !refused {
            gaps_us.push(report["gap_us"].as_u64().unwrap());
        }
    }
    let (bench, run) = running.end();
    run.assert(0, &[]);
    assert_whole(&bench, &run, "a.log");
    assert_whole(&bench, &run, "b.log");
    // the third sink was there five times ten times: rows of whole batches, none of them twice
    let c = bench.sequences("c.log");
    for row in c.chunk_by(|left, right| right == &(left + 1)) {
        assert_row(row, row[0], *row.last().unwrap(), "c.log");
        assert!(row[0] % 500 == 1 && row.len() % 500 == 0, "{}..{:?}", row[0], row.last());
    }
    assert!(c.is_sorted_by(|left, right| left < right), "c.log");
    gaps_us.sort_unstable();
    let at = |share: usize| gaps_us[(gaps_us.len() - 1) * share / 100];
    println!("reload gap: p50 {} µs, p99 {} µs, of {}", at(50), at(99), gaps_us.len());
}

/// The same code in another file, put in the place of the old one at once.
fn swap(library: &std::path::Path, code: &[u8], change: u32) {
    let mut code = code.to_vec();
    code.extend(change.to_le_bytes());
    fs::write(library.with_extension("tmp"), code).unwrap();
    fs::rename(library.with_extension("tmp"), library).unwrap();
}
