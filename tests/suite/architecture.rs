//! Dependencies run one way: schemas ← plugin-api ← host and plugins ← tests. Plugins that speak
//! NNG's protocol share `plugin-api/sp`, which knows none of ours. One plugin stands at the end, as
//! the program does: the library that Hikyuu loads is a host with what it needs linked in, because
//! users copy a single file.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, MetadataCommand};
use harness::repository;

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap()
}

/// Ids of all shipped plugins.
fn shipped() -> Vec<String> {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let in_plugins = packages
        .iter()
        .filter(|it| it.manifest_path.starts_with(metadata.workspace_root.join("plugins")));
    let ids: Vec<_> = in_plugins
        .filter_map(|it| it.name.strip_prefix("dataserver-plugin-").map(str::to_owned))
        .collect();
    assert!(ids.len() >= 16 && ids.iter().any(|id| id == "qq"), "{ids:?}");
    ids
}

#[test]
fn crates_depend_on_each_other_in_one_direction_only() {
    let metadata = metadata();
    let ours: BTreeMap<_, Vec<_>> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let dependencies = package.dependencies.iter().map(|it| it.name.clone());
            // every crate's tests may use the recordings
            let ours = dependencies
                .filter(|name| name.starts_with("dataserver") && name != "dataserver-fixtures");
            (package.name.to_string(), ours.collect())
        })
        .collect();
    for (package, dependencies) in ours {
        let allowed: &[&str] = match package.as_str() {
            "dataserver-schemas" | "dataserver-sp" => &[],
            "dataserver-plugin-api" => &["dataserver-schemas"],
            "dataserver-kit" => &["dataserver-plugin-api", "dataserver-sp"],
            "dataserver-tests" => &["dataserver", "dataserver-plugin-api", "dataserver-sp"],
            "dataserver" => &["dataserver-plugin-api"],
            "dataserver-plugin-hikyuu-dropin" => &[
                "dataserver",
                "dataserver-plugin-api",
                "dataserver-plugin-bars",
                "dataserver-plugin-clickhouse",
                "dataserver-plugin-hikyuu-server",
                "dataserver-plugin-nng-sub",
                "dataserver-plugin-parquet",
            ],
            _ => &["dataserver-plugin-api", "dataserver-sp", "dataserver-kit"],
        };
        for dependency in dependencies {
            assert!(allowed.contains(&dependency.as_str()), "{package} depends on {dependency}");
        }
    }
}

#[test]
fn the_host_names_no_plugin() {
    let shipped = shipped();
    // flags of Hikyuu's own commands; a type of JSON Schema
    let other_meanings =
        [("cli/collect.rs", "qq"), ("cli/collect.rs", "qmt"), ("cli/plugins/mod.rs", "null")];
    let mut folders = vec![repository().join("host/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                // host/src/hikyuu holds pipeline files that are shipped within the program
                if entry.file_name().is_some_and(|name| name != "tests" && name != "hikyuu") {
                    folders.push(entry);
                }
                continue;
            }
            if entry.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&entry).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().lines();
            for line in code.filter(|line| !line.trim_start().starts_with("//")) {
                for id in &shipped {
                    let is_other =
                        other_meanings.iter().any(|it| entry.ends_with(it.0) && it.1 == id);
                    assert!(
                        is_other || !line.contains(&format!("\"{id}\"")),
                        "{}: {line}",
                        entry.display()
                    );
                }
            }
        }
    }
}

#[test]
fn wall_time_is_read_in_one_file() {
    // as clippy.toml forbids them; it does not look into every crate that is compiled
    let calls = [
        "SystemTime::now",
        "UNIX_EPOCH.elapsed",
        "Zoned::now",
        "Timestamp::now",
        "Utc::now",
        "Local::now",
    ];
    let mut readers = BTreeSet::new();
    let mut folders: Vec<_> =
        ["host", "plugin-api", "plugins", "schemas"].map(|it| repository().join(it)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.extend((!entry.ends_with("target")).then_some(entry));
            } else if entry.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let reads = |line: &str| calls.iter().any(|call| line.contains(call));
                if text.lines().any(|line| !line.trim_start().starts_with("//") && reads(line)) {
                    readers.insert(entry.strip_prefix(repository()).unwrap().display().to_string());
                }
            }
        }
    }
    assert_eq!(readers, BTreeSet::from(["host/src/clock.rs".to_owned()]));
}
