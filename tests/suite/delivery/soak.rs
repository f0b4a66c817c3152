//! Many runs, and the table of what they showed in docs/RELIABILITY.md.
//!
//! What a run showed is kept in target/soak by the commit that it was made with, so that runs that
//! were interrupted go on where they were; a tree with changes begins anew.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use harness::repository;
use serde_json::{Value, json};

use super::{Outcome, run};

const BEGIN: &str = "<!-- results of make soak -->";
const END: &str = "<!-- end of results -->";

/// Results of fewer runs are printed only.
const FEWEST_RUNS: u64 = 100;
/// Runs side by side; each waits more than it works.
const SIDE_BY_SIDE: u64 = 3;
/// Columns of the stores' table besides the recorded ones.
const COLUMNS: [&str; 6] = ["records", "lost", "doubled", "foreign", "disordered", "damaged"];

#[test]
#[ignore = "takes half an hour; make soak"]
fn soak() {
    let (runs, first) = (setting("SOAK_RUNS", 200), setting("SOAK_FIRST_SEED", 1_001));
    let kept = Kept::open();
    let next = AtomicU64::new(first);
    thread::scope(|scope| {
        for _ in 0..setting("SOAK_JOBS", SIDE_BY_SIDE) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        return;
                    }
                    if kept.result(seed).is_some_and(|result| result["failure"] == "") {
                        continue;
                    }
                    // a run that fails in another way than by its stores says so itself
                    let outcome = thread::spawn(move || run(seed)).join();
                    kept.keep(seed, outcome.ok().as_ref());
                }
            });
        }
    });
    let results: BTreeMap<u64, Value> = (first..first + runs)
        .filter_map(|seed| kept.result(seed).map(|result| (seed, result)))
        .collect();
    let failed: Vec<u64> =
        results.iter().filter(|(_, it)| it["failure"] != "").map(|(seed, _)| *seed).collect();
    let table = table(first, runs, &failed, &kept.tree, results.values());
    println!("{table}");
    // a look at a few seeds is no result
    if runs >= FEWEST_RUNS {
        write(BEGIN, END, &table);
    }
    assert!(failed.is_empty(), "seeds that failed: {failed:?}; see {}", kept.folder.display());
}

/// A number that an environment variable may change.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Commit and day, for a result that others can make again.
pub fn tree() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(repository()).output();
        String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned()
    };
    let changes = said("git", &["status", "--porcelain", "--untracked-files=no", "--", ":!docs"]);
    let changed = if changes.is_empty() { "" } else { " with changes" };
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    format!("commit {commit}{changed}, {}", said("date", &["-u", "+%F"]))
}

/// Results of runs, a file for each.
struct Kept {
    folder: PathBuf,
    tree: String,
}

impl Kept {
    fn open() -> Self {
        let tree = tree();
        let commit = tree.split([' ', ',']).nth(1).unwrap_or_default();
        let folder = repository().join("target/soak").join(commit);
        if tree.contains("with changes") {
            let _ = fs::remove_dir_all(&folder);
        }
        fs::create_dir_all(&folder).unwrap();
        Self { folder, tree }
    }

    fn result(&self, seed: u64) -> Option<Value> {
        let text = fs::read_to_string(self.folder.join(format!("{seed}.json"))).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn keep(&self, seed: u64, outcome: Option<&Outcome>) {
        let result = outcome.map_or_else(|| json!({ "failure": "it panicked" }), result);
        if let Some(outcome) = outcome.filter(|outcome| !outcome.failure.is_empty()) {
            fs::write(self.folder.join(format!("{seed}.log")), &outcome.journal).unwrap();
        }
        fs::write(self.folder.join(format!("{seed}.json")), result.to_string()).unwrap();
    }
}

fn result(outcome: &Outcome) -> Value {
    let stores: BTreeMap<&str, Value> = outcome
        .stores
        .by_name
        .iter()
        .map(|(name, it)| {
            let store = json!({
                "expected": outcome.stores.expected, "records": it.records, "lost": it.lost,
                "doubled": it.doubled, "foreign": it.foreign, "disordered": it.disordered,
                "damaged": it.damaged,
            });
            (name.as_str(), store)
        })
        .collect();
    let faults: Vec<_> = outcome.faults.iter().map(ToString::to_string).collect();
    json!({ "failure": outcome.failure, "faults": faults, "stores": stores })
}

fn table<'a>(
    first: u64,
    runs: u64,
    failed: &[u64],
    tree: &str,
    results: impl Iterator<Item = &'a Value>,
) -> String {
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let mut stores: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for result in results {
        for fault in result["faults"].as_array().into_iter().flatten() {
            *faults.entry(fault.as_str().unwrap()).or_default() += 1;
        }
        for (name, store) in result["stores"].as_object().into_iter().flatten() {
            let sums = stores.entry(name).or_insert_with(|| vec![0; 1 + COLUMNS.len()]);
            for (sum, column) in sums.iter_mut().zip(["expected"].iter().chain(&COLUMNS)) {
                *sum += store[column].as_u64().unwrap_or_default();
            }
        }
    }
    let mut text = format!(
        "{runs} runs, seeds {first} to {}, {tree}: {} failed{}.\n\nEvery fault that is counted was \
         seen to be one: the killed process had lived, the full disk refused a write, the stalled \
         network held something back.\n\n| fault | times |\n|---|--:|\n",
        first + runs - 1,
        failed.len(),
        if failed.is_empty() { String::new() } else { format!(", seeds {failed:?}") },
    );
    for (fault, times) in faults {
        let _ = writeln!(text, "| {fault} | {times} |");
    }
    text += "\n| store | recorded | found | lost | doubled | foreign | out of order | lost or late \
             by damage to the spool |\n|---|--:|--:|--:|--:|--:|--:|--:|\n";
    for (name, sums) in stores {
        let cells: String = sums.iter().map(|sum| format!(" {sum} |")).collect();
        let _ = writeln!(text, "| {name} |{cells}");
    }
    text
}

/// Puts results in the place of the earlier ones.
pub fn write(begin: &str, end: &str, results: &str) {
    let path = repository().join("docs/RELIABILITY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    fs::write(path, format!("{before}{begin}\n\n{results}\n{end}{after}")).unwrap();
}
