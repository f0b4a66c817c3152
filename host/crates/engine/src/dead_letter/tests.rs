//! Setting data aside, and sending it again.

use std::{cell::RefCell, fs, io::Write as _};

use plugin_api::{
    Batch, Provenance, Round,
    testing::{bar_batch, spot_batch},
};
use serde_json::{Value, json};

use super::*;
use crate::{ack::Receipt, clock::ManualClock, queue::Delivery, shutdown::Phase};

const DAY_US: i64 = 86_400_000_000;

/// The letters of a component in a folder of its own.
struct Desk {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    letters: Arc<DeadLetters>,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let folder = dir.path().join("lake");
        let letters = Arc::new(DeadLetters::new("lake", folder, Arc::clone(&clock) as _));
        Self { dir, clock, letters }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("lake").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Numbers of the letters that are there.
    fn left(&self) -> Vec<u64> {
        let mut left = Vec::new();
        for path in self.letters.store().files().unwrap() {
            Store::lines(&path, 0, |_, line| {
                let head = Letter::parse(line).map(|letter| letter.head);
                left.extend(
                    head.ok().and_then(|head| head.batch).map(|batch| batch.received_at_us),
                );
                true
            })
            .unwrap();
        }
        left.into_iter().map(|number| u64::try_from(number).unwrap()).collect()
    }

    fn replay(&self, send: &dyn Fn(Delivery)) -> Progress {
        let phase = || Phase::Running;
        let replay = Replay { letters: &self.letters, send, phase: &phase, tell: &|_| () };
        replay.run(1_000_000)
    }
}

/// A batch that its time of receipt tells from others.
fn batch(number: u64) -> Batch {
    let mut provenance = Provenance::of_source("day");
    provenance.received_at_us = i64::try_from(number).unwrap();
    spot_batch(3, Round::MIDDLE).with_provenance(provenance).numbered(7, number, 0)
}

fn number(delivery: &Delivery) -> u64 {
    u64::try_from(delivery.batch.provenance().received_at_us).unwrap()
}

