//! The files that are shipped work.

use harness::{Bench, repository};

/// A copy of the shipped tree with all plugins.
fn shipped() -> Bench {
    let bench = Bench::new(&[
        "bars",
        "console",
        "filter",
        "ledger",
        "nng-pub",
        "null",
        "parquet",
        "qq",
        "quality",
        "redis-stream",
        "replay",
    ]);
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(repository().join("config"))
        .arg(bench.path("config"))
        .status();
    assert!(copied.unwrap().success());
    bench
}

#[test]
fn every_shipped_pipeline_passes_its_check() {
    let bench = shipped();
    for file in std::fs::read_dir(repository().join("config")).unwrap() {
        let file = file.unwrap().file_name();
        let name = file.to_str().unwrap();
        if name.ends_with(".toml") {
            let path = format!("config/{name}");
            bench.run(&["check", "--offline", "-c", &path]).assert(0, &["is fine"]);
        }
    }
}

#[test]
fn paths_count_from_the_file_wherever_it_is_named_from() {
    let bench = shipped();
    for (folder, path) in
        [("config", "demo.toml"), ("config", "../config/demo.toml"), (".", "config/demo.toml")]
    {
        bench.run_in(folder, &["check", "--offline", "-c", path]).assert(0, &["is fine"]);
    }
}

#[test]
fn the_demo_runs() {
    let bench = shipped();
    let demo = bench.read("config/demo.toml");
    let port = harness::free_port();
    let socket = format!("ipc://{}", bench.path("demo.ipc").display());
    let demo = demo
        .replace("ipc:///tmp/dataserver_demo.ipc", &socket)
        .replace("127.0.0.1:9299", &format!("127.0.0.1:{port}"));
    bench.write("config/demo.toml", demo);
    let run = bench.run(&["run", "-c", "config/demo.toml"]);
    run.assert(0, &[]);
    assert_eq!((run.summary("morning", "out"), run.summary("lake", "out")), (21_995, 21_995));
    assert_eq!(run.stdout.lines().count() as u64, run.summary("screen", "out"));
}
