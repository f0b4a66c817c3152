//! Sources that are away, lack something, or lie.

use super::*;

fn held(of: &[(&str, std::ops::Range<i64>)]) -> Held {
    of.iter().map(|(name, minutes)| ((*name).to_owned(), minutes.clone().collect())).collect()
}

const FOUR: [&str; 4] = ["600000.SH", "600001.SH", "600002.SH", "600003.SH"];

fn fill(past: &mut Past, sources: &[&str]) -> (Tally, Vec<Stored>) {
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), sources, vec![piece(&FOUR, &[(0, 4)], 5)]);
    let world = RefCell::new(World::default());
    let tally = run(dir.path(), &world, past, (1, u64::MAX), u64::MAX).unwrap();
    (tally, world.into_inner().stored)
}

#[test]
fn one_security_of_which_nothing_is_there_costs_no_other() {
    let mut past = Past::of(&[(
        "past",
        held(&[("600000.SH", 0..9), ("600002.SH", 0..9), ("600003.SH", -5..5)]),
    )]);
    let (tally, stored) = fill(&mut past, &["past"]);
    assert_eq!((tally.written, tally.without_any, stored.len()), (15, 1, 15));
    assert_eq!(tally.faults, ["past: nothing of 600001.SH"]);
    let alone = past.asked.iter().filter(|(_, symbols)| symbols == &["600001.SH"]);
    assert_eq!(alone.count(), 1, "{:?}", past.asked);
}

#[test]
fn the_next_source_is_asked_for_what_the_one_before_lacks_alone() {
    let all = held(&FOUR.map(|name| (name, 0..9)));
    let some =
        held(&[("600000.SH", 0..9), ("600001.SH", 0..3), ("600002.SH", 0..9), ("600003.SH", 0..9)]);
    let mut past = Past::of(&[("first", some), ("second", all)]);
    let (tally, stored) = fill(&mut past, &["first", "second"]);
    let of_second: Vec<_> = past.asked.iter().filter(|(source, _)| source == "second").collect();
    assert_eq!(of_second, [&("second".to_owned(), vec!["600001.SH".to_owned()])]);
    assert_eq!((tally.written, tally.present, tally.without_any), (20, 3, 0));
    assert_eq!(stored.iter().filter(|(_, _, source)| source == "second").count(), 2);
}

#[test]
fn a_source_that_is_away_is_left_out_soon() {
    let all = held(&FOUR.map(|name| (name, 0..9)));
    let mut past = Past::of(&[("first", all.clone()), ("second", all)]);
    past.away.insert("first".to_owned(), PluginError::retry("the server is away"));
    let (tally, stored) = fill(&mut past, &["first", "second"]);
    assert_eq!((tally.written, stored.len()), (20, 20));
    assert_eq!(past.asked.iter().filter(|(source, _)| source == "first").count(), 3);
    let expected = ["first: the server is away", "first is left out after faults in a row"];
    assert_eq!(tally.faults, expected);
}

#[test]
fn a_source_that_refuses_everything_is_asked_no_more_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let mut past = Past::of(&[("past", Held::new())]);
    past.away.insert("past".to_owned(), PluginError::config("no such permission"));
    let names: Vec<_> = (0..100).map(|number| format!("{}.SH", 600_000 + number)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    begin(dir.path(), &["past"], (0..50).map(|day| piece(&names, &[(day, day)], 1)).collect());
    let world = RefCell::new(World::default());
    let tally = run(dir.path(), &world, &mut past, (1, u64::MAX), u64::MAX).unwrap();
    assert_eq!((tally.written, tally.without_any), (0, 5_000));
    assert!(past.asked.len() <= 40, "{}", past.asked.len());
    assert_eq!(
        tally.faults,
        ["past: no such permission", "past is left out after faults in a row"]
    );
}

#[test]
fn a_source_that_lies_about_what_was_asked_is_not_believed() {
    let mut past = Past::of(&[(
        "past",
        held(&[
            ("600000.SH", -9..9),
            ("600001.SH", 0..5),
            ("600002.SH", 0..5),
            ("600003.SH", 0..5),
            ("600004.SH", 0..5),
        ]),
    )]);
    past.lies = true;
    let (tally, stored) = fill(&mut past, &["past"]);
    assert_eq!((tally.received, tally.written, tally.not_asked_for), (38, 20, 18));
    assert!(stored.iter().all(|(name, time_us, _)| {
        FOUR.contains(&name.as_str()) && (T..T + 5 * MINUTE_US).contains(time_us)
    }));
}

#[test]
fn a_page_that_was_damaged_costs_what_it_lacks_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut past = Past::of(&[("past", held(&FOUR.map(|name| (name, 0..9))))]);
    begin(dir.path(), &["past"], vec![piece(&FOUR, &[(0, 4)], 5)]);
    let world = RefCell::new(World::default());
    assert!(run(dir.path(), &world, &mut past, (1, 12), u64::MAX).is_err());
    let (folder, _) = unfinished(dir.path()).unwrap().unwrap();
    let mut bytes = std::fs::read(folder.page(0)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(folder.page(0), bytes).unwrap();
    let tally = run(dir.path(), &world, &mut past, (1, u64::MAX), u64::MAX).unwrap();
    let stored = world.into_inner().stored;
    assert!(!stored.is_empty() && stored.len() < 20, "{}", stored.len());
    assert!(tally.faults[0].contains("is damaged at byte"), "{:?}", tally.faults);
}
