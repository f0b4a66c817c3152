//! The bound, the rules, and who waits for whom.

use std::{sync::Arc, thread};

use plugin_api::{
    Round,
    testing::{bar_batch, spot_batch},
};

use super::*;
use crate::ack::Ledger;

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
    let ledger = Arc::new(Ledger::default());
    let mut dropped = 0;
    for _ in 0..5 {
        let receipt = ledger.track();
        dropped += push(&queue, Delivery { receipt, ..delivery(1) });
    }
    assert_eq!((dropped, queue.size().records), (3, 2));
    for _ in 0..2 {
        take(&queue).into_iter().for_each(|delivery| delivery.receipt.ack());
    }
    assert_eq!(ledger.confirmed(), 5, "what the rule dropped is settled");
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
    let ledger = Arc::new(Ledger::default());
    for _ in 0..50_000 {
        push(&queue, Delivery { receipt: ledger.track(), ..delivery(1) });
    }
    assert_eq!(ledger.confirmed(), 0, "the newest is not delivered");
    take(&queue).into_iter().for_each(|delivery| delivery.receipt.ack());
    assert_eq!(ledger.confirmed(), 50_000);
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
        let ledger = Arc::new(Ledger::default());
        push(&queue, delivery(1));
        let held = take(&queue);
        queue.abort();
        push(&queue, Delivery { receipt: ledger.track(), ..delivery(1) });
        assert_eq!((ledger.confirmed(), queue.undelivered()), (0, 2), "{when_full:?}");
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

mod on_disk {
    //! The same rules, and what a restart finds.

    use std::path::Path;

    use dataserver_config::RawBuffer;
    use plugin_api::Provenance;

    use super::*;

    /// A disk that must not fail, of a host that is not told to stop.
    struct Sound;

    impl DiskHooks for Sound {
        fn note_disk(&self, fault: Option<&str>) {
            panic!("{fault:?}");
        }

        fn note_damage(&self, finding: &Finding) {
            panic!("{}", finding.text());
        }

        fn set_damage(&self, damage: Unacknowledged) {
            assert_eq!(damage, Unacknowledged::default());
        }

        fn is_stopping(&self) -> bool {
            false
        }
    }

    fn disk(folder: &Path, max_bytes: u64) -> Queue {
        let kind = Some(BufferKind::Disk);
        let buffer = Buffer::of(None, RawBuffer { kind, ..RawBuffer::default() });
        let (queue, _) =
            Queue::on_disk(Buffer { max_bytes, ..buffer }, folder, Box::new(Sound)).unwrap();
        queue.add_writer();
        queue
    }

    fn numbered(sequence: u64, records: usize, receipt: Receipt) -> Delivery {
        let batch = spot_batch(records, Round::WHOLE)
            .with_provenance(Provenance::of_source("day"))
            .numbered(7, sequence, 0);
        Delivery { batch, receipt }
    }

    fn sequences(batches: &[Delivery]) -> Vec<u64> {
        batches.iter().map(|delivery| delivery.batch.provenance().sequence).collect()
    }

    fn numbers(batches: &[Delivery]) -> Vec<u64> {
        batches.iter().map(|delivery| delivery.batch.delivery()).collect()
    }

    fn release(queue: &Queue, batches: Vec<Delivery>) {
        queue.ack(&numbers(&batches), total_size(&batches));
        batches.into_iter().for_each(|delivery| delivery.receipt.ack());
    }

