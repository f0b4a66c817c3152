//! The bound, the rules, and who waits for whom.

mod on_disk;

use std::{sync::Arc, thread};

use plugin_api::{
    Round,
    testing::{bar_batch, spot_batch},
};

use super::*;
use crate::ack::{AckTracker, Receipt};

const EVERYTHING: ReadLimits = ReadLimits {
    max_records: u64::MAX,
    max_wait: Duration::ZERO,
    timeout: Duration::from_secs(10),
};

fn delivery(records: usize) -> Delivery {
    Delivery { batch: spot_batch(records, Round::WHOLE), receipt: Receipt::none() }
}

fn push(queue: &Queue, delivery: Delivery) -> u64 {
    queue.push("writer", delivery, &|_| ())
}

/// A queue for so many batches of one record.
fn queue(batches: u64, when_full: WhenFull) -> Queue {
    let max_bytes = batches * delivery(1).bytes();
    let queue = Queue::in_memory(Buffer { kind: BufferKind::Memory, max_bytes, when_full });
    queue.add_writer();
    queue
}

fn take(queue: &Queue) -> Vec<Delivery> {
    match queue.recv(EVERYTHING) {
        Recv::Batches(batches) => batches,
        other => panic!("{other:?}"),
    }
}

#[test]
fn drop_oldest_keeps_the_bound_and_the_newest() {
    let queue = queue(2, WhenFull::DropOldest);
    let dropped: u64 = (0..5).map(|_| push(&queue, delivery(1))).sum();
    assert_eq!((dropped, queue.size().records), (3, 2));
}

#[test]
fn drop_newest_keeps_what_is_there() {
    let queue = queue(2, WhenFull::DropNewest);
    let acks = Arc::new(AckTracker::default());
    let mut dropped = 0;
    for _ in 0..5 {
        let receipt = acks.track();
        dropped += push(&queue, Delivery { receipt, ..delivery(1) });
    }
    assert_eq!((dropped, queue.size().records), (3, 2));
    for _ in 0..2 {
        take(&queue).into_iter().for_each(|delivery| delivery.receipt.ack());
    }
    assert_eq!(acks.confirmed(), 5, "what the rule dropped is settled");
}

#[test]
fn latest_keeps_the_newest_quote_of_each_security() {
    let queue = queue(2, WhenFull::Latest);
    let dropped: u64 = (0..5).map(|_| push(&queue, delivery(1))).sum();
    let batches = take(&queue);
    assert_eq!(dropped + total_size(&batches).records, 5);
    assert!(dropped >= 3, "{dropped}");
}

#[test]
fn a_blocked_writer_goes_on_when_batches_are_let_go() {
    let queue = Arc::new(queue(1, WhenFull::Block));
    push(&queue, delivery(1));
    let writer = thread::spawn({
        let queue = Arc::clone(&queue);
        move || push(&queue, delivery(1))
    });
    let first = take(&queue);
    assert_eq!(queue.size().records, 1, "what is taken still counts");
    // whether the writer is there already is not known
    let second = queue.recv(ReadLimits { timeout: Duration::ZERO, ..EVERYTHING });
    assert!(matches!(second, Recv::Empty | Recv::FlushRequested), "{second:?}");
    queue.ack(&[], total_size(&first));
    assert_eq!(writer.join().unwrap(), 0);
    assert_eq!(queue.size().records, 1);
}

#[test]
fn a_batch_larger_than_the_bound_gets_through_alone() {
    let queue = queue(1, WhenFull::DropNewest);
    assert_eq!(push(&queue, delivery(50)), 0);
    assert_eq!(push(&queue, delivery(1)), 1);
}

#[test]
fn the_reader_sees_the_end_when_the_last_writer_is_gone() {
    let queue = queue(2, WhenFull::Block);
    push(&queue, delivery(1));
    queue.remove_writer();
    assert_eq!(take(&queue).len(), 1);
    assert!(matches!(queue.recv(EVERYTHING), Recv::Closed));
}

