//! What an independent reader finds in the stores.

use std::collections::BTreeMap;

use harness::{python, repository};
use serde_json::{Value, json};

use super::{fault::Which, input::joined, pipeline, world::World};

/// What is wrong with a store.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// Records that it has.
    pub records: u64,
    /// Recorded ones that it has not.
    pub lost: u64,
    /// Recorded ones that it has too often.
    pub doubled: u64,
    /// Others than the recorded ones.
    pub foreign: u64,
    /// Those behind a later one of the same security.
    pub disordered: u64,
    /// Recorded ones that it has not, or late, because their spool was damaged just there.
    pub damaged: u64,
    /// Some of them, and files with overlapping numbers.
    pub examples: Vec<String>,
}

/// All stores of a run, by name.
#[derive(Debug)]
pub struct Stores {
    /// Records that each of them must have.
    pub expected: u64,
    /// What each of them has.
    pub by_name: BTreeMap<String, Store>,
}

impl Stores {
    /// What is wrong: nothing when each has all that was recorded and not damaged, once and in
    /// order.
    pub fn fault(&self) -> String {
        let wrong = self.by_name.iter().filter(|(_, it)| {
            it.records + it.damaged < self.expected
                || [it.lost, it.doubled, it.foreign, it.disordered] != [0; 4]
                || !it.examples.is_empty()
        });
        wrong.map(|(name, it)| format!("{name} of {}: {it:?}; ", self.expected)).collect()
    }

    /// Stores that lack damaged records, and how many.
    pub fn damaged(&self) -> impl Iterator<Item = (&str, u64)> {
        let lacks = self
            .by_name
            .iter()
            .map(|(name, it)| (name.as_str(), self.expected.saturating_sub(it.records)));
        lacks.filter(|(_, lacks)| *lacks > 0)
    }
}

/// Compares all stores with the recorded file.
pub fn stores(world: &World) -> Stores {
    let redis = |reader: &str, streams: &[&str]| {
        json!({
            "reader": reader, "port": world.keys.port(), "is_cluster": world.keys.is_cluster(),
            "streams": streams,
        })
    };
    let mut stores = json!({
        "streams of records": redis("redis_fields", &pipeline::FIELDS),
        "stream of batches": redis("redis_lists", &pipeline::LISTS),
    });
    stores["stream of batches"]["schema"] = json!(repository().join("schemas/spot.fbs"));
    for which in [Which::First, Which::Second].into_iter().filter(|which| world.has(*which)) {
        let copy = if which == Which::First { "" } else { " of the second host" };
        // each stream that the second host reads has a counting of its own
        let is_counted = which == Which::First;
        stores[format!("lake{copy}")] =
            json!({ "reader": "parquet", "lake": world.lake(which), "is_counted": is_counted });
        let (url, table) = (world.clickhouse.http_url(), pipeline::table(which));
        stores[format!("table{copy}")] =
            json!({ "reader": "clickhouse", "url": url, "table": table });
    }
    let what = json!({
        "input": joined(), "stores": stores, "may_lack": world.may_lack_by_store(),
    });
    let printed = python("delivery_check.py", &[&what.to_string()]).finish();
    let found: Value = serde_json::from_str(&printed).unwrap();
    let stores = found["stores"].as_object().unwrap();
    Stores {
        expected: found["expected"].as_u64().unwrap(),
        by_name: stores.iter().map(|(name, it)| (name.clone(), store(it))).collect(),
    }
}

fn store(found: &Value) -> Store {
    let number = |name: &str| found[name].as_u64().unwrap();
    let texts = |name: &str| found[name].as_array().cloned().unwrap_or_default();
    Store {
        records: number("records"),
        lost: number("lost"),
        doubled: number("doubled"),
        foreign: number("foreign"),
        disordered: number("disordered"),
        damaged: number("damaged"),
        examples: [texts("examples"), texts("overlaps")]
            .concat()
            .iter()
            .map(Value::to_string)
            .collect(),
    }
}