    fn take_up_to(queue: &Queue, max_records: u64) -> Vec<Delivery> {
        match queue.recv(ReadLimits { max_records, ..EVERYTHING }) {
            Recv::Batches(batches) => batches,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_restart_offers_what_was_not_delivered_in_the_same_groups_under_the_same_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let queue = disk(dir.path(), 1 << 20);
        (1..=9).for_each(|n| assert_eq!(push(&queue, numbered(n, 1, Receipt::none())), 0));
        let first = take_up_to(&queue, 2);
        let second = take_up_to(&queue, 3);
        let third = take_up_to(&queue, 1);
        let (in_second, in_third) = (numbers(&second), numbers(&third));
        release(&queue, first);
        // out of turn, as one of several workers
        release(&queue, third);
        drop(queue);

        let queue = disk(dir.path(), 1 << 20);
        assert_eq!(queue.size().records, 6);
        let again = take(&queue);
        assert_eq!((sequences(&again), numbers(&again)), (vec![3, 4, 5], in_second));
        let rest = take(&queue);
        assert_eq!(sequences(&rest), [7, 8, 9]);
        assert!(numbers(&rest).iter().all(|number| *number > in_third[0]));
        release(&queue, again);
        release(&queue, rest);
        assert_eq!(queue.size(), Size::default());
    }

    #[test]
    fn what_is_sent_again_is_taken_once_and_settled_when_it_is_delivered() {
        let dir = tempfile::tempdir().unwrap();
        let queue = disk(dir.path(), 1 << 20);
        (1..=3).for_each(|n| assert_eq!(push(&queue, numbered(n, 1, Receipt::none())), 0));
        let first = take_up_to(&queue, 1);
        release(&queue, first);
        drop(queue);

        let (queue, ledger) = (disk(dir.path(), 1 << 20), Arc::new(Ledger::default()));
        (1..=4).for_each(|n| assert_eq!(push(&queue, numbered(n, 1, ledger.track())), 0));
        assert_eq!(ledger.confirmed(), 0, "the second is not delivered yet");
        let rest = take(&queue);
        assert_eq!(sequences(&rest), [2, 3, 4]);
        release(&queue, rest);
        assert_eq!(ledger.confirmed(), 4);
        assert_eq!(push(&queue, numbered(4, 1, ledger.track())), 0);
        assert_eq!((ledger.confirmed(), queue.size()), (5, Size::default()));
    }

    #[test]
    fn a_backlog_beyond_memory_comes_back_in_order_with_its_receipts() {
        const BATCHES: u64 = 1_000;
        let dir = tempfile::tempdir().unwrap();
        let (queue, ledger) = (disk(dir.path(), 1 << 30), Arc::new(Ledger::default()));
        let mut bytes = 0;
        for n in 1..=BATCHES {
            let delivery = numbered(n, 500, ledger.track());
            bytes += delivery.bytes();
            push(&queue, delivery);
        }
        assert!(bytes > 2 * WINDOW_BYTES, "{bytes} bytes are no backlog");
        let mut next = 1;
        while next <= BATCHES {
            let batches = take(&queue);
            for sequence in sequences(&batches) {
                assert_eq!(sequence, next);
                next += 1;
            }
            release(&queue, batches);
        }
        assert_eq!((ledger.confirmed(), queue.size()), (BATCHES, Size::default()));
        let left: u64 = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        assert!(left < bytes / 4, "{left} bytes are left of {bytes}");
    }

    #[test]
    fn a_batch_in_halves_is_done_when_both_are() {
        let dir = tempfile::tempdir().unwrap();
        let queue = disk(dir.path(), 1 << 20);
        push(&queue, numbered(1, 2, Receipt::none()));
        let taken = take(&queue);
        let (number, size) = (numbers(&taken), total_size(&taken));
        queue.split(number[0]);
        let half = Size { records: 1, bytes: size.bytes / 2 };
        queue.ack(&number, half);
        drop(queue);
        assert_eq!(disk(dir.path(), 1 << 20).size().records, 2);

        let queue = disk(dir.path(), 1 << 20);
        take(&queue);
        queue.split(number[0]);
        queue.ack(&number, half);
        queue.ack(&number, size - half);
        drop(queue);
        assert_eq!(disk(dir.path(), 1 << 20).size().records, 0);
    }

    #[test]
    fn a_full_spool_holds_its_writer_until_something_is_delivered() {
        let dir = tempfile::tempdir().unwrap();
        let queue = Arc::new(disk(dir.path(), 256 << 10));
        let writer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                (1..=3_000)
                    .for_each(|n| assert_eq!(push(&queue, numbered(n, 1, Receipt::none())), 0));
                queue.remove_writer();
            })
        };
        let mut next = 1;
        while let Recv::Batches(batches) = queue.recv(EVERYTHING) {
            for sequence in sequences(&batches) {
                assert_eq!(sequence, next);
                next += 1;
            }
            release(&queue, batches);
        }
        assert_eq!(next, 3_001);
        writer.join().unwrap();
    }

    #[test]
    fn an_abort_keeps_what_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (queue, ledger) = (disk(dir.path(), 1 << 20), Arc::new(Ledger::default()));
        push(&queue, numbered(1, 5, ledger.track()));
        queue.abort();
        assert!(ledger.wait_acked(Duration::ZERO), "nobody waits for it any more");
        assert_eq!((ledger.confirmed(), queue.undelivered()), (0, 0));
        drop(queue);
        assert_eq!(disk(dir.path(), 1 << 20).size().records, 5);
    }

    #[test]
    fn a_disk_takes_what_a_writer_had_in_hand_when_the_reader_went() {
        let dir = tempfile::tempdir().unwrap();
        let (queue, ledger) = (disk(dir.path(), 1 << 20), Arc::new(Ledger::default()));
        push(&queue, numbered(1, 5, ledger.track()));
        queue.abort();
        push(&queue, numbered(2, 7, ledger.track()));
        assert_eq!((ledger.confirmed(), queue.undelivered(), queue.kept()), (0, 0, 12));
        assert!(ledger.wait_acked(Duration::ZERO), "nobody waits for it any more");
        drop(queue);
        assert_eq!(disk(dir.path(), 1 << 20).size().records, 12);

        // of a component that was removed nothing is kept
        let queue = disk(dir.path(), 1 << 20);
        queue.discard();
        push(&queue, numbered(3, 1, Receipt::none()));
        assert_eq!(queue.undelivered(), 1);
    }
}
