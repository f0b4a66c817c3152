//! Damage at every byte, one after the other.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::*;
use crate::inspect;

/// Bytes before the first entry of a segment.
const HEADER: u64 = 28;

/// A spool of one segment, with where each of its entries ends.
fn sound() -> (TempDir, Vec<u64>) {
    let folder = folder();
    let mut spool = open(&folder);
    let ends = (1..=4).map(|sequence| {
        add(&mut spool, sequence..=sequence);
        spool.segments[0].bytes
    });
    let ends = ends.collect();
    (folder, ends)
}

/// A copy of a spool.
fn copy(from: &TempDir) -> TempDir {
    let to = folder();
    for entry in fs::read_dir(from.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

fn index(sequence: u64) -> usize {
    usize::try_from(sequence - 1).unwrap()
}

/// Opens a damaged spool, checks what is left, and has the source send everything again.
fn check(damaged: &TempDir, whole: &[u64], is_told: bool, about: &str) {
    let seen = inspect(damaged.path()).unwrap();
    let (mut spool, found) = Spool::open(damaged.path(), ROOM).unwrap();
    let count = whole.len() as u64;
    assert_eq!((seen.entries, found.entries), (count, count), "{about}");
    let stretches: Vec<_> = found.damage.iter().map(|it| it.stretch.clone()).collect();
    let seen: Vec<_> = seen.segments.iter().flat_map(|it| it.damage.clone()).collect();
    assert_eq!((&seen, seen.is_empty()), (&stretches, !is_told), "{about}");
    let mut missing = Vec::new();
    for sequence in 1..=4 {
        let again = spool.append("clean", &batch("day", sequence, 1), false).unwrap();
        assert_eq!(again == Appended::Duplicate, whole.contains(&sequence), "{about}, {sequence}");
        missing.extend((again != Appended::Duplicate).then_some(sequence));
    }
    let read = read_all(&mut spool);
    // behind the others, as they came later
    assert_eq!(sequences(&read), [whole, &missing].concat(), "{about}");
    assert!(read.is_sorted_by_key(|(number, _)| *number), "{about}: {read:?}");
    drop(spool);
    let (mut spool, found) = Spool::open(damaged.path(), ROOM).unwrap();
    assert_eq!(found.damage, [], "{about}: it is told once");
    assert_eq!(sequences(&read_all(&mut spool)), [whole, &missing].concat(), "{about}");
    assert_eq!(spool.unacknowledged().places > 0, is_told, "{about}");
}

#[test]
fn whatever_length_a_segment_is_cut_to_its_whole_entries_are_there() {
    let (folder, ends) = sound();
    let length = ends.last().unwrap() + END;
    for left in 0..=length {
        let damaged = copy(&folder);
        truncate(&segments(damaged.path())[0], length - left);
        let whole: Vec<_> = (1..=4).filter(|it| ends[index(*it)] <= left).collect();
        check(&damaged, &whole, left < length, &format!("cut to {left} bytes"));
    }
}

#[test]
fn whatever_byte_of_a_segment_is_spoilt_every_other_entry_is_there() {
    let (folder, ends) = sound();
    for at in 0..ends.last().unwrap() + END {
        let damaged = copy(&folder);
        flip(&segments(damaged.path())[0], usize::try_from(at).unwrap());
        let begins = [&[HEADER], &ends[..3]].concat();
        let is_hit = |it: &u64| (begins[index(*it)]..ends[index(*it)]).contains(&at);
        let whole: Vec<_> = (1..=4).filter(|it| !is_hit(it)).collect();
        check(&damaged, &whole, true, &format!("byte {at}"));
    }
}

#[test]
fn whatever_byte_of_a_full_segment_is_spoilt_what_is_missing_is_taken_again() {
    let folder = folder();
    let mut spool = open(&folder);
    let (mut last, mut begins) = (0, Vec::new());
    while segments(folder.path()).len() < 3 {
        last += 1;
        begins.extend(spool.segments.front().map(|first| first.bytes));
        spool.append("clean", &batch("day", last, 60), false).unwrap();
    }
    let end = spool.segments[0].bytes;
    begins.retain(|begin| *begin < end);
    begins.insert(0, HEADER);
    drop(spool);
    let edges = begins.iter().flat_map(|begin| *begin..*begin + 60);
    for at in edges.chain((HEADER..end).step_by(500)) {
        let damaged = copy(&folder);
        flip(&segments(damaged.path())[0], usize::try_from(at).unwrap());
        let missing = begins.iter().rposition(|begin| *begin <= at).unwrap() as u64 + 1;
        let (mut spool, found) = Spool::open(damaged.path(), ROOM).unwrap();
        assert_eq!((found.entries, found.damage.len()), (last - 1, 1), "byte {at}");
        let stretch = &found.damage[0].stretch;
        assert_eq!((stretch.batches, stretch.records, stretch.is_exact), (1, 60, true), "{at}");
        let again = (1..=last).filter(|sequence| {
            let batch = batch("day", *sequence, 60);
            spool.append("clean", &batch, false).unwrap() != Appended::Duplicate
        });
        assert_eq!(again.collect::<Vec<_>>(), [missing], "byte {at}");
        // behind the others, as it came later
        let wanted: Vec<_> = (1..=last).filter(|it| *it != missing).chain([missing]).collect();
        assert_eq!(sequences(&read_all(&mut spool)), wanted, "byte {at}");
    }
}

#[test]
fn whatever_byte_of_the_position_is_spoilt_everything_that_waits_is_there() {
    let (folder, _) = sound();
    let mut spool = open(&folder);
    let read = numbers(&read_all(&mut spool));
    spool.offer(read[..3].iter().copied()).unwrap();
    spool.commit(read[..1].iter().copied()).unwrap();
    drop(spool);
    for name in ["position.a", "position.b"] {
        for at in 0..400 {
            let damaged = copy(&folder);
            flip(&damaged.path().join(name), at);
            let read = read_all(&mut open(&damaged));
            assert!(read.ends_with(&[2, 3, 4].map(|it| (read_number(&read, it), it))), "{read:?}");
            assert!(read.is_sorted());
        }
        let damaged = copy(&folder);
        fs::remove_file(damaged.path().join(name)).unwrap();
        assert!(read_all(&mut open(&damaged)).len() >= 3);
    }
}

fn read_number(read: &[(u64, u64)], sequence: u64) -> u64 {
    read.iter().find(|(_, it)| *it == sequence).unwrap().0
}

#[test]
fn a_position_without_its_segments_and_segments_without_their_position_are_usable() {
    let (folder, _) = sound();
    let mut spool = open(&folder);
    let read = numbers(&read_all(&mut spool));
    spool.offer(read.iter().copied()).unwrap();
    spool.commit(read[..2].iter().copied()).unwrap();
    drop(spool);
    let without_segments = copy(&folder);
    fs::remove_file(&segments(without_segments.path())[0]).unwrap();
    let (mut spool, found) = Spool::open(without_segments.path(), ROOM).unwrap();
    assert_eq!((found.entries, found.awaited), (0, 2));
    assert_eq!(spool.append("clean", &batch("day", 2, 1), false).unwrap(), Appended::Duplicate);
    let again = spool.append("clean", &batch("day", 3, 1), false).unwrap();
    assert_eq!(again, Appended::Deferred(read[2]));
    for name in ["position.a", "position.b"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert_eq!(numbers(&read_all(&mut open(&folder))), read);
}

#[test]
fn offered_batches_that_are_gone_come_back_to_their_number_group_and_place() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=5);
    read_all(&mut spool);
    spool.offer(given[..1].iter().copied()).unwrap();
    spool.offer(given[1..5].iter().copied()).unwrap();
    spool.commit([given[4]].into_iter()).unwrap();
    drop(spool);
    // from the middle of the third on
    let path = segments(folder.path()).remove(0);
    truncate(&path, fs::metadata(&path).unwrap().len() / 2);
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!((found.entries, found.awaited), (2, 2));
    // the first group is whole, the second has to wait
    assert_eq!(numbers(&read_all(&mut spool)), given[..1]);
    assert!(spool.is_repairing());
    let other = spool.append("clean", &batch("night", 1, 1), true).unwrap();
    assert!(matches!(other, Appended::Deferred(number) if number > given[4]), "{other:?}");
    for sequence in 1..=5 {
        let again = spool.append("clean", &batch("day", sequence, 1), false).unwrap();
        let expected = match sequence {
            3 | 4 => Appended::Deferred(given[usize::try_from(sequence).unwrap() - 1]),
            _ => Appended::Duplicate,
        };
        assert_eq!(again, expected, "{sequence}");
    }
    let read = read_all(&mut spool);
    assert_eq!(sequences(&read), [2, 3, 4, 1]);
    assert_eq!(numbers(&read)[..3], given[1..4]);
    assert!(!spool.is_repairing());
    assert_eq!(spool.group_of(given[1]), Some(3));
    drop(spool);
    assert_eq!(read_all(&mut open(&folder)).len(), 5, "they are on disk");
}

#[test]
fn what_does_not_come_back_holds_the_rest_up_for_some_seconds_only() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=2);
    read_all(&mut spool);
    spool.offer(given.iter().copied()).unwrap();
    drop(spool);
    let path = segments(folder.path()).remove(0);
    truncate(&path, END + 1);
    for how in ["the source is past it", "nothing comes in any more"] {
        let folder = copy(&folder);
        let mut spool = open(&folder);
        assert_eq!(read_all(&mut spool), [], "{how}");
        match how {
            "the source is past it" => drop(add(&mut spool, 3..=3)),
            _ => spool.end_of_input(),
        }
        assert_eq!(numbers(&read_all(&mut spool))[0], given[0], "{how}");
        assert_eq!(spool.group_of(given[0]), Some(1), "{how}");
        // late, but not lost
        let late = add(&mut spool, 2..=2);
        assert!(late[0] > given[1], "{how}");
        assert_eq!(read_all(&mut spool), [(late[0], 2)], "{how}");
    }
}

