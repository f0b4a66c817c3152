//! What a guest does against its host ends in bounded time, with its cause in words.

use std::time::{Duration, Instant};

use dataserver::config::{Carrier, Limits};
use harness::Random;
use plugin_api::{Batch, ErrorKind, PluginError, RoleKind, Round, testing::spot_batch};
use serde_json::{Value, json};

use super::{Case, PATIENT, load};

/// Longest time that any of these may take: the longest deadline, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(90);
/// What goes on for ever.
const ENDLESS: [&str; 7] = ["loop", "sleep", "clock", "log", "stderr", "metrics", "reasons"];

/// A short deadline for what ends by it alone; the others must end by their own cause, also on a
/// busy machine.
fn limits(options: &Value) -> Limits {
    let how = options["how"].as_str().unwrap();
    let is_endless = ENDLESS.contains(&how) && options.get("amount").is_none();
    let deadline = if is_endless { Duration::from_millis(300) } else { PATIENT };
    Limits { memory: 32 << 20, deadline, ..Limits::of(Carrier::Wasm) }
}

fn misbehave(options: Value) -> (Case, Result<usize, PluginError>) {
    let folder = tempfile::tempdir().unwrap();
    let limits = limits(&options);
    let case = Case::new(options, folder.path()).limits(limits);
    let began = Instant::now();
    let ended = case.apply();
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    (case, ended)
}

#[test]
fn a_guest_that_breaks_its_bounds_ends_with_the_cause_named() {
    // options, kind, what is said
    let cases = [
        (json!({ "how": "loop" }), ErrorKind::Panic, "deadline of 300ms exceeded in apply; mend"),
        (
            json!({ "how": "sleep" }),
            ErrorKind::Fatal,
            "deadline of 300ms exceeded in apply, while the plugin waited for something outside",
        ),
        (json!({ "how": "memory" }), ErrorKind::Panic, "memory limit of 32MiB reached in apply"),
        (json!({ "how": "stack" }), ErrorKind::Panic, "stack overflow in apply"),
        (json!({ "how": "trap" }), ErrorKind::Panic, "trap in apply: unreachable"),
        (json!({ "how": "panic" }), ErrorKind::Panic, "panicked: told to panic ("),
        (json!({ "how": "exit" }), ErrorKind::Panic, "ended itself with exit code"),
        (json!({ "how": "clock" }), ErrorKind::Panic, "deadline of 300ms exceeded"),
        (json!({ "how": "log" }), ErrorKind::Panic, "deadline of 300ms exceeded"),
        (json!({ "how": "stderr" }), ErrorKind::Panic, "deadline of 300ms exceeded"),
        (json!({ "how": "metrics" }), ErrorKind::Panic, "deadline of 300ms exceeded"),
        (json!({ "how": "reasons" }), ErrorKind::Panic, "deadline of 300ms exceeded"),
        (json!({ "how": "malformed" }), ErrorKind::Panic, "malformed"),
        (json!({ "how": "huge", "amount": 8 << 20 }), ErrorKind::Panic, "malformed"),
        (json!({ "how": "huge", "amount": 1 << 30 }), ErrorKind::Panic, "memory limit of 32MiB"),
        (json!({ "how": "truncated" }), ErrorKind::Panic, "malformed"),
        (json!({ "how": "wrong_kind" }), ErrorKind::Panic, "malformed"),
        (json!({ "how": "wrong_place" }), ErrorKind::Panic, "its place is"),
        (
            json!({ "how": "loop", "at_open": true }),
            ErrorKind::Panic,
            "deadline of 10s exceeded in open",
        ),
    ];
    for (options, kind, said) in cases {
        let (_, ended) = misbehave(options.clone());
        let error = ended.unwrap_err();
        assert_eq!(error.kind, kind, "{options}: {error}");
        assert!(error.message.contains(said), "{options}: {error}");
        assert!(error.message.len() < 8 << 10, "{options}: {} bytes", error.message.len());
    }
}