#[test]
fn batches_are_joined_up_to_the_number_of_records() {
    let queue = queue(100, WhenFull::Block);
    for records in [3, 3, 3, 9] {
        push(&queue, delivery(records));
    }
    let limits = ReadLimits { max_records: 7, ..EVERYTHING };
    let sizes = std::iter::from_fn(|| match queue.recv(limits) {
        Recv::Batches(batches) => {
            queue.remove_writer();
            Some(batches.len())
        }
        _ => None,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [2, 1, 1]);
}

#[test]
fn abort_frees_writer_and_reader() {
    let queue = Arc::new(queue(1, WhenFull::Block));
    push(&queue, delivery(1));
    let writer = thread::spawn({
        let queue = Arc::clone(&queue);
        move || push(&queue, delivery(1))
    });
    queue.abort();
    writer.join().unwrap();
    assert!(matches!(queue.recv(EVERYTHING), Recv::Closed));
}

#[test]
fn latest_keeps_its_bound_when_nothing_can_be_conflated() {
    let queue = queue(4, WhenFull::Latest);
    let bars = || Delivery { batch: bar_batch(), receipt: Receipt::none() };
    let dropped: u64 = (0..1_000).map(|_| push(&queue, bars())).sum();
    let size = queue.size();
    assert!(size.bytes <= queue.max_bytes(), "{size:?}");
    assert_eq!(dropped + size.records, 1_000);
}

#[test]
fn latest_for_hours_leaves_no_receipts_behind() {
    let queue = queue(1, WhenFull::Latest);
    let acks = Arc::new(AckTracker::default());
    for _ in 0..50_000 {
        push(&queue, Delivery { receipt: acks.track(), ..delivery(1) });
    }
    assert_eq!(acks.confirmed(), 0, "the newest is not delivered");
    take(&queue).into_iter().for_each(|delivery| delivery.receipt.ack());
    assert_eq!(acks.confirmed(), 50_000);
}

#[test]
fn drop_oldest_counts_everything_when_the_reader_holds_the_room() {
    let queue = queue(4, WhenFull::DropOldest);
    push(&queue, delivery(1));
    take(&queue);
    push(&queue, delivery(1));
    // four of these never fit beside the one that was taken
    let pushed = push(&queue, delivery(40));
    assert_eq!((pushed, queue.size().records), (40, 2), "what fits is kept");
}

#[test]
fn what_comes_after_the_end_is_lost_but_not_confirmed() {
    for when_full in [WhenFull::Block, WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Latest]
    {
        let queue = queue(1, when_full);
        let acks = Arc::new(AckTracker::default());
        push(&queue, delivery(1));
        let held = take(&queue);
        queue.abort();
        push(&queue, Delivery { receipt: acks.track(), ..delivery(1) });
        assert_eq!((acks.confirmed(), queue.undelivered()), (0, 2), "{when_full:?}");
        drop(held);
    }
}

#[test]
fn a_writer_without_room_cuts_the_collecting_short_and_asks_for_what_is_held() {
    let queue = Arc::new(queue(4, WhenFull::Block));
    let patient = ReadLimits { max_wait: Duration::from_secs(3600), ..EVERYTHING };
    push(&queue, delivery(1));
    let held = take(&queue);
    push(&queue, delivery(1));
    let writer = thread::spawn({
        let queue = Arc::clone(&queue);
        move || push(&queue, delivery(20))
    });
    let Recv::Batches(second) = queue.recv(patient) else { panic!("it collects for an hour") };
    assert!(matches!(queue.recv(patient), Recv::FlushRequested));
    queue.ack(&[], total_size(&held));
    queue.ack(&[], total_size(&second));
    writer.join().unwrap();
    assert_eq!(queue.size().records, 20);
}

#[test]
fn a_reader_that_waits_comes_back_once_when_it_is_interrupted_and_batches_go_first() {
    let queue = queue(4, WhenFull::Block);
    queue.interrupt();
    assert!(matches!(queue.recv(EVERYTHING), Recv::Interrupted));
    queue.interrupt();
    push(&queue, delivery(1));
    assert_eq!(take(&queue).len(), 1);
    let hurried = ReadLimits { timeout: Duration::ZERO, ..EVERYTHING };
    assert!(matches!(queue.recv(hurried), Recv::Empty));
}

#[test]
fn a_reader_that_collects_gives_what_it_has_when_it_is_interrupted() {
    let queue = Arc::new(queue(4, WhenFull::Block));
    let patient = ReadLimits { max_wait: Duration::from_secs(3600), ..EVERYTHING };
    push(&queue, delivery(1));
    queue.interrupt();
    assert!(matches!(queue.recv(patient), Recv::Batches(some) if some.len() == 1));
    push(&queue, delivery(1));
    let reader = thread::spawn({
        let queue = Arc::clone(&queue);
        move || queue.recv(patient)
    });
    // whenever it comes, before the wait or within it
    while !reader.is_finished() {
        queue.interrupt();
        thread::yield_now();
    }
    assert!(matches!(reader.join().unwrap(), Recv::Batches(some) if some.len() == 1));
}
