//! The `quality` transform judges as an independent reading of its rules does.

use std::collections::BTreeMap;

use harness::{Bench, DAYS, Day, python, sample, seed};

/// Plays a day through `quality` into a lake and lets pandas judge the same file. What Python found
/// in how many quotes, by rule, and what the host logged.
fn judged(day: &Day, path: &str) -> (BTreeMap<String, u64>, String) {
    let bench = Bench::new(&["replay", "quality", "parquet"]);
    bench.pipeline(&format!(
        "{}\n[transforms.clean]\nplugin = \"quality\"\ninputs = [\"day\"]\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"clean\"]\npath = \"lake\"\n",
        day.source_of(path)
    ));
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    let checked = python("check_quality.py", &[&bench.path("lake").display().to_string(), path]);
    let found: BTreeMap<_, u64> = checked
        .finish()
        .lines()
        .map(|line| {
            let (name, count) = line.split_once(' ').unwrap();
            (name.to_owned(), count.parse().unwrap())
        })
        .collect();
    assert_eq!(run.summary("clean", "in"), day.records);
    assert_eq!(run.summary("clean", "out"), day.records - found["dropped"]);
    assert_eq!(run.summary("clean", "dropped"), found["dropped"]);
    (found, run.stderr)
}

#[test]
fn recorded_days_pass_without_a_drop_or_a_mark() {
    for day in DAYS {
        let (found, _) = judged(&day, &sample(day.file).display().to_string());
        let nothing = [("dropped".to_owned(), 0), ("marked".to_owned(), 0)];
        assert_eq!(found, BTreeMap::from(nothing), "{}", day.file);
    }
}

#[test]
fn damaged_days_are_judged_quote_by_quote_as_pandas_judges_them() {
    for (day, seed) in DAYS.iter().zip(seed(1)..) {
        let bench = Bench::new(&[]);
        let path = bench.path("damaged.csv.gz").display().to_string();
        let recorded = sample(day.file).display().to_string();
        let damaged = python("quality_damage.py", &[&recorded, &path, &seed.to_string()]).finish();
        let (found, log) = judged(day, &path);
        println!("{}, seed {seed}: {} {found:?}", day.file, damaged.trim());
        for rule in ["price", "volume", "high_low", "range", "price_limit", "falling", "zero"] {
            assert!(found.get(rule).is_some_and(|count| *count > 0), "{rule}: {found:?}");
        }
        let is_whole_day = day.file.contains("600519");
        assert_eq!(found.get("reset"), is_whole_day.then_some(&1), "{found:?}");
        for rule in found.keys().filter(|name| !["dropped", "marked"].contains(&name.as_str())) {
            let line = format!("`{rule}` is only counted, in quality_{rule}_total");
            assert!(log.contains(&line), "{line} is missing in\n{log}");
        }
    }
}
