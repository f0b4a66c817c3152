//! Random damage to the files of a spool, held against what it may cost.
//!
//! `SPOOL_SEEDS=N` tries so many seeds, from `SPOOL_FIRST_SEED=N` on.

use std::{collections::BTreeSet, fs};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    entry::Frame,
    layout::{Layout, SegmentContext},
    segment,
};

const SEEDS: u64 = 120;

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Attack {
    Flip,
    FlipMany,
    Length,
    Zero,
    ZeroPage,
    Noise,
    Cut,
    Empty,
    Repeat,
    RepeatOver,
    Swap,
    Insert,
    Remove,
}

const ATTACKS: [Attack; 13] = [
    Attack::Flip,
    Attack::FlipMany,
    Attack::Length,
    Attack::Zero,
    Attack::ZeroPage,
    Attack::Noise,
    Attack::Cut,
    Attack::Empty,
    Attack::Repeat,
    Attack::RepeatOver,
    Attack::Swap,
    Attack::Insert,
    Attack::Remove,
];

/// A batch in its file before the damage.
struct Entry {
    sequence: u64,
    at: usize,
    next: usize,
}

fn entries(path: &Path) -> Vec<Entry> {
    let named = segment::Named::of(path.to_owned()).unwrap();
    let layout = Layout::of_file(&named, &SegmentContext::default()).unwrap();
    let place = |it: u64| usize::try_from(it).unwrap();
    let entry = |it: &crate::layout::Placed| Entry {
        sequence: it.head.seq.sequence,
        at: place(it.at),
        next: place(it.next),
    };
    layout.entries.iter().map(entry).collect()
}

