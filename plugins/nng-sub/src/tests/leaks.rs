//! Threads and file descriptors after many connections and instances. Counted in a process of its
//! own, where no other test starts or opens any.

use std::{fs, process::Command};

use super::*;

const ROUNDS: usize = 50;
const CHILD: &str = "DATASERVER_NNG_SUB_LEAK_CHILD";

#[test]
fn many_instances_and_changes_leave_no_thread_and_no_descriptor_behind() {
    if std::env::var_os(CHILD).is_some() {
        return count_before_and_after();
    }
    let name = "tests::leaks::many_instances_and_changes_leave_no_thread_and_no_descriptor_behind";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the test was renamed");
}

fn count_before_and_after() {
    let entries = |folder: &str| fs::read_dir(folder).unwrap().count();
    let mut publisher = RawPublisher::new();
    let options = json!({ "dial": publisher.address() });
    let (threads, descriptors) = (entries("/proc/self/task"), entries("/proc/self/fd"));
    for round in 0..ROUNDS {
        let mut bench = Bench::with(options.clone());
        bench.source.next(Duration::ZERO).unwrap();
        publisher.accept();
        publisher.send(&list(round..round + 1));
        assert_eq!(numbers(&[bench.batch()]), [round]);
        let state = bench.source.export_state().unwrap().unwrap();
        let mut next = open(&options, &bench.host, &bench.folder).unwrap();
        next.import_state(&state).unwrap();
        // closed by one, dropped by the other
        std::mem::replace(&mut bench.source, next).close().unwrap();
        publisher.send(&list(round..round + 1));
        assert_eq!(numbers(&[bench.batch()]), [round]);
        drop(bench);
        assert!(publisher.is_left());
        publisher.hang_up();
    }
    assert_eq!(entries("/proc/self/task"), threads);
    assert_eq!(entries("/proc/self/fd"), descriptors);
}
