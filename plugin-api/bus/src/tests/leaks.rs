//! Threads and file descriptors after many connections and instances. Counted in a process of its
//! own, where no other test starts or opens any.

use std::fs;

use kit::testing::is_alone;

use super::*;

const ROUNDS: usize = 50;

#[test]
fn many_instances_and_changes_leave_no_thread_and_no_descriptor_behind() {
    if is_alone(
        "tests::leaks::many_instances_and_changes_leave_no_thread_and_no_descriptor_behind",
        "",
    ) {
        count_before_and_after();
    }
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
