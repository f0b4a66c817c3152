//! What damage may never do: pass for something else, cost much, or destroy what others need.

use std::{fs, time::Instant};

use super::*;
use crate::{
    Wrong,
    entry::{Frame, Head},
    layout::{Layout, SegmentContext},
    segment::{Named, Segment},
    streams::{ProducerStream, SeqNo},
};

fn stream() -> ProducerStream {
    ProducerStream { writer: "clean".to_owned(), source: "day".to_owned(), epoch: 1 }
}

fn head(number: u64) -> Head {
    let batch = batch("day", number, 1);
    Head { seq: SeqNo { sequence: number, part: 0 }, ..Head::of(number, stream(), &batch) }
}

#[test]
fn a_payload_that_looks_like_entries_is_never_taken_for_one() {
    let folder = folder();
    for is_plain in [false, true] {
        let mut segment = Segment::create(folder.path(), 10, None).unwrap();
        let forged = |number: u64| {
            let frames = [Frame::Plain, Frame::Marked(0), Frame::Marked(u64::MAX)];
            let entry = |frame: &Frame| head(number).encode(*frame, b"forged");
            frames
                .iter()
                .flat_map(|it| [entry(it), b"forged".to_vec()].concat())
                .collect::<Vec<_>>()
        };
        // numbers that others have, and numbers that nobody can have here
        let numbers = if is_plain { vec![5, 9, 1_000] } else { vec![11, 12, 13, 5, 1_000] };
        let payload: Vec<u8> = numbers.into_iter().flat_map(forged).collect();
        for number in [10, 20, 30] {
            segment.append(&head(number), &payload).unwrap();
        }
        let mut path = segment.path.clone();
        if is_plain {
            let mut bytes = b"DSSPOOL1".to_vec();
            for number in [10, 20, 30] {
                bytes.extend(head(number).encode(Frame::Plain, &payload));
                bytes.extend(&payload);
            }
            path = folder.path().join(format!("{:020}.seg", 10));
            fs::write(&path, bytes).unwrap();
        }
        // the front of the second entry
        let named = Named::of(path.clone()).unwrap();
        let context = SegmentContext {
            next_plain: Some(100),
            next_first: Some(100),
            ..SegmentContext::default()
        };
        let sound = Layout::of_file(&named, &context).unwrap();
        let at = usize::try_from(sound.entries[1].at).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[at..at + 12].fill(0xff);
        fs::write(&path, bytes).unwrap();
        let layout = Layout::of_file(&named, &context).unwrap();
        let there: Vec<_> = layout.entries.iter().map(|it| it.head.number).collect();
        assert_eq!(there, [10, 30], "plain {is_plain}");
    }
}

#[test]
fn a_large_segment_with_much_damage_is_searched_once() {
    let folder = folder();
    let mut segment = Segment::create(folder.path(), 1, None).unwrap();
    let payload = vec![0x5a; 200];
    let mut number = 0;
    while segment.bytes < 24 << 20 {
        number += 1;
        segment.append(&head(number), &payload).unwrap();
    }
    let mut bytes = fs::read(&segment.path).unwrap();
    for at in (100..bytes.len()).step_by(700) {
        bytes[at] ^= 1;
    }
    bytes[4 << 20..12 << 20].fill(0);
    fs::write(&segment.path, &bytes).unwrap();
    let plain = folder.path().join(format!("{:020}.seg", 1));
    // what the search without a mark likes least: every place may begin an entry
    let like = [200_u32.to_le_bytes(), [0; 4]].concat();
    fs::write(&plain, like.repeat(24 << 17)).unwrap();
    for path in [segment.path, plain] {
        let begin = Instant::now();
        let layout =
            Layout::of_file(&Named::of(path).unwrap(), &SegmentContext::default()).unwrap();
        println!("{} entries in {:?}", layout.entries.len(), begin.elapsed());
        // minutes if it were looked through again and again; the machine may be slow
        assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
    }
}

#[test]
fn files_of_a_newer_version_are_told_and_left_as_they_are() {
    let folder = folder();
    let mut spool = open(&folder);
    add(&mut spool, 1..=3);
    drop(spool);
    let newer = [
        ("00000000000000000001-00000000000000aa.seg", "DSSPOOL3 something else follows"),
        ("00000000000000000002.seg", "DSSPOOL7 something else follows"),
        ("00000000000000000003.seg4", "something else"),
    ];
    for (name, text) in newer {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for is_first in [true, false] {
        let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
        assert_eq!(sequences(&read_all(&mut spool)), [1, 2, 3]);
        let told: Vec<_> = found.damage.iter().map(|it| it.stretch.wrong).collect();
        assert_eq!(told, if is_first { vec![Wrong::Newer; 3] } else { vec![] });
        assert_eq!(spool.unacknowledged().places, 3);
        for (name, text) in newer {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), text);
        }
    }
}