#[test]
fn what_was_awaited_in_vain_is_taken_when_it_comes_after_all() {
    let folder = folder();
    let mut spool = open(&folder);
    let mut given = Vec::new();
    while segments(folder.path()).len() < 2 {
        let batch = batch("day", given.len() as u64 + 1, 60);
        match spool.append("clean", &batch, false).unwrap() {
            Appended::New(number) => given.push(number),
            other => panic!("{other:?}"),
        }
    }
    read_all(&mut spool);
    // the last one of a segment, which more segments follow
    let lost = given.len() - 2;
    spool.offer([given[lost]].into_iter()).unwrap();
    drop(spool);
    let first = segments(folder.path()).remove(0);
    flip(&first, usize::try_from(fs::metadata(&first).unwrap().len() - END).unwrap() - 1);
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!(found.awaited, 1);
    read_all(&mut spool);
    spool.end_of_input();
    assert_eq!(numbers(&read_all(&mut spool)), given[lost + 1..]);
    for sequence in 1..=given.len() {
        let again = spool.append("clean", &batch("day", sequence as u64, 60), false).unwrap();
        assert_eq!(again == Appended::Duplicate, sequence != lost + 1, "{sequence}: {again:?}");
    }
}

#[test]
fn a_source_that_is_at_it_is_awaited_longer_than_a_silent_one() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=3);
    read_all(&mut spool);
    spool.offer(given.iter().copied()).unwrap();
    drop(spool);
    truncate(&segments(folder.path()).remove(0), END + 1);
    let mut spool = open(&folder);
    assert_eq!(read_all(&mut spool), []);
    let until = |spool: &Spool| spool.repair.as_ref().and_then(|repair| repair.deadline());
    let first = until(&spool).unwrap();
    assert_eq!(spool.append("clean", &batch("day", 1, 1), false).unwrap(), Appended::Duplicate);
    let second = until(&spool).unwrap();
    assert!(second > first);
    spool.append("clean", &batch("night", 1, 1), false).unwrap();
    assert_eq!(until(&spool), Some(second), "others say nothing about it");
    let deadline = first + Duration::from_secs(60);
    while spool.is_repairing() {
        assert!(Instant::now() < deadline, "it is awaited for ever");
        std::thread::park_timeout(Duration::from_millis(5));
        read_all(&mut spool);
    }
}