fn attack(how: Attack, bytes: &mut Vec<u8>, entries: &[Entry], random: &mut StdRng) {
    let length = bytes.len();
    let from = random.random_range(0..length);
    let some = random.random_range(1..=3_000.min(length - from));
    match how {
        Attack::Flip => bytes[from] ^= 1 << random.random_range(0..8),
        Attack::FlipMany => {
            for _ in 0..random.random_range(2..20) {
                bytes[random.random_range(0..length)] ^= 1 << random.random_range(0..8);
            }
        }
        Attack::Length => {
            let entry = &entries[random.random_range(0..entries.len())];
            for byte in &mut bytes[entry.at..entry.at + 20] {
                if random.random_bool(0.3) {
                    *byte = random.random();
                }
            }
            bytes[entry.at + random.random_range(0..20)] ^= 0x80;
        }
        Attack::Zero => bytes[from..from + some.min(64)].fill(0),
        Attack::ZeroPage => {
            let page = from / 4096 * 4096;
            bytes[page..length.min(page + 4096)].fill(0);
        }
        Attack::Noise => random.fill(&mut bytes[from..from + some]),
        Attack::Cut => bytes.truncate(from),
        Attack::Empty => bytes.clear(),
        Attack::Repeat => {
            let range = bytes[from..from + some].to_vec();
            let to = random.random_range(0..=length);
            bytes.splice(to..to, range);
        }
        Attack::RepeatOver => {
            let range = bytes[from..from + some].to_vec();
            let to = random.random_range(0..=length - some);
            bytes[to..to + some].copy_from_slice(&range);
        }
        Attack::Swap => {
            let half = some.div_ceil(2).min(length / 2);
            let first = random.random_range(0..=length - 2 * half);
            let second = random.random_range(first + half..=length - half);
            let (left, right) = bytes.split_at_mut(second);
            left[first..first + half].swap_with_slice(&mut right[..half]);
        }
        Attack::Insert => drop(bytes.splice(from..from, vec![0xa5; some])),
        Attack::Remove => drop(bytes.drain(from..from + some)),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Makes the segments of a spool ones as earlier hosts wrote them.
fn make_plain(folder: &Path) {
    for path in segments(folder) {
        let named = segment::Named::of(path.clone()).unwrap();
        let layout = Layout::of_file(&named, &SegmentContext::default()).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut bytes = b"DSSPOOL1".to_vec();
        for entry in &layout.entries {
            let at = usize::try_from(entry.next - entry.payload).unwrap();
            let payload = &whole[at..usize::try_from(entry.next).unwrap()];
            bytes.extend(entry.head.encode(Frame::Plain, payload));
            bytes.extend(payload);
        }
        fs::remove_file(&path).unwrap();
        fs::write(folder.join(format!("{:020}.seg", named.first)), bytes).unwrap();
    }
}

/// A spool of which one file is damaged.
struct Damaged {
    folder: TempDir,
    /// The file before, its batches, and the file now.
    before: Vec<u8>,
    all: Vec<Entry>,
    bytes: Vec<u8>,
    /// The last batch that is delivered, and the last one of all.
    done: u64,
    last: u64,
    about: String,
}

fn damaged(seed: u64, is_plain: bool) -> Damaged {
    let random = &mut StdRng::seed_from_u64(seed);
    let folder = folder();
    let mut spool = Spool::open(folder.path(), ROOM).unwrap().0;
    let last = random.random_range(40..200);
    for sequence in 1..=last {
        let records = usize::try_from(sequence % 9).unwrap() + 1;
        spool.append("clean", &batch("day", sequence, records), false).unwrap();
    }
    let done = random.random_range(0..last / 4);
    let given = numbers(&read_all(&mut spool));
    let delivered = &given[..usize::try_from(done).unwrap()];
    spool.offer(delivered.iter().copied()).unwrap();
    spool.commit(delivered.iter().copied()).unwrap();
    drop(spool);
    if is_plain {
        make_plain(folder.path());
    }
    let paths = segments(folder.path());
    let path = &paths[random.random_range(0..paths.len())];
    let before = fs::read(path).unwrap();
    let all = entries(path);
    let how = ATTACKS[random.random_range(0..ATTACKS.len())];
    let mut bytes = before.clone();
    attack(how, &mut bytes, &all, random);
    fs::write(path, &bytes).unwrap();
    let is_last = paths.last() == Some(path);
    let about = format!("seed {seed}, {how:?}, plain {is_plain}, last {is_last}");
    println!("{about}");
    Damaged { folder, before, all, bytes, done, last, about }
}

/// Opens the spool after the damage and checks everything about it.
fn run(seed: u64, is_plain: bool) {
    let Damaged { folder, before, all, bytes, done, last, about } = damaged(seed, is_plain);
    let touched: BTreeSet<u64> = all
        .iter()
        .filter(|it| {
            let entry = &before[it.at..it.next];
            bytes.get(it.at..it.next) != Some(entry) && !contains(&bytes, entry)
        })
        .map(|it| it.sequence)
        .collect();
    let seen = inspect(folder.path()).unwrap();
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    let lost: Vec<_> = touched.iter().copied().filter(|it| *it > done).collect();
    let whole: Vec<_> = (done + 1..=last).filter(|it| !touched.contains(it)).collect();
    assert_eq!(sequences(&read_all(&mut spool)), whole, "{about}");
    // a segment of earlier hosts does not say where it ends
    let is_told = !found.damage.is_empty() || found.unfinished.is_some();
    let ends_whole = is_plain && all.iter().any(|it| it.next == bytes.len());
    assert!(is_told || bytes == before || ends_whole, "{about}: nothing is told");
    let stretches: Vec<_> = found.damage.iter().map(|it| it.stretch.clone()).collect();
    let seen: Vec<_> = seen.segments.iter().flat_map(|it| it.damage.clone()).collect();
    assert_eq!(seen, stretches, "{about}: verify says the same");
    let counted: u64 = stretches.iter().map(|it| it.batches).sum();
    let is_exact = stretches.iter().all(|it| it.is_exact);
    assert!(!is_exact || is_plain || counted == lost.len() as u64, "{about}: {counted}, {lost:?}");
    for sequence in done + 1..=last {
        let records = usize::try_from(sequence % 9).unwrap() + 1;
        let again = spool.append("clean", &batch("day", sequence, records), false).unwrap();
        // behind a tail that is gone everything is new, and comes in order
        assert_eq!(again != Appended::Duplicate, lost.contains(&sequence), "{about}: {sequence}");
    }
    assert_eq!(sequences(&read_all(&mut spool)), lost, "{about}: what was lost comes again");
    drop(spool);
    let (mut spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!(found.damage, [], "{about}: it is told once");
    let read = sequences(&read_all(&mut spool));
    let mut sorted = read.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (done + 1..=last).collect::<Vec<_>>(), "{about}: all is there once");
    assert_eq!(spool.unacknowledged().places > 0, !stretches.is_empty(), "{about}");
    spool.acknowledge().unwrap();
    drop(spool);
    let (spool, found) = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!((found.damage.len(), spool.unacknowledged().places), (0, 0), "{about}");
}

fn seeds() -> std::ops::Range<u64> {
    let first = number("SPOOL_FIRST_SEED", 1);
    first..first + number("SPOOL_SEEDS", SEEDS)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

#[test]
fn damage_costs_just_the_batches_that_it_touches_and_is_told() {
    for seed in seeds() {
        run(seed, false);
    }
}

#[test]
fn damage_to_the_spool_of_an_earlier_host_costs_no_more() {
    for seed in seeds() {
        run(seed, true);
    }
}

#[test]
fn what_damage_leaves_is_read_in_order_and_again() {
    for (seed, is_plain) in seeds().flat_map(|seed| [(seed, false), (seed, true)]) {
        any_bytes::check(damaged(seed, is_plain).folder.path());
    }
}