#[test]
fn a_position_that_cannot_be_used_is_told_and_put_aside() {
    for (what, bytes) in [
        ("newer", Some(b"DSPOSN02 something else".to_vec())),
        ("damaged", Some(vec![0x11; 3_000])),
        ("is empty", Some(Vec::new())),
        ("gone", None),
    ] {
        for name in ["position.a", "position.b"] {
            let folder = folder();
            for round in 0..3 {
                let mut spool = open(&folder);
                let given = add(&mut spool, round * 3 + 1..=round * 3 + 3);
                read_all(&mut spool);
                spool.offer(given[..2].iter().copied()).unwrap();
                spool.commit(given[..1].iter().copied()).unwrap();
            }
            let path = folder.path().join(name);
            match &bytes {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
            assert_eq!(found.damage.len(), 1, "{what} {name}: {:?}", found.damage);
            let text = found.damage[0].text();
            assert!(text.contains(what) && text.contains(name), "{text}");
            let kept = found.damage[0].kept.clone().unwrap();
            assert_eq!(fs::read(kept).unwrap(), bytes.clone().unwrap_or_default());
            assert!(sequences(&read_all(&mut spool)).ends_with(&[9]), "{what} {name}");
            drop(spool);
            let (spool, found) = Spool::open(folder.path(), ROOM).unwrap();
            assert_eq!((found.damage.len(), spool.unacknowledged().places), (0, 1), "{what}");
        }
    }
}

#[test]
fn damage_in_the_middle_of_a_position_is_told() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=9);
    read_all(&mut spool);
    for number in &given[..8] {
        spool.offer([*number].into_iter()).unwrap();
        spool.commit([*number].into_iter()).unwrap();
    }
    let (_, end) = spool.journal.extent();
    drop(spool);
    flip(&folder.path().join("position.a"), usize::try_from(end / 2).unwrap());
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!(found.damage.len(), 1, "{:?}", found.damage);
    assert!(found.damage[0].text().contains("position.a"), "{}", found.damage[0].text());
    assert!(sequences(&read_all(&mut spool)).ends_with(&[9]));
}

#[test]
fn offered_batches_that_went_with_damage_in_the_middle_come_back_to_their_number_and_place() {
    let folder = folder();
    let mut spool = open(&folder);
    let given = add(&mut spool, 1..=9);
    read_all(&mut spool);
    spool.offer(given[1..8].iter().copied()).unwrap();
    let path = segments(folder.path()).remove(0);
    let ends: Vec<_> = {
        let layout = Layout::of_file(&Named::of(path.clone()).unwrap(), &SegmentContext::default());
        layout.unwrap().entries.iter().map(|it| usize::try_from(it.next).unwrap()).collect()
    };
    drop(spool);
    // the third, and the sixth and seventh
    for index in [2, 5, 6] {
        flip(&path, ends[index] - 1);
    }
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!((found.entries, found.awaited, found.damage.len()), (6, 3, 2));
    assert_eq!(numbers(&read_all(&mut spool)), given[..1]);
    for sequence in 1..=9 {
        let again = spool.append("clean", &batch("day", sequence, 1), false).unwrap();
        let number = given[usize::try_from(sequence).unwrap() - 1];
        let wanted = match sequence {
            3 | 6 | 7 => Appended::Deferred(number),
            _ => Appended::Duplicate,
        };
        assert_eq!(again, wanted, "{sequence}");
    }
    for _ in 0..3 {
        let read = read_all(&mut spool);
        assert_eq!(numbers(&read), given[given.len() - read.len()..]);
        assert_eq!(spool.group_of(given[1]), Some(7));
        drop(spool);
        let (opened, found) = Spool::open(folder.path(), ROOM).unwrap();
        assert_eq!((found.entries, found.damage.len()), (9, 0), "they are on disk, in their place");
        spool = opened;
    }
    assert_eq!(numbers(&read_all(&mut spool)), given);
    spool.commit(given.iter().copied()).unwrap();
    assert!(spool.is_idle());
    drop(spool);
    let (_, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!((found.entries, found.awaited), (0, 0));
    assert!(segments(folder.path()).len() <= 1, "what is delivered goes");
}

#[test]
fn a_file_that_goes_while_the_host_runs_is_told_and_the_others_go_on() {
    let folder = folder();
    let mut spool = open(&folder);
    let mut last = 0;
    while segments(folder.path()).len() < 3 {
        last += 1;
        add(&mut spool, last..=last);
    }
    spool.read_next().unwrap();
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    let read = sequences(&read_all(&mut spool));
    assert_eq!(read.last(), Some(&last));
    let findings = spool.take_findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].stretch.wrong, Wrong::Gone);
}