#[test]
fn damage_that_shows_while_the_host_runs_is_told_and_taken_again_at_the_next_start() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=5);
    assert_eq!(spool.read_next().unwrap().unwrap().delivery(), given[0]);
    let path = segments(folder.path()).remove(0);
    let third = fs::metadata(&path).unwrap().len() / 2;
    flip(&path, usize::try_from(third).unwrap());
    assert_eq!(spool.read_next().unwrap().unwrap().delivery(), given[1]);
    assert_eq!(sequences(&read_all(&mut spool)), [4, 5]);
    let findings = spool.take_findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].text().contains(path.to_str().unwrap()), "{}", findings[0].text());
    assert_eq!((findings[0].stretch.records, findings[0].stretch.is_exact), (1, true));
    assert_eq!(spool.unacknowledged().records, 1);
    spool.commit(given.iter().copied()).unwrap();
    spool = open(&folder);
    assert_eq!(spool.take_findings(), [], "it is told once");
    for sequence in 1..=5 {
        let again = spool.append("clean", &batch("day", sequence, 1), false).unwrap();
        assert_eq!(again == Appended::Duplicate, sequence != 3, "{sequence}: {again:?}");
    }
    assert_eq!(sequences(&read_all(&mut spool)), [3]);
}

#[test]
fn foreign_files_in_the_folder_are_left_alone() {
    let (folder, _) = sound();
    for name in ["notes.txt", "lost.seg", "00000000000000000001.seg2"] {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    assert_eq!(read_all(&mut open(&folder)).len(), 4);
    for name in ["notes.txt", "lost.seg", "00000000000000000001.seg2"] {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "mine");
    }
}