#[test]
fn letters_are_json_lines_by_day() {
    let desk = Desk::new();
    desk.letters.write("bad price", b"600000,x").unwrap();
    desk.clock.set_us(DAY_US);
    desk.letters.write("bad bytes", b"\xff\x00").unwrap();
    let first: Value = serde_json::from_str(&desk.read("1970-01-01.jsonl")).unwrap();
    let expected = json!({
        "time": "1970-01-01T00:00:00Z", "component": "lake", "reason": "bad price",
        "encoding": "utf-8", "payload": "600000,x",
    });
    assert_eq!(first, expected);
    assert!(desk.read("1970-01-02.jsonl").contains(r#""payload":"/wA=""#));
    desk.letters.write_batch("bad batch", &batch(5)).unwrap();
    let text = desk.read("1970-01-02.jsonl");
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for (key, value) in [
        ("kind", json!("spot")),
        ("records", json!(3)),
        ("source", json!("day")),
        ("epoch", json!(7)),
        ("sequence", json!(5)),
        ("part", json!(0)),
        ("received_at_us", json!(5)),
        ("first", json!(false)),
        ("last", json!(false)),
    ] {
        assert_eq!(last[key], value, "{key}");
    }
}

#[test]
fn a_line_that_was_cut_short_does_not_spoil_the_next_one() {
    let desk = Desk::new();
    fs::create_dir(desk.path("")).unwrap();
    fs::write(desk.path("1970-01-01.jsonl"), r#"{"time":"1970"#).unwrap();
    desk.letters.write("one", b"1").unwrap();
    desk.letters.write("two", b"2").unwrap();
    let text = desk.read("1970-01-01.jsonl");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in &lines[1..] {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let letters = DeadLetters::new("day", file.path().join("day"), Arc::<ManualClock>::default());
    let error = letters.write("reason", b"").unwrap_err().to_string();
    assert!(error.contains(&file.path().display().to_string()), "{error}");
}

#[test]
fn full_letters_take_no_more_until_some_are_taken_out() {
    let mut desk = Desk::new();
    Arc::get_mut(&mut desk.letters).unwrap().max_bytes = 2_000;
    let mut written = 0;
    let error = loop {
        match desk.letters.write_batch("bad price", &batch(written + 1)) {
            Ok(()) => written += 1,
            Err(error) => break error.to_string(),
        }
    };
    assert!(written > 0 && error.contains("dead-letter show lake"), "{written}: {error}");
    assert!(desk.letters.store().bytes().unwrap() <= 2_000);
    assert_eq!(desk.replay(&|delivery| delivery.receipt.ack()).state, State::Done);
    desk.letters.write_batch("bad price", &batch(99)).unwrap();
    assert_eq!(desk.left(), [99]);
}

#[test]
fn a_replay_takes_out_what_was_delivered_and_nothing_else() {
    let desk = Desk::new();
    desk.letters.write_batch("bad price", &batch(1)).unwrap();
    desk.letters.write("a row", b"600000,x").unwrap();
    desk.clock.set_us(DAY_US);
    desk.letters.write_batch("bad price", &batch(2)).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(desk.path("1970-01-02.jsonl")).unwrap();
    file.write_all(b"{\"time\":\"no letter\n").unwrap();
    desk.letters.write_batch("bad price", &batch(3)).unwrap();
    let survey = Survey::of(desk.letters.store()).unwrap();
    assert_eq!((survey.letters, survey.kept), (Counted { letters: 3, records: 9 }, 2));
    let sent = RefCell::new(Vec::new());
    let progress = desk.replay(&|delivery| {
        sent.borrow_mut().push((number(&delivery), delivery.batch.payload().to_vec()));
        delivery.receipt.ack();
    });
    let payload = batch(1).payload().to_vec();
    assert_eq!(sent.into_inner(), [1, 2, 3].map(|number| (number, payload.clone())));
    assert_eq!((progress.state, progress.done), (State::Done, Counted { letters: 3, records: 9 }));
    assert_eq!((progress.kept, progress.refused), (2, Counted::default()));
    let named = progress.kept_letters.join("\n");
    for text in ["1970-01-01.jsonl, byte ", "no batch", "1970-01-02.jsonl, byte ", "not a letter"] {
        assert!(named.contains(text), "{named}");
    }
    assert_eq!(desk.read("1970-01-01.jsonl").lines().count(), 1);
    assert_eq!(desk.read("1970-01-02.jsonl"), "{\"time\":\"no letter\n");
}

#[test]
fn what_the_sink_does_not_deliver_stays() {
    let desk = Desk::new();
    for number in 1..=5 {
        desk.letters.write_batch("bad price", &batch(number)).unwrap();
    }
    let progress = desk.replay(&|delivery| {
        if number(&delivery) < 3 {
            delivery.receipt.ack();
        }
    });
    assert_eq!((progress.state, progress.done.letters), (State::Failed, 2));
    assert!(progress.error.unwrap().contains("without delivering"));
    assert_eq!(desk.left(), [3, 4, 5]);
}

#[test]
fn what_is_refused_again_is_written_anew_and_counted() {
    let desk = Desk::new();
    for number in 1..=3 {
        desk.letters.write_batch("bad price", &batch(number)).unwrap();
    }
    // what is set aside of other batches meanwhile counts for itself
    let letters = Arc::clone(&desk.letters);
    let progress = desk.replay(&|delivery| {
        letters.write_batch("live", &batch(100 + number(&delivery))).unwrap();
        if number(&delivery) == 2 {
            letters.write_batch("still bad", &delivery.batch).unwrap();
        }
        delivery.receipt.ack();
    });
    assert_eq!(progress.state, State::Done);
    assert_eq!((progress.done.letters, progress.refused), (3, Counted { letters: 1, records: 3 }));
    assert_eq!(desk.left(), [101, 102, 2, 103]);
    assert!(desk.read("1970-01-01.jsonl").contains("still bad"));
}

#[test]
fn a_batch_that_a_crash_left_in_two_letters_is_sent_once() {
    let desk = Desk::new();
    for number in [1, 2, 1, 2, 3] {
        desk.letters.write_batch("bad price", &batch(number)).unwrap();
    }
    // without numbers nothing tells whether they are the same
    for _ in 0..2 {
        desk.letters.write_batch("bad bar", &bar_batch()).unwrap();
    }
    assert_eq!(Survey::of(desk.letters.store()).unwrap().repeated, 2);
    let sent = RefCell::new(Vec::new());
    let progress = desk.replay(&|delivery| {
        sent.borrow_mut().push(number(&delivery));
        delivery.receipt.ack();
    });
    assert_eq!(sent.into_inner(), [1, 2, 3, 0, 0]);
    assert_eq!((progress.state, progress.repeated), (State::Done, 2));
    assert!(desk.letters.store().files().unwrap().is_empty());
}

#[test]
fn a_replay_that_was_killed_sends_the_same_letters_under_the_same_numbers_again() {
    let desk = Desk::new();
    for number in 1..=5 {
        desk.letters.write_batch("bad price", &batch(number)).unwrap();
    }
    let keys = RefCell::new(Vec::new());
    let key = |delivery: &Delivery| {
        let provenance = delivery.batch.provenance();
        (number(delivery), provenance.epoch, provenance.sequence, provenance.part)
    };
    // two are delivered and taken out, the others are under way as it is killed
    desk.replay(&|delivery| {
        keys.borrow_mut().push(key(&delivery));
        if number(&delivery) <= 2 {
            delivery.receipt.ack();
        }
    });
    desk.letters.write_batch("bad price", &batch(6)).unwrap();
    let first = keys.take();
    desk.replay(&|delivery| {
        keys.borrow_mut().push(key(&delivery));
        delivery.receipt.ack();
    });
    let second = keys.take();
    assert_eq!(second[..3], first[2..], "known by their numbers");
    assert_eq!((second.len(), second[3].0), (4, 6));
    assert!(second[3].1 > first[0].1, "a chunk of its own");
    assert!(desk.left().is_empty() && desk.letters.store().journal().unwrap().is_none());
}

#[test]
fn letters_that_come_while_others_are_taken_out_are_not_lost() {
    let desk = Desk::new();
    for number in 1..=1_200 {
        desk.letters.write_batch("bad price", &batch(number)).unwrap();
    }
    // another handle, as another process has it
    let folder = desk.path("");
    let other = DeadLetters::new("lake", folder, Arc::clone(&desk.clock) as _);
    let writer = std::thread::spawn(move || {
        for number in 10_001..=10_300 {
            other.write_batch("live", &batch(number)).unwrap();
        }
    });
    let progress = desk.replay(&|delivery| delivery.receipt.ack());
    writer.join().unwrap();
    assert_eq!(progress.state, State::Done, "{:?}", progress.error);
    assert!(progress.done.letters >= 1_200);
    let left = desk.left();
    let taken = usize::try_from(progress.done.letters).unwrap() - 1_200;
    let expected: Vec<u64> = (10_001..=10_300).skip(taken).collect();
    assert_eq!(left, expected);
}

#[test]
fn a_host_that_ends_leaves_what_is_not_sent() {
    let desk = Desk::new();
    for number in 1..=4 {
        desk.letters.write_batch("bad price", &batch(number)).unwrap();
    }
    let sent = RefCell::new(0);
    let phase = || if *sent.borrow() < 2 { Phase::Running } else { Phase::Draining };
    let send = |delivery: Delivery| {
        *sent.borrow_mut() += 1;
        delivery.receipt.ack();
    };
    let replay = Replay { letters: &desk.letters, send: &send, phase: &phase, tell: &|_| () };
    let progress = replay.run(5);
    assert_eq!((progress.state, progress.done.letters), (State::Stopped, 2));
    assert_eq!(desk.left(), [3, 4]);
    assert_eq!(desk.replay(&|delivery| delivery.receipt.ack()).done.letters, 2);
}

#[test]
fn a_summary_names_the_commonest_reason_whatever_its_numbers() {
    let desk = Desk::new();
    for number in 1..=3 {
        desk.letters.write_batch(&format!("price {number} too high"), &batch(number)).unwrap();
    }
    desk.clock.set_us(2 * DAY_US);
    desk.letters.write("a row", b"x").unwrap();
    desk.letters.write("a row", b"y").unwrap();
    let all = Summary::all(desk.dir.path()).unwrap();
    let summary = &all[0];
    assert_eq!((all.len(), summary.component.as_str(), summary.files), (1, "lake", 2));
    assert_eq!((summary.letters, summary.records, summary.damaged), (5, 9, 0));
    assert_eq!(summary.reason.as_deref(), Some("price 1 too high"));
    let times = [summary.oldest, summary.newest].map(|time| time.unwrap().to_string());
    assert_eq!(times, ["1970-01-01T00:00:00Z", "1970-01-03T00:00:00Z"]);
    assert_eq!(summary.bytes, desk.letters.store().bytes().unwrap());
    assert_eq!(Summary::all(&desk.path("nothing")).unwrap(), []);
}

#[test]
fn an_unsettled_receipt_is_no_delivery() {
    let desk = Desk::new();
    desk.letters.write_batch("bad price", &batch(1)).unwrap();
    let kept = RefCell::new(Vec::new());
    let phase = || if kept.borrow().is_empty() { Phase::Running } else { Phase::Aborting };
    let send = |delivery: Delivery| kept.borrow_mut().push(delivery.receipt);
    let replay = Replay { letters: &desk.letters, send: &send, phase: &phase, tell: &|_| () };
    assert_eq!(replay.run(5).state, State::Stopped);
    assert_eq!(desk.left(), [1]);
    kept.take().into_iter().for_each(Receipt::ack);
}

#[test]
fn a_pipe_or_link_in_the_place_of_letters_is_refused_by_name_and_held_up_by_nobody() {
    let desk = Desk::new();
    desk.letters.write("it is no quote", b"1").unwrap();
    let day = desk.letters.store().files().unwrap().remove(0);
    let elsewhere = desk.dir.path().join("elsewhere");
    fs::rename(&day, &elsewhere).unwrap();
    let refused = |what: &str| {
        let error = Summary::of("lake".to_owned(), desk.letters.store()).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(day.to_str().unwrap()), "{error}");
    };
    std::os::unix::fs::symlink(&elsewhere, &day).unwrap();
    refused("a link");
    fs::remove_file(&day).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &day,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    refused("a named pipe");
}
