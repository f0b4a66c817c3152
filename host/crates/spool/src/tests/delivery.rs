//! What is offered, delivered, sent again and offered again.

use super::*;

#[test]
fn what_was_not_committed_comes_again_with_the_same_numbers() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=5);
    let read = read_all(&mut spool);
    assert_eq!((numbers(&read), sequences(&read)), (given.clone(), vec![1, 2, 3, 4, 5]));
    spool.offer(given[..3].iter().copied()).unwrap();
    spool.commit(given[..2].iter().copied()).unwrap();
    assert_eq!((spool.committed(), spool.last()), (given[1], given[4]));
    drop(spool);
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!((found.entries, found.records, found.awaited), (3, 3, 0));
    assert_eq!(numbers(&read_all(&mut spool)), given[2..]);
    spool.commit(given[2..].iter().copied()).unwrap();
    drop(spool);
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!((found.entries, read_all(&mut spool)), (0, vec![]));
    assert!(add(&mut spool, 6..=6)[0] > given[4]);
}

#[test]
fn a_batch_comes_back_as_it_was() {
    let folder = folder();
    let mut given =
        batch("day", 7, 3).numbered(9, 7, 2).with_round(Round { first: true, last: false });
    let mut provenance = given.provenance().clone();
    provenance.received_at_us = 1_700_000_000_000_000;
    given = given.with_provenance(provenance);
    let bars = plugin_api::testing::bar_batch();
    let mut spool = open(&folder);
    let number = spool.append("clean", &given, false).unwrap();
    assert_eq!(number, Appended::New(1_700_000_000_000_000));
    assert_eq!(spool.append("bars", &bars, false).unwrap(), Appended::New(1_700_000_000_000_001));
    let read = spool.read_next().unwrap().unwrap();
    let about = |batch: &Batch| {
        let it = batch.provenance();
        let place = (it.source().to_owned(), it.epoch, it.sequence, it.part, it.received_at_us);
        (batch.kind(), batch.round(), batch.records(), place, batch.payload().to_vec())
    };
    assert_eq!(about(&read), about(&given));
    assert_eq!(read.delivery(), 1_700_000_000_000_000);
    assert_eq!(about(&spool.read_next().unwrap().unwrap()), about(&bars));
}

#[test]
fn what_is_sent_again_is_known_while_it_waits_and_when_it_is_delivered() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=4);
    for round in 0..3 {
        for sequence in 1..=4 {
            let again = spool.append("clean", &batch("day", sequence, 1), false).unwrap();
            assert_eq!(again, Appended::Duplicate, "round {round}, {sequence}");
        }
        assert_eq!(read_all(&mut spool).len(), if round == 0 { 4 } else { 2 });
        spool.commit(given[..2].iter().copied()).unwrap();
        spool = open(&folder);
    }
    let other = spool.append("other", &batch("day", 1, 1), false).unwrap();
    assert!(matches!(other, Appended::New(_)), "another way: {other:?}");
}

#[test]
fn batches_that_nobody_numbered_are_all_taken() {
    let folder = folder();
    let mut spool = open(&folder);
    add(&mut spool, 0..=0);
    add(&mut spool, 0..=0);
    drop(spool);
    assert_eq!(read_all(&mut open(&folder)).len(), 2);
}

#[test]
fn several_workers_commit_in_any_order_and_nothing_committed_comes_again() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=8);
    read_all(&mut spool);
    for group in given.chunks(2) {
        spool.offer(group.iter().copied()).unwrap();
    }
    spool.commit(given[6..].iter().copied()).unwrap();
    spool.commit(given[2..4].iter().copied()).unwrap();
    assert_eq!(spool.committed(), 0);
    // twice: what the first restart does not touch must outlive it
    for _ in 0..2 {
        drop(spool);
        spool = open(&folder);
        let mut read = vec![spool.read_next().unwrap().unwrap().delivery()];
        spool.offer(read.iter().copied()).unwrap();
        read.extend(numbers(&read_all(&mut spool)));
        assert_eq!(read, [given[0], given[1], given[4], given[5]]);
    }
    spool.commit([given[0], given[1], given[4]].into_iter()).unwrap();
    assert_eq!(spool.committed(), given[4]);
    spool.commit([given[5]].into_iter()).unwrap();
    assert_eq!(spool.committed(), given[7]);
    assert!(spool.is_idle());
}

