//! Measures the host and writes docs/BENCHMARKS.md; `make bench` runs it.
//!
//! Every figure is the best of several runs, and every ratio comes from one run of this program:
//! shared machines are too noisy for anything else.

// a figure that cannot be measured must not be made up
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::print_stdout)]

mod abi;
mod backfill;
mod feed;
mod hikyuu;
mod lake;
mod measure;
mod observer;
mod payload;
mod pipeline;
mod process;
mod python;
mod qq;
mod reload;
mod round;
mod stores;
mod wasm;

use std::{fmt::Write, fs, process::Command};

use measure::Row;

/// Name, title and measurement of a section of the report.
type Section = (&'static str, &'static str, fn() -> Vec<Row>);

fn main() {
    // cargo passes --bench, and a filter that chooses sections
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let sections: [Section; 15] = [
        ("payload", "Quotes as bytes: 500 quotes of five levels", payload::rows),
        ("abi", "The plugin boundary: one call of a sink with one batch of 500 quotes", abi::rows),
        ("pipeline", "The host: source.so → host → null.so, batches of 500 quotes", pipeline::rows),
        (
            "observer",
            "The observer: source.so → host → null.so, batches of 500 quotes, with and without who looks on",
            observer::rows,
        ),
        (
            "wasm",
            "The sandbox: a transform built in, in a library and in a component, 500 quotes",
            wasm::rows,
        ),
        (
            "process",
            "Processes: a plugin in a library and in a process of its own, and one in Python",
            process::rows,
        ),
        ("reload", "Reload: how long a component passes nothing on", reload::rows),
        (
            "lake",
            "The lake: a recorded morning of 20 securities, ten times over, to Parquet, zstd",
            lake::rows,
        ),
        ("feed", "The feed: 500-quote messages to one NNG subscriber over ipc", feed::rows),
        (
            "python",
            "The Python package: 5,500 quotes of five levels in 11 messages, from NNG's own publisher",
            python::rows,
        ),
        ("hikyuu", "The query server: requests over loopback, and a host under load", hikyuu::rows),
        ("qq", "The Tencent quote service: lines of 82 fields, rounds over loopback", qq::rows),
        ("backfill", "A backfill of ten million bars, and a live feed beside it", backfill::rows),
        ("stores", "Stores against their own tools, quotes of five levels", stores::rows),
        (
            "round",
            "A round of 5,500 securities each second, from receipt to commit, three stores at once; as shipped, \
             and with nothing held back to be joined",
            round::rows,
        ),
    ];
    let mut text = head();
    for (name, title, rows) in sections {
        if filter.as_ref().is_some_and(|filter| filter != name) {
            continue;
        }
        println!("{title}");
        let _ = write!(text, "\n## {title}\n\n| what | figure | against |\n|---|---|---|\n");
        for row in rows() {
            println!("  {row}");
            let _ = writeln!(text, "| {} | {} | {} |", row.what, row.figure, row.against);
        }
    }
    if filter.is_none() {
        let path = harness::repository().join("docs/BENCHMARKS.md");
        fs::write(&path, text).unwrap();
        println!("written to {}", path.display());
    }
}

fn head() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = Command::new("rustc").arg("--version").output().unwrap().stdout;
    let printed = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let repository = harness::repository().display().to_string();
    let commit = printed("git", &["-C", &repository, "describe", "--always", "--dirty"]);
    let folder = std::env::temp_dir().display().to_string();
    format!(
        "# Benchmarks\n\nWritten by `make bench` (release build, best of several runs; a shared machine, so read \
         differences under 30 % as noise).\n\nCommit {commit}, {}; {cores} cores of {}, Linux {}, files on {}; {}",
        printed("date", &["-u", "+%F"]),
        model.unwrap_or("an unnamed processor"),
        printed("uname", &["-r"]),
        printed("stat", &["-f", "-c", "%T", &folder]),
        String::from_utf8_lossy(&rustc)
    )
}
