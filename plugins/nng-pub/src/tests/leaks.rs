//! Threads and file descriptors after many subscribers. Counted in a process of its own, where no
//! other test starts or opens any.

use std::{fs, process::Command};

use super::*;

const CONNECTS: usize = 200;
const CHILD: &str = "DATASERVER_NNG_PUB_LEAK_CHILD";

#[test]
fn many_subscribers_leave_no_thread_and_no_descriptor_behind() {
    if std::env::var_os(CHILD).is_some() {
        return count_before_and_after();
    }
    let name = "tests::leaks::many_subscribers_leave_no_thread_and_no_descriptor_behind";
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
    let (threads, descriptors) = (entries("/proc/self/task"), entries("/proc/self/fd"));
    let mut bench = Bench::new(json!({}));
    let (listening_threads, listening_descriptors) =
        (entries("/proc/self/task"), entries("/proc/self/fd"));
    for index in 0..CONNECTS {
        let address = if index.is_multiple_of(2) { bench.ipc() } else { bench.tcp() };
        let subscriber = bench.dial(&address);
        bench.write(numbered(index..index + 1, Round::WHOLE));
        drop(subscriber);
        bench.await_subscribers(0);
    }
    until("the threads' end", || entries("/proc/self/task") == listening_threads);
    assert_eq!(entries("/proc/self/fd"), listening_descriptors);
    bench.sink.close().unwrap();
    drop(bench);
    until("the listeners' end", || entries("/proc/self/task") == threads);
    assert_eq!(entries("/proc/self/fd"), descriptors);
}