#[test]
fn groups_come_again_as_they_were_offered() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=9);
    read_all(&mut spool);
    for group in [0..2, 2..6, 6..7] {
        spool.offer(given[group].iter().copied()).unwrap();
    }
    // the second is taken apart
    spool.commit([given[3]].into_iter()).unwrap();
    for _ in 0..3 {
        drop(spool);
        spool = open(&folder);
        let read = numbers(&read_all(&mut spool));
        assert_eq!(read, [0, 1, 2, 4, 5, 6, 7, 8].map(|at| given[at]));
        let groups: Vec<_> = read.iter().map(|number| spool.group_of(*number)).collect();
        assert_eq!(groups, [Some(2), None, Some(3), None, None, Some(1), None, None]);
        // the first is offered again, before the next crash
        spool.offer(given[..2].iter().copied()).unwrap();
    }
}

#[test]
fn batches_that_are_kept_are_not_read_but_come_after_a_crash() {
    let folder = folder();
    let mut spool = open(&folder);
    let kept: Vec<_> = (1..=3)
        .map(|sequence| match spool.append("clean", &batch("day", sequence, 1), true).unwrap() {
            Appended::New(number) => number,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read_all(&mut spool), []);
    spool.offer(kept[..2].iter().copied()).unwrap();
    spool.commit(kept[..1].iter().copied()).unwrap();
    spool = open(&folder);
    let unread = spool.append("clean", &batch("day", 4, 1), true).unwrap();
    assert!(matches!(unread, Appended::Deferred(_)), "there is more before it: {unread:?}");
    assert_eq!(sequences(&read_all(&mut spool)), [2, 3, 4]);
}

#[test]
fn batches_can_be_committed_without_having_been_offered() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=4);
    read_all(&mut spool);
    spool.commit([given[2]].into_iter()).unwrap();
    spool.commit([given[0]].into_iter()).unwrap();
    spool = open(&folder);
    assert_eq!(sequences(&read_all(&mut spool)), [2, 4]);
}

#[test]
fn segments_go_when_all_in_them_is_delivered() {
    let folder = folder();
    let mut spool = open(&folder);
    let mut given = Vec::new();
    while segments(folder.path()).len() < 4 {
        let sequence = given.len() as u64 + 1;
        given.extend(add(&mut spool, sequence..=sequence));
    }
    assert!(!spool.is_idle());
    let read = read_all(&mut spool);
    assert_eq!(numbers(&read), given);
    let used = spool.used;
    spool.commit(given[..given.len() / 2].iter().copied()).unwrap();
    assert!(spool.used < used && segments(folder.path()).len() < 4);
    spool.commit(given[given.len() / 2..].iter().copied()).unwrap();
    assert_eq!(segments(folder.path()).len(), 1, "the last one is nearly empty");
    let length = std::fs::metadata(&segments(folder.path())[0]).unwrap().len();
    assert_eq!(spool.used + END, length);
}

#[test]
fn a_batch_larger_than_the_spool_has_room_when_nothing_waits() {
    let folder = folder();
    let mut spool = Spool::open(folder.path(), 1_000).unwrap().0;
    let (large, next) = (batch("day", 1, 1_000), batch("day", 2, 1));
    assert!(spool.has_room("clean", &large));
    spool.append("clean", &large, false).unwrap();
    assert!(!spool.has_room("clean", &next));
    assert!(spool.has_room("clean", &large), "what is there needs no room");
    let read = numbers(&read_all(&mut spool));
    assert!(!spool.has_room("clean", &next), "it is under way");
    spool.commit(read.into_iter()).unwrap();
    assert!(spool.has_room("clean", &next));
}
