//! Plugins built against another plugin-api are refused in a line, not run.

use std::{fs, path::Path, process::Command};

use harness::{Bench, build_dir, repository};

/// Builds a plugin against a copy of plugin-api in which a text was replaced.
fn build_against(name: &str, file: &str, from: &str, to: &str) -> std::path::PathBuf {
    let folder = build_dir().join("patched-api").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for part in ["schemas", "plugin-api", "plugins/null", "tests/fixtures", "rustfmt.toml"] {
        copy(&repository().join(part), &folder.join(part));
    }
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members")).unwrap();
    let fewer = r#"members = ["schemas", "plugin-api", "plugins/null"]"#;
    // without optimisation: what counts is the layout
    let (manifest, _profiles) = manifest.split_once("[profile.").unwrap();
    let manifest = manifest.replace(members, fewer) + "[profile.dev]\ndebug = false\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(repository().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    let patched = folder.join("plugin-api/src").join(file);
    let text = fs::read_to_string(&patched).unwrap();
    assert!(text.contains(from), "{file} has changed; mend this test");
    fs::write(patched, text.replacen(from, to, 1)).unwrap();

    let target = build_dir().join("patched-api/target");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "-p", "dataserver-plugin-null"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .unwrap();
    assert!(built.success());
    let library = folder.join("libnull.so");
    fs::copy(target.join("debug/libdataserver_null.so"), &library).unwrap();
    library
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

const PIPELINE: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\n\
    [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n";

#[test]
fn a_plugin_for_another_api_or_with_other_types_is_refused_in_a_line() {
    let other_version = build_against(
        "version",
        "manifest.rs",
        "CURRENT: Self = Self { major: 1,",
        "CURRENT: Self = Self { major: 2,",
    );
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(PIPELINE);
    fs::copy(other_version, bench.path("plugins/libnull.so")).unwrap();
    bench
        .run(&["run"])
        .assert(78, &["libnull.so", "was built for plugin API 2.0, this host has 1.0", "rebuild"]);

    let other_types = build_against(
        "layout",
        "context.rs",
        "    Debug,\n}",
        "    Debug,\n    /// Added.\n    Trace,\n}",
    );
    fs::copy(other_types, bench.path("plugins/libnull.so")).unwrap();
    let run = bench.run(&["run"]);
    run.assert(78, &["libnull.so", "types differ", "rebuild", "details: "]);
    assert!(run.stderr.len() < 2_000, "the long report belongs into its file");
    let reports = fs::read_dir(bench.path("data")).unwrap();
    let report = reports
        .map(|it| it.unwrap().path())
        .find(|it| it.extension().is_some_and(|it| it == "txt"));
    assert!(fs::metadata(report.unwrap()).unwrap().len() > 1_000);
    // a supervisor that starts the host again and again does not fill the disk
    bench.run(&["run"]).assert(78, &["details: "]);
    let reports = fs::read_dir(bench.path("data")).unwrap().count();
    assert_eq!(reports, 1);
    // the folder's other plugins work
    bench.pipeline(&PIPELINE.replace("\"null\"", "\"faulty\"")).run(&["run"]).assert(0, &[]);
}
