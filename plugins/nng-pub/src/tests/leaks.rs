//! Threads and file descriptors after many subscribers. Counted in a process of its own, where no
//! other test starts or opens any.

use std::fs;

use kit::testing::is_alone;

use super::*;

const CONNECTS: usize = 200;

#[test]
fn many_subscribers_leave_no_thread_and_no_descriptor_behind() {
    if is_alone("tests::leaks::many_subscribers_leave_no_thread_and_no_descriptor_behind", "") {
        count_before_and_after();
    }
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
    wait_until("the threads' end", || entries("/proc/self/task") == listening_threads);
    assert_eq!(entries("/proc/self/fd"), listening_descriptors);
    bench.sink.close().unwrap();
    drop(bench);
    wait_until("the listeners' end", || entries("/proc/self/task") == threads);
    assert_eq!(entries("/proc/self/fd"), descriptors);
}
