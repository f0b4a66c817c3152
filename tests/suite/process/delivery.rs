//! Children that are killed at any moment: nothing is lost, nothing is there twice.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, Random, python, seed};

const BATCHES: u64 = 200;
/// Transforms and sinks, each of which is killed once.
const EACH: usize = 10;

/// Pids of the children that the host has now.
fn children(host: &Host) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", host.pid())).into_iter().flatten().flatten();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children"));
    let lists: Vec<_> = tasks.filter_map(|task| of_task(task).ok()).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

/// The transforms lead to sinks of their own that write numbers; the stores are SQLite.
fn pipeline() -> String {
    let mut text = format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = {BATCHES}\nrecords = 3\nsymbols = 5\n\
         pace = \"10ms\"\n"
    );
    for number in 0..EACH {
        text += &format!(
            "[transforms.t{number}]\nplugin = \"py-pass\"\ninputs = [\"day\"]\n\
             [sinks.f{number}]\nplugin = \"faulty\"\ninputs = [\"t{number}\"]\nlog = \"f{number}.log\"\n\
             [sinks.s{number}]\nplugin = \"py-store\"\ninputs = [\"day\"]\npath = \"s{number}.db\"\n"
        );
    }
    text
}

#[test]
fn children_killed_at_twenty_moments_lose_nothing_and_double_nothing() {
    let mut random = Random::new(seed(20_261_130));
    let bench = Bench::new(&["faulty"]);
    bench.install_python("pass");
    bench.install_python("store");
    let host = bench.pipeline(&pipeline()).start();
    host.wait_for("the pipeline runs");
    let first = children(&host);
    assert_eq!(first.len(), 2 * EACH, "{first:?}");
    // in the first second of the two that the source takes
    let mut moments: BTreeMap<u64, u32> = BTreeMap::new();
    for pid in first {
        let mut moment = random.between(0, 1_000_000);
        while moments.contains_key(&moment) {
            moment += 1;
        }
        moments.insert(moment, pid);
    }
    let began = Instant::now();
    for (moment, pid) in moments {
        let moment = Duration::from_micros(moment);
        while began.elapsed() < moment {
            thread::park_timeout(moment.saturating_sub(began.elapsed()));
        }
        let killed = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
        rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    }
    let run = host.wait();
    run.assert(0, &["was ended with SIGKILL"]);
    for number in 0..EACH {
        let written = bench.sequences(&format!("f{number}.log"));
        assert_eq!(written, (1..=3 * BATCHES).collect::<Vec<_>>(), "transform {number}");
        let database = bench.path(&format!("s{number}.db")).display().to_string();
        let kept = python("kept_batches.py", &[&database]).finish();
        assert_eq!(kept.trim(), format!("{BATCHES} {}", 3 * BATCHES), "store {number}");
    }
}