#[test]
fn what_a_call_hands_over_is_bounded_by_a_multiple_of_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory: 8 << 20, deadline: PATIENT, ..Limits::of(Carrier::Wasm) };
    for how in ["dead_letters", "batches"] {
        let case =
            Case::new(json!({ "how": how, "amount": 1 << 20 }), folder.path()).limits(limits);
        let error = case.apply().unwrap_err();
        assert!(error.message.contains("handed over more than 32MiB in one call"), "{error}");
        assert!(case.host.told().dead_letters.len() < 10_000);
    }
}

/// A sound list, damaged in one of the ways that a guest can.
fn damaged(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let last = u32::try_from(bytes.len() - 1).unwrap();
    let at = |random: &mut Random| usize::try_from(random.between(0, last.into())).unwrap();
    let byte = |random: &mut Random| u8::try_from(random.between(0, 255)).unwrap();
    match random.between(0, 5) {
        0 => bytes[at(random)] ^= 1 << random.between(0, 7),
        1 => bytes[at(random)] = random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        2 => (0..8).for_each(|_| bytes[at(random)] = byte(random)),
        3 => bytes.truncate(at(random)),
        4 => {
            // an offset, a length or a vtable that leads elsewhere
            let at = at(random) / 4 * 4;
            let value = random.pick(&[0, 1, 4, u32::MAX, u32::MAX / 2, last]);
            let end = (at + 4).min(bytes.len());
            bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
        }
        _ => {
            let (from, to) = (at(random), at(random));
            bytes.swap(from, to);
            bytes.extend_from_within(..from.min(64));
        }
    }
    bytes
}

/// Reads all that is in a batch without further checks, as a sink does.
fn read_to_its_end(batch: &Batch) {
    // encodes every field anew; what damage made of a list may be too large for that
    let _ = std::hint::black_box(batch.map_spots(|spot| Some(spot)));
    for spot in batch.spots().iter() {
        let texts = [spot.market(), spot.code(), spot.name(), spot.datetime(), spot.source()];
        assert!(texts.iter().all(|text| str::from_utf8(text.as_bytes()).is_ok()));
        assert!(!spot.datetime().is_empty());
    }
}

#[test]
fn no_list_that_a_guest_damages_gets_past_the_verifier_unsound() {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse::<u64>().unwrap())
    };
    let (seed, lists) = (number("LIST_SEED", 20_260_102), number("LISTS", 2_000));
    println!("{lists} lists from LIST_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let plugin = load("malicious", RoleKind::Transform);
    let input = spot_batch(3, Round::WHOLE).numbered(1, 1, 0);
    let mut passed = 0;
    for run in 0..lists {
        let list = damaged(input.payload(), &mut Random::new(seed + run));
        let digits: String = list.iter().map(|byte| format!("{byte:02x}")).collect();
        let case = Case::new(json!({ "how": "given", "list": digits }), folder.path());
        let mut transform = plugin.open_transform(case.opening).unwrap();
        match transform.apply(&input) {
            Ok(batches) => {
                batches.iter().for_each(read_to_its_end);
                passed += 1;
            }
            Err(error) => {
                assert!(error.message.contains("malformed"), "seed {}: {error}", seed + run);
            }
        }
    }
    println!("{passed} of {lists} passed and were read to their end");
    // a damaged price is a price; a damaged offset is not one
    assert!(0 < passed && passed < lists, "{passed} of {lists} passed");
}

#[test]
fn an_error_text_is_bounded_and_cannot_change_the_terminal() {
    let (_, ended) = misbehave(json!({ "how": "huge_error", "amount": 4 << 20 }));
    let error = ended.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.message.len() < 8 << 10 && error.message.contains("bytes more"), "{error}");
    let (_, ended) = misbehave(json!({ "how": "ugly_error" }));
    let error = ended.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadData);
    assert!(!error.message.contains(char::is_control), "{error:?}");
}

