//! Subscribers that do not keep up.

use std::thread;

use super::{raw::Seen, *};

/// More than the kernel takes for one Unix socket, in batches of a few 10 KB.
const BATCHES: usize = 400;
const RECORDS: usize = 100;

fn batch(index: usize) -> Batch {
    // rounds of four batches
    let round = Round { first: index.is_multiple_of(4), last: index % 4 == 3 };
    numbered(index * RECORDS..(index + 1) * RECORDS, round)
}

fn count(seen: &[Seen]) -> u64 {
    seen.iter().map(|message| message.numbers().len() as u64).sum()
}

#[test]
fn a_slow_subscriber_loses_ends_of_rounds_and_nobody_else_loses_anything() {
    let mut bench = Bench::new(json!({ "send_buffer": "256KiB" }));
    let mut slow = bench.dial(&bench.ipc());
    let mut fast = bench.dial(&bench.ipc());
    for index in 0..BATCHES {
        bench.write(batch(index));
        // the fast one is never behind by more than a batch
        loop {
            if matches!(fast.next().unwrap(), Seen::Data(payload) if payload == batch(index).payload()[..])
            {
                break;
            }
        }
    }
    assert!(bench.dropped() > 0, "the slow one lost nothing");
    assert!(bench.logged("is too slow") > 0);
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| slow.rest());
        bench.sink.flush().unwrap();
        bench.write(batch(BATCHES));
        bench.sink.close().unwrap();
        reader.join().unwrap()
    });

    let mut open = false;
    for message in &seen {
        match message {
            Seen::Start => assert!(!std::mem::replace(&mut open, true), "two starts"),
            Seen::End => assert!(std::mem::replace(&mut open, false), "two ends"),
            Seen::Data(_) => assert!(open, "quotes outside a round"),
        }
    }
    assert!(!open, "the last round is closed");
    let numbers: Vec<_> = seen.iter().flat_map(Seen::numbers).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "in order, none twice");
    let last = batch(BATCHES).payload().to_vec();
    assert!(seen.contains(&Seen::Data(last)), "it goes on with a later round");
    let all = ((BATCHES + 1) * RECORDS) as u64;
    assert_eq!(count(&seen) + bench.dropped(), all, "every record is received or counted");
}

#[test]
fn nobody_loses_anything_when_the_sink_waits() {
    let mut bench = Bench::new(json!({ "send_buffer": "64KiB", "slow_subscriber": "wait" }));
    let mut subscriber = bench.dial(&bench.ipc());
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            for index in 0..BATCHES {
                bench.write(batch(index));
            }
            bench.sink.close().unwrap();
        });
        subscriber.rest()
    });
    assert_eq!(count(&seen), (BATCHES * RECORDS) as u64);
    assert_eq!(bench.dropped(), 0);
}

#[test]
fn waiting_ends_when_the_host_stops() {
    let options = json!({
        "send_buffer": "64KiB", "slow_subscriber": "wait", "stall_timeout": "1h",
        "drain_timeout": "200ms",
    });
    let mut bench = Bench::new(options);
    let _stuck = bench.dial(&bench.ipc());
    bench.host.stop();
    for index in 0..BATCHES {
        bench.write(batch(index));
    }
    bench.sink.close().unwrap();
    assert!(bench.dropped() > 0);
}

#[test]
fn a_subscriber_that_takes_nothing_is_disconnected() {
    let mut bench = Bench::new(json!({ "stall_timeout": "100ms" }));
    let _stuck = bench.dial(&bench.ipc());
    let written = (0..BATCHES).map(batch).inspect(|batch| bench.write(batch.clone())).count();
    bench.await_subscribers(0);
    assert_eq!(bench.logged("took nothing for 100ms"), 1);
    assert!((1..(written * RECORDS) as u64).contains(&bench.dropped()));
}

#[test]
fn closing_waits_for_what_is_queued() {
    let mut bench = Bench::new(json!({}));
    let mut subscriber = bench.dial(&bench.ipc());
    for index in 0..BATCHES {
        bench.write(batch(index));
    }
    let seen = thread::scope(|scope| {
        scope.spawn(|| bench.sink.close().unwrap());
        subscriber.rest()
    });
    assert_eq!(count(&seen), (BATCHES * RECORDS) as u64);
    assert_eq!(bench.logged("has everything"), 1);
}

#[test]
fn closing_does_not_wait_for_ever() {
    let mut bench = Bench::new(json!({ "drain_timeout": "100ms" }));
    let _stuck = bench.dial(&bench.ipc());
    for index in 0..BATCHES {
        bench.write(batch(index));
    }
    bench.sink.flush().unwrap();
    assert_eq!(bench.logged("bytes are still queued"), 1);
    bench.sink.close().unwrap();
    assert_eq!(bench.logged("did not take"), 1);
    assert!(bench.dropped() > 0);
    assert_eq!(bench.sink.bus().subscribers(), 0);
}
