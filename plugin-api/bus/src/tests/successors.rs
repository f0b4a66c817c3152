//! A plugin that is exchanged while the feed runs.

use std::{io::Write, thread};

use super::*;
use crate::handover::Handover;

/// A publisher that sends lists with one quote each, until told to stop; returns how many.
struct Stream {
    sender: thread::JoinHandle<usize>,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

impl Stream {
    fn start(publisher: &RawPublisher) -> Self {
        let stop = Arc::<std::sync::atomic::AtomicBool>::default();
        let (mut stream, is_stopped) = (publisher.stream(), Arc::clone(&stop));
        let sender = thread::spawn(move || {
            let mut number = 0;
            while !is_stopped.load(std::sync::atomic::Ordering::Relaxed) {
                let body = list(number..number + 1);
                let head = (body.len() as u64).to_be_bytes();
                // in pieces, so that the change finds half a message often
                for piece in [&head[..3], &head[3..], &body[..100], &body[100..]] {
                    stream.write_all(piece).unwrap();
                }
                number += 1;
            }
            number
        });
        Self { sender, stop }
    }

    /// Reads on until the publisher, who may wait for its reader, has stopped.
    fn end(self, bench: &mut Bench, batches: &mut Vec<Batch>) -> usize {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        while !self.sender.is_finished() {
            if let Polled::Batch(batch) = bench.source.next(Duration::from_millis(5)).unwrap() {
                batches.push(batch);
            }
        }
        self.sender.join().unwrap()
    }
}

#[test]
fn a_chain_of_successors_loses_no_message_and_doubles_none() {
    let mut publisher = RawPublisher::new();
    let options = json!({
        "dial": publisher.address(), "slow_pipeline": "wait",
        "receive_buffer": "64KiB", "max_message": "64KiB",
    });
    let mut bench = Bench::with(options.clone());
    bench.source.next(Duration::ZERO).unwrap();
    publisher.accept();
    let stream = Stream::start(&publisher);
    let mut batches = Vec::new();
    for change in 0..30_u32 {
        batches.extend(bench.records(1 + change * 7 % 50));
        let mut next = open(&options, &bench.host, &bench.folder).unwrap();
        let state = bench.source.export_state().unwrap().unwrap();
        if change % 3 == 1 {
            // the change was refused: the instance goes on, and is asked again
            batches.extend(bench.records(5));
            let state = bench.source.export_state().unwrap().unwrap();
            next.import_state(&state).unwrap();
        } else {
            next.import_state(&state).unwrap();
        }
        std::mem::replace(&mut bench.source, next).close().unwrap();
    }
    let sent = stream.end(&mut bench, &mut batches);
    let left = sent - numbers(&batches).len();
    batches.extend(bench.records(u32::try_from(left).unwrap()));
    assert!(numbers(&batches).into_iter().eq(0..sent), "lost, doubled or out of order");
    let sequences = batches.iter().flat_map(|batch| batch.spots().iter().map(|it| it.sequence()));
    assert!(sequences.eq(1..=sent as u64), "numbered in a row over all instances");
    assert_eq!(bench.host.counted("connects_total"), 1, "one connection for all of them");
    assert_eq!(bench.dropped(), []);
}

#[test]
fn a_connection_is_kept_open_until_a_successor_has_taken_it() {
    let mut publisher = RawPublisher::new();
    let options = json!({ "dial": publisher.address() });
    let mut bench = Bench::with(options.clone());
    bench.source.next(Duration::ZERO).unwrap();
    publisher.accept();
    publisher.send(&list(0..1));
    assert_eq!(numbers(&[bench.batch()]), [0]);
    let state = bench.source.export_state().unwrap().unwrap();
    let mut next = open(&options, &bench.host, &bench.folder).unwrap();
    let mut before =
        std::mem::replace(&mut bench.source, open(&json!({}), &bench.host, &bench.folder).unwrap());
    // the host closes the one before without waiting for the other
    let closing = thread::spawn(move || before.close().unwrap());
    thread::sleep(Duration::from_millis(50)); // whichever comes first, the socket must be there
    next.import_state(&state).unwrap();
    closing.join().unwrap();
    bench.source = next;
    publisher.send(&list(1..2));
    assert_eq!(numbers(&[bench.batch()]), [1]);
    assert_eq!(bench.host.counted("connects_total"), 1);
}

#[test]
fn a_successor_with_another_address_takes_what_came_and_dials_anew() {
    let (mut first, mut second) = (RawPublisher::new(), RawPublisher::new());
    let mut bench = Bench::new(&first.address());
    bench.source.next(Duration::ZERO).unwrap();
    first.accept();
    first.send(START);
    first.send(&list(0..1));
    assert_eq!(rounds(&[bench.batch()]), [(1, FIRST)]);
    let state = bench.source.export_state().unwrap().unwrap();
    let options = json!({ "dial": second.address() });
    let mut next = open(&options, &bench.host, &bench.folder).unwrap();
    next.import_state(&state).unwrap();
    std::mem::replace(&mut bench.source, next).close().unwrap();
    assert_eq!(rounds(&[bench.batch()]), [(0, LAST)], "the open round is closed");
    second.accept();
    second.send(&list(1..2));
    assert_eq!(numbers(&[bench.batch()]), [1]);
    assert!(first.is_left());
}

#[test]
fn a_successor_of_one_that_never_read_begins_like_any_other() {
    let mut publisher = RawPublisher::new();
    let mut bench = Bench::new(&publisher.address());
    let state = bench.source.export_state().unwrap().unwrap();
    let options = json!({ "dial": publisher.address() });
    let mut next = open(&options, &bench.host, &bench.folder).unwrap();
    next.import_state(&state).unwrap();
    bench.source = next;
    bench.source.next(Duration::ZERO).unwrap();
    publisher.accept();
    publisher.send(&list(0..1));
    assert_eq!(numbers(&[bench.batch()]), [0]);
}

#[test]
fn a_socket_that_is_not_there_any_more_is_not_taken() {
    let mut publisher = RawPublisher::new();
    let mut bench = Bench::new(&publisher.address());
    bench.source.next(Duration::ZERO).unwrap();
    publisher.accept();
    bench.idle_until("the connection", |host| host.counted("connects_total") == 1);
    let state = bench.source.export_state().unwrap().unwrap();
    let (socket, rest) = Handover::from_bytes(&state).unwrap().socket.unwrap();
    assert!(socket.adopt(&rest, 100).is_some());
    bench.source.close().unwrap();
    // its number is free now, or belongs to something else
    let _others: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    assert!(socket.adopt(&rest, 100).is_none());
}

#[test]
fn a_state_of_another_form_is_refused_and_never_panics() {
    let options = json!({ "dial": "ipc://nobody.ipc" });
    let mut bench = Bench::with(options);
    let state = bench.source.export_state().unwrap().unwrap();
    for len in 0..state.len() {
        let mut source = open(&json!({}), &bench.host, &bench.folder).unwrap();
        let error = source.import_state(&state[..len]).unwrap_err();
        assert!(error.message.contains("another form"), "{error}");
    }
}