#[test]
fn floods_of_lines_names_and_reasons_are_bounded_and_counted() {
    let (case, ended) = misbehave(json!({ "how": "log", "amount": 20_000 }));
    ended.unwrap();
    let (told, left_out) = (case.host.told(), case.host.counted("sandbox_log_lines_left_out"));
    assert!(told.logs.len() < 2_000, "{}", told.logs.len());
    let written = told.logs.iter().filter(|(_, line)| line.starts_with("flood")).count();
    assert_eq!(written as u64 + left_out, 20_000);

    let (case, ended) = misbehave(json!({ "how": "long_log", "amount": 1 << 20 }));
    ended.unwrap();
    assert!(case.logs().len() < 8 << 10);

    let (case, ended) = misbehave(json!({ "how": "metrics", "amount": 5_000 }));
    ended.unwrap();
    let told = case.host.told();
    let names =
        |names: Vec<&str>| names.into_iter().collect::<std::collections::HashSet<_>>().len();
    assert!(names(told.counts.iter().map(|(name, _)| name.as_str()).collect()) <= 64);
    assert!(names(told.gauges.iter().map(|(name, _)| name.as_str()).collect()) <= 65);

    let (case, ended) = misbehave(json!({ "how": "reasons", "amount": 5_000 }));
    ended.unwrap();
    let dropped = case.host.told().dropped;
    assert_eq!(dropped.len(), 5_000, "no dropped record goes uncounted");
    assert!(names(dropped.iter().map(|(reason, _)| reason.as_str()).collect()) <= 65);
}

#[test]
fn an_instance_that_ended_takes_no_call_and_another_one_is_as_new() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = load("malicious", RoleKind::Transform);
    let options = json!({ "how": "trap", "after": 1000, "once": true });
    let case = Case::new(options, folder.path());
    let mut transform = plugin.open_transform(case.opening.clone()).unwrap();
    let batch = spot_batch(1, Round::WHOLE).numbered(1, 1, 0);
    for call in 1..=1_000 {
        assert_eq!(transform.apply(&batch).unwrap().len(), 1, "call {call}");
    }
    assert!(transform.apply(&batch).unwrap_err().message.contains("unreachable"));
    let after = transform.apply(&batch).unwrap_err();
    assert!(after.message.contains("has ended"), "{after}");
    assert!(transform.close().is_err());
    let mut next = plugin.open_transform(case.opening.clone()).unwrap();
    assert_eq!(next.apply(&batch).unwrap().len(), 1);
}

#[test]
fn hostile_sources_and_sinks_end_as_transforms_do() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = load("malicious", RoleKind::Source);
    for (how, said) in [
        ("loop", "exceeded in next"),
        ("sleep", "exceeded in next"),
        ("memory", "memory limit"),
        ("trap", "unreachable"),
        ("malformed", "malformed"),
        ("wrong_kind", "malformed"),
        ("unchanged_of_nothing", "no such input"),
        ("push_from_wrong_call", "pushed a batch outside"),
    ] {
        let options = json!({ "how": how });
        let limits = limits(&options);
        let case = Case::new(options, folder.path()).limits(limits);
        let mut source = plugin.open_source(case.opening.clone()).unwrap();
        let began = Instant::now();
        let error = source.next(Duration::from_millis(50)).unwrap_err();
        assert!(error.message.contains(said), "{how}: {error}");
        assert!(began.elapsed() < BOUND, "{how}: {:?}", began.elapsed());
    }
    for (how, said) in [
        ("loop", "exceeded in write"),
        ("sleep", "exceeded in write"),
        ("stack", "stack overflow"),
        ("push_from_wrong_call", "pushed a batch outside"),
    ] {
        let options = json!({ "how": how });
        let limits = limits(&options);
        let case = Case::new(options, folder.path()).limits(limits);
        let mut sink = plugin.open_sink(case.opening.clone()).unwrap();
        let error = sink.write(&[spot_batch(1, Round::WHOLE)]).unwrap_err();
        assert!(error.message.contains(said), "{how}: {error}");
    }
}
