//! Whoever is killed at whatever moment: each record is in the stores, once.

use super::*;

/// Securities with other gaps each, of which the second source has what the first one lacks.
fn market() -> (Vec<Piece>, Past, Vec<Stored>) {
    let (mut first, mut second, mut gaps, mut expected) =
        (Held::new(), Held::new(), Vec::new(), Vec::new());
    for number in 0..24_i64 {
        let name = format!("{}.SH", 600_000 + number);
        let (from, to) = (number % 5, 20 + number % 7);
        let gap = Gap {
            symbol: name.clone(),
            from_us: T + from * MINUTE_US,
            to_us: T + to * MINUTE_US,
            records: u64::try_from(to - from + 1).unwrap(),
        };
        gaps.push(gap);
        // of every third security the first source has nothing, of every fourth a part
        let has = |minute: i64| number % 3 != 0 && (number % 4 != 0 || minute < 10);
        let all = -30..60;
        first.insert(name.clone(), all.clone().filter(|it| has(*it)).collect());
        second.insert(name.clone(), all.collect());
        for minute in from..=to {
            let source = if has(minute) { "first" } else { "second" };
            expected.push((name.clone(), T + minute * MINUTE_US, source.to_owned()));
        }
    }
    (plan(&gaps), Past::of(&[("first", first), ("second", second)]), expected)
}

fn sorted(mut stored: Vec<Stored>) -> Vec<Stored> {
    stored.sort();
    stored
}

#[test]
fn a_job_that_is_killed_again_and_again_stores_each_record_once() {
    for seed in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let (pieces, mut past, expected) = market();
        past.lies = seed % 2 == 1;
        begin(dir.path(), &["first", "second"], pieces);
        let (world, mut chance) = (RefCell::new(World::default()), Chance(seed));
        let mut kills = 0;
        let tally = loop {
            let life = 1 + chance.below(200 + 20 * kills);
            match run(dir.path(), &world, &mut past, (chance.below(1 << 32), life), u64::MAX) {
                Ok(tally) => break tally,
                Err(End::Halt(Halt::Stopping)) => kills += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
            assert!(kills < 1_000, "seed {seed} never ends");
        };
        let world = world.into_inner();
        let is_same = sorted(world.stored) == sorted(expected.clone());
        assert!(is_same, "seed {seed}, {kills} kills");
        assert!(world.most_pages <= MAX_PAGES, "{}", world.most_pages);
        assert_eq!((tally.written, tally.without_any), (expected.len() as u64, 0), "seed {seed}");
    }
}

#[test]
fn what_a_store_lets_go_of_is_given_again_under_its_numbers() {
    for seed in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let (pieces, mut past, expected) = market();
        begin(dir.path(), &["first", "second"], pieces);
        let world = RefCell::new(World::default());
        let lets_go = 1 + Chance(seed).below(150);
        run(dir.path(), &world, &mut past, (seed, u64::MAX), lets_go).unwrap();
        assert!(sorted(world.into_inner().stored) == sorted(expected), "seed {seed}");
    }
}

#[test]
fn nothing_that_a_page_has_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let (pieces, mut past, _) = market();
    let job = begin(dir.path(), &["second"], pieces);
    let world = RefCell::new(World::default());
    // killed where the first page is given
    while past.asked.is_empty() || unfinished(dir.path()).unwrap().unwrap().0.pages().unwrap() == 0
    {
        let life = 3 + past.asked.len() as u64 * 5;
        assert!(run(dir.path(), &world, &mut past, (1, life), u64::MAX).is_err());
    }
    past.asked.clear();
    run(dir.path(), &world, &mut past, (1, u64::MAX), u64::MAX).unwrap();
    assert!(past.asked.len() < job.pieces.len(), "{:?}", past.asked);
}
