//! Many runs, and the table of what they showed in docs/RELIABILITY.md.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use harness::repository;

use super::{Outcome, check::Store, run};

const BEGIN: &str = "<!-- results of make soak -->";
const END: &str = "<!-- end of results -->";

/// Results of fewer runs are printed only.
const FEWEST_RUNS: u64 = 100;
/// Runs side by side; each waits more than it works.
const SIDE_BY_SIDE: usize = 3;

#[test]
#[ignore = "takes half an hour; make soak"]
fn soak() {
    let (runs, first) = (setting("SOAK_RUNS", 200), setting("SOAK_FIRST_SEED", 1_001));
    let next = AtomicU64::new(first);
    let outcomes: Mutex<BTreeMap<u64, Option<Outcome>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        return;
                    }
                    // a run that fails in another way than by its stores says so itself
                    let outcome = thread::spawn(move || run(seed)).join().ok();
                    outcomes.lock().unwrap().insert(seed, outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let failed: Vec<u64> = outcomes
        .iter()
        .filter(|(_, it)| it.as_ref().is_none_or(|it| !it.stores.are_right()))
        .map(|(seed, _)| *seed)
        .collect();
    let table = table(first, runs, &failed, outcomes.values().flatten());
    println!("{table}");
    // a look at a few seeds is no result
    if runs >= FEWEST_RUNS {
        write(&table);
    }
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}

/// A number that an environment variable may change.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn table<'a>(
    first: u64,
    runs: u64,
    failed: &[u64],
    outcomes: impl Iterator<Item = &'a Outcome>,
) -> String {
    let mut faults = BTreeMap::new();
    let mut stores: BTreeMap<&str, (u64, Store)> = BTreeMap::new();
    for outcome in outcomes {
        for fault in &outcome.faults {
            *faults.entry(fault).or_insert(0) += 1;
        }
        for (name, store) in &outcome.stores.by_name {
            let (expected, sum) = stores.entry(name).or_default();
            *expected += outcome.stores.expected;
            sum.records += store.records;
            sum.lost += store.lost;
            sum.doubled += store.doubled;
            sum.foreign += store.foreign;
            sum.disordered += store.disordered;
        }
    }
    let mut text = format!(
        "{runs} runs, seeds {first} to {}: {} failed.\n\n| fault | times |\n|---|--:|\n",
        first + runs - 1,
        failed.len()
    );
    for (fault, times) in faults {
        let _ = writeln!(text, "| {fault} | {times} |");
    }
    text += "\n| store | recorded | found | lost | doubled | foreign | out of order |\n\
             |---|--:|--:|--:|--:|--:|--:|\n";
    for (name, (expected, it)) in stores {
        let _ = writeln!(
            text,
            "| {name} | {expected} | {} | {} | {} | {} | {} |",
            it.records, it.lost, it.doubled, it.foreign, it.disordered
        );
    }
    text
}

/// Puts the results in the place of the earlier ones.
fn write(results: &str) {
    let path = repository().join("docs/RELIABILITY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    fs::write(path, format!("{before}{BEGIN}\n\n{results}\n{END}{after}")).unwrap();
}
