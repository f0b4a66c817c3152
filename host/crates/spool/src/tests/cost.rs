//! What the spool itself writes, in bytes: times would depend on the machine.

use super::*;

/// Offers and commits everything in groups, with so many workers at a time, and gives what was
/// written: data, and positions.
fn written(batches: u64, group: usize, workers: usize) -> (u64, u64) {
    let folder = folder();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap().0;
    let given = add(&mut spool, 1..=batches);
    let data = spool.used;
    assert_eq!(read_all(&mut spool).len(), given.len());
    let mut positions = 0;
    let mut count = |before: (u64, u64), after: (u64, u64)| {
        positions += if before.0 == after.0 { after.1 - before.1 } else { after.1 };
    };
    let mut in_flight = std::collections::VecDeque::new();
    let mut groups = given.chunks(group);
    while let Some(group) = groups.next() {
        let before = spool.journal.extent();
        spool.offer(group.iter().copied()).unwrap();
        count(before, spool.journal.extent());
        in_flight.push_back(group);
        while in_flight.len() >= workers || (groups.len() == 0 && !in_flight.is_empty()) {
            let before = spool.journal.extent();
            spool.commit(in_flight.pop_front().unwrap().iter().copied()).unwrap();
            count(before, spool.journal.extent());
        }
    }
    assert!(spool.is_idle());
    (data, positions)
}

#[test]
fn positions_cost_little_beside_the_data() {
    // batches of one record, the smallest there are
    for (batches, group, workers) in
        [(10_000, 10_000, 1), (40_000, 10_000, 4), (20_000, 500, 4), (5_000, 1, 1), (5_000, 1, 4)]
    {
        let (data, positions) = written(batches, group, workers);
        let share = positions * 100 / data;
        println!("{batches} in groups of {group}, {workers} workers: {share} % of {data}");
        assert!(share <= if group == 1 { 12 } else { 4 }, "{share} %");
    }
}

#[test]
fn a_long_backlog_is_read_once() {
    // a spool that looked at all that waits for every batch would take minutes
    let folder = folder();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap().0;
    let given = add(&mut spool, 1..=50_000);
    drop(spool);
    let (mut spool, found) = Spool::open(folder.path(), 1 << 30).unwrap();
    assert_eq!(found.entries, 50_000);
    for number in given {
        assert_eq!(spool.read_next().unwrap().unwrap().delivery(), number);
        spool.offer([number].into_iter()).unwrap();
        spool.commit([number].into_iter()).unwrap();
    }
    assert!(spool.is_idle());
}
