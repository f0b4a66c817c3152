//! Dependencies run one way: schemas ← plugin-api ← host and plugins ← tests. The host is a program
//! over crates of its own: config and spool are leaves, the loader knows config, the engine these
//! three, and none of them the program. Plugins that speak NNG's protocol share `plugin-api/sp`,
//! which knows none of ours; `plugin-api/kit` is there for every plugin. What the Python package
//! shares with a plugin is a crate beside it (`bus`, `lake`, `streams`). One plugin stands at the
//! end, as the program does: the library that Hikyuu loads is a host with what it needs linked in,
//! because users copy a single file.

mod modules;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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

/// Ids of all shipped plugins: the folders in `plugins/` that hold a crate.
fn shipped() -> Vec<String> {
    let folders = fs::read_dir(repository().join("plugins")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    let crates = folders.filter(|folder| folder.join("Cargo.toml").exists());
    let ids: Vec<_> =
        crates.map(|it| it.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(ids.len() >= 16 && ids.iter().any(|id| id == "qq"), "{ids:?}");
    ids
}

/// All Rust files below a folder, by their paths within it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.extend((!entry.ends_with("target")).then_some(entry));
            } else if entry.extension().is_some_and(|it| it == "rs") {
                files.push(entry.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    files
}

fn is_of_tests(file: &Path) -> bool {
    file.with_extension("").iter().any(|name| name == "tests")
}

/// A file's lines without comments, and without items that are there for tests alone: as rustfmt
/// lays code out, one ends with a line that is indented like its attribute.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            let indent = |line: &str| line.len() - line.trim_start().len();
            lines.find(|it| {
                let ends = it.ends_with([';', '}', ',']) && !it.trim_start().starts_with("#[");
                ends && indent(it) == indent(line)
            });
        } else if !line.trim_start().starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
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
            "dataserver-days" => &["dataserver-schemas"],
            "dataserver-kit" => &["dataserver-plugin-api", "dataserver-sp"],
            "dataserver-config" | "dataserver-spool" => &["dataserver-plugin-api"],
            "dataserver-backfill" => &["dataserver-plugin-api", "dataserver-spool"],
            "dataserver-loader" => &["dataserver-config", "dataserver-plugin-api"],
            "dataserver-engine" => &[
                "dataserver-config",
                "dataserver-loader",
                "dataserver-plugin-api",
                "dataserver-spool",
            ],
            "dataserver-tests" => &["dataserver", "dataserver-plugin-api", "dataserver-sp"],
            "dataserver" => &[
                "dataserver-backfill",
                "dataserver-config",
                "dataserver-days",
                "dataserver-engine",
                "dataserver-loader",
                "dataserver-plugin-api",
                "dataserver-spool",
            ],
            "dataserver-plugin-hikyuu-dropin" => &[
                "dataserver",
                "dataserver-plugin-api",
                "dataserver-plugin-bars",
                "dataserver-plugin-clickhouse",
                "dataserver-plugin-hikyuu-server",
                "dataserver-plugin-nng-sub",
                "dataserver-plugin-parquet",
            ],
            "dataserver-plugin-nng-sub" => &["dataserver-bus", "dataserver-plugin-api"],
            "dataserver-plugin-parquet" => &["dataserver-lake", "dataserver-plugin-api"],
            "dataserver-plugin-redis-stream" => &["dataserver-plugin-api", "dataserver-streams"],
            "dataserver-python" => &[
                "dataserver-bus",
                "dataserver-lake",
                "dataserver-plugin-api",
                "dataserver-streams",
            ],
            "dataserver-plugin-ledger" => {
                &["dataserver-days", "dataserver-kit", "dataserver-plugin-api"]
            }
            _ => &["dataserver-plugin-api", "dataserver-sp", "dataserver-kit"],
        };
        for dependency in dependencies {
            assert!(allowed.contains(&dependency.as_str()), "{package} depends on {dependency}");
        }
    }
}

#[test]
fn wasmtime_is_named_by_the_loader_alone() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let naming = packages
        .iter()
        .filter(|package| package.dependencies.iter().any(|it| it.name.starts_with("wasmtime")));
    assert_eq!(naming.map(|it| it.name.as_str()).collect::<Vec<_>>(), ["dataserver-loader"]);
}

#[test]
fn the_host_names_no_plugin_outside_of_its_wings_for_hikyuu_and_days() {
    let shipped = shipped();
    let host = repository().join("host");
    let wings = ["src/hikyuu", "src/days"];
    let is_in_wing =
        |file: &PathBuf| wings.iter().any(|wing| file.starts_with(wing)) || is_of_tests(file);
    for file in files(&host).iter().filter(|file| !is_in_wing(file)) {
        let code = without_tests(&fs::read_to_string(host.join(file)).unwrap());
        for line in code.lines() {
            for id in &shipped {
                // a type of JSON Schema
                let is_type = id == "null" && file.ends_with("cli/plugins/mod.rs");
                let names = [format!("\"{id}\""), format!("`{id}`")];
                assert!(
                    is_type || !names.iter().any(|name| line.contains(name)),
                    "{}: {line}",
                    file.display()
                );
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
    for folder in ["host", "plugin-api", "plugins", "schemas"] {
        for file in files(&repository().join(folder)).iter().map(|it| Path::new(folder).join(it)) {
            let text = fs::read_to_string(repository().join(&file)).unwrap();
            let reads = |line: &str| calls.iter().any(|call| line.contains(call));
            if text.lines().any(|line| !line.trim_start().starts_with("//") && reads(line)) {
                readers.insert(file.display().to_string());
            }
        }
    }
    // the package runs in processes of its own
    let clocks = ["host/crates/engine/src/clock.rs", "plugin-api/python/src/clock.rs"];
    assert_eq!(readers, BTreeSet::from(clocks.map(str::to_owned)));
}