#[test]
fn damage_that_grows_at_one_place_is_told_again_with_all_it_costs() {
    let (folder, ends) = sound();
    let path = segments(folder.path()).remove(0);
    for (spoilt, lost) in [(0, 1), (1, 2), (2, 3)] {
        flip(&path, usize::try_from(ends[spoilt] + 30).unwrap());
        for is_new in [true, false] {
            let (spool, found) = Spool::open(folder.path(), ROOM).unwrap();
            let told: Vec<_> = found.damage.iter().map(|it| it.stretch.records).collect();
            assert_eq!(told, if is_new { vec![lost] } else { vec![] });
            let known = spool.unacknowledged();
            assert_eq!((known.places, known.records), (1, lost));
        }
    }
    // what somebody knows of does not hide what comes later
    let acknowledged = crate::acknowledge(folder.path()).unwrap();
    assert_eq!((acknowledged.places, acknowledged.records), (1, 3));
    let (spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!((found.damage, spool.unacknowledged().places), (vec![], 0));
}

#[test]
fn a_segment_of_which_nothing_is_left_is_told_with_what_was_in_it() {
    let folder = folder();
    let mut spool = open(&folder);
    let mut last = 0;
    while segments(folder.path()).len() < 4 {
        last += 1;
        spool.append("clean", &batch("day", last, 60), false).unwrap();
    }
    drop(spool);
    let within = inspect(folder.path()).unwrap().segments[1].clone();
    for left in [0, 10, within.bytes] {
        let damaged = copy(&folder);
        let zeros = vec![0; usize::try_from(left).unwrap()];
        fs::write(&segments(damaged.path())[1], zeros).unwrap();
        let seen = inspect(damaged.path()).unwrap();
        let (_, found) = Spool::open(damaged.path(), ROOM).unwrap();
        let told: Vec<_> = found.damage.iter().map(|it| it.stretch.clone()).collect();
        let lost: u64 = told.iter().map(|it| it.records).sum();
        assert!(told.iter().all(|it| it.is_exact), "{left} bytes left: {told:?}");
        assert_eq!((lost, &seen.segments[1].damage), (within.records, &told), "{left} bytes left");
    }
}
