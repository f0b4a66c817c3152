//! Dependencies run one way: schemas ← plugin-api ← host and plugins ← tests. Plugins that speak
//! NNG's protocol share `plugin-api/sp`, which knows none of ours. One plugin stands at the end, as
//! the program does: the library that Hikyuu loads is a host with what it needs linked in, because
//! users copy a single file.

use std::collections::BTreeMap;

use cargo_metadata::MetadataCommand;
use harness::repository;

#[test]
fn crates_depend_on_each_other_in_one_direction_only() {
    let metadata = MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
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
            _ => &["dataserver-plugin-api", "dataserver-sp"],
        };
        for dependency in dependencies {
            assert!(allowed.contains(&dependency.as_str()), "{package} depends on {dependency}");
        }
    }
}

#[test]
fn the_host_names_no_plugin() {
    let shipped = ["nng-pub", "parquet", "replay", "clickhouse", "redis-stream", "hikyuu-server"];
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
            let text = std::fs::read_to_string(&entry).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().lines();
            for line in code.filter(|line| !line.trim_start().starts_with("//")) {
                for id in shipped {
                    assert!(!line.contains(&format!("\"{id}\"")), "{}: {line}", entry.display());
                }
            }
        }
    }
}
