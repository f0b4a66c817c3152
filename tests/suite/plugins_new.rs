//! What `dataserver plugins new` makes is built, tested and run, without the network.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use harness::{Bench, build_dir, python_package, repository};

/// What the example of each kind shows when its pipeline has run.
const KINDS: [(&str, &str); 3] = [
    // kind, text in the output
    ("source", "\"close\":10.05"),
    ("transform", "\"amount\":1225500"),
    ("sink", "4 records so far"),
];

/// Dependencies are built once for all crates.
fn target_dir() -> PathBuf {
    build_dir().parent().unwrap().join("plugins-new")
}

fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target_dir())
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} in {}:\n{text}", folder.display());
    output
}

fn new(bench: &Bench, name: &str, kind: &str, more: &[&str]) -> harness::Run {
    let sdk = repository();
    let mut arguments =
        vec!["plugins", "new", name, "--kind", kind, "--sdk", sdk.to_str().unwrap()];
    arguments.extend(more);
    bench.run(&arguments)
}

/// Builds, tests, shows and runs a crate of each kind.
fn try_all_kinds(
    carrier: &str,
    more: &[&str],
    test: &str,
    built: &str,
    file: impl Fn(&str) -> String,
) {
    let bench = Bench::new(&[]);
    for (kind, shown) in KINDS {
        let name = format!("my-{kind}-{carrier}");
        new(&bench, &name, kind, more).assert(0, &["cargo build --release", "dataserver run"]);
        let folder = bench.path(&name);
        let tested = cargo(&folder, &[test]);
        let report = String::from_utf8_lossy(&tested.stdout).into_owned();
        assert!(report.contains("keeps_its_contract ... ok"), "{report}");
        cargo(&folder, &["build", "--release"]);

        // the target folder of this test is another than the pipeline file says
        let library = target_dir().join(built).join(file(&name));
        let place = folder.join("target").join(built);
        fs::create_dir_all(&place).unwrap();
        fs::copy(&library, place.join(file(&name))).unwrap();
        let show = bench.run_in(&name, &["plugins", "show", &name]);
        show.assert(0, &[&format!("[{kind}s.ID]"), &format!("({carrier}, plugin API")]);
        bench.run_in(&name, &["check"]).assert(0, &[]);
        bench.run_in(&name, &["run"]).assert(0, &[shown]);
    }
}

#[test]
fn a_new_native_crate_of_each_kind_builds_passes_its_test_and_runs() {
    try_all_kinds("native", &[], "test", "release", |name| {
        format!("libdataserver_{}.so", name.replace('-', "_"))
    });
}

#[test]
fn a_new_wasm_crate_of_each_kind_builds_passes_its_test_and_runs() {
    try_all_kinds("wasm", &["--wasm"], "test-native", "wasm32-wasip2/release", |name| {
        format!("dataserver_{}.wasm", name.replace('-', "_"))
    });
}

#[test]
fn a_new_file_in_python_of_each_kind_passes_its_test_and_runs() {
    let bench = Bench::new(&[]);
    for (kind, shown) in KINDS {
        let name = format!("my-{kind}");
        let made = bench.run(&["plugins", "new", &name, "--kind", kind, "--python"]);
        made.assert(0, &["python3 -m dataserver.plugin test plugins/my-", "dataserver run"]);
        let show = bench.run_in(&name, &["plugins", "show", &name]);
        show.assert(0, &[&format!("[{kind}s.ID]"), "(process, plugin API"]);
        bench.run_in(&name, &["check"]).assert(0, &[]);
        let options = if kind == "transform" { "{\"min_amount\": 1.0}" } else { "{}" };
        let file = format!("plugins/{name}.py");
        let tested = Command::new("python3")
            .args(["-m", "dataserver.plugin", "test", &file, "--options", options])
            .env("PYTHONPATH", python_package())
            .current_dir(bench.path(&name))
            .output()
            .unwrap();
        let faults = String::from_utf8_lossy(&tested.stderr).into_owned();
        assert!(tested.status.success(), "{kind}: {faults}");
        bench.run_in(&name, &["run"]).assert(0, &[shown]);
    }
}

#[test]
fn a_folder_that_is_there_stays_as_it_is() {
    let bench = Bench::new(&[]);
    bench.write("mine/notes.txt", "precious");
    new(&bench, "mine", "sink", &[]).assert(1, &["mine", "--path"]);
    assert_eq!(fs::read_dir(bench.path("mine")).unwrap().count(), 1);
    new(&bench, "mine", "sink", &["--path", "other"]).assert(0, &["cd other"]);
    assert!(bench.path("other/src/lib.rs").exists());
}

#[test]
fn names_that_are_no_ids_are_refused_with_what_is_allowed() {
    let bench = Bench::new(&[]);
    let long = "a".repeat(65);
    for name in ["My-Plugin", "1st", "a_b", "a--b", "a-", "ü", "", "../up", &long] {
        new(&bench, name, "sink", &[]).assert(1, &["a-z"]);
    }
    let left = fs::read_dir(bench.path(".")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["plugins"], "a refused crate left something behind");
}

#[test]
fn a_folder_without_the_plugin_api_is_no_sdk() {
    let bench = Bench::new(&[]);
    let run = bench.run(&["plugins", "new", "mine", "--kind", "sink", "--sdk", "plugins"]);
    run.assert(1, &["plugin-api", "--sdk"]);
    assert!(!bench.path("mine").exists());
}
