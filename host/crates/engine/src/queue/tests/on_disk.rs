//! The same rules, and what a restart finds.

use std::path::Path;

use dataserver_config::RawBuffer;
use plugin_api::Provenance;

use super::*;

/// A disk without damage, of a host that is not told to stop.
struct Disk {
    may_fail: bool,
}

impl DiskHooks for Disk {
    fn note_disk(&self, fault: Option<&str>) {
        assert!(self.may_fail, "{fault:?}");
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
    disk_of(folder, max_bytes, Disk { may_fail: false })
}

fn disk_of(folder: &Path, max_bytes: u64, hooks: Disk) -> Queue {
    let kind = Some(BufferKind::Disk);
    let buffer = Buffer::of(None, RawBuffer { kind, ..RawBuffer::default() });
    let (queue, _) =
        Queue::on_disk(Buffer { max_bytes, ..buffer }, folder, Box::new(hooks)).unwrap();
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

    let (queue, acks) = (disk(dir.path(), 1 << 20), Arc::new(AckTracker::default()));
    (1..=4).for_each(|n| assert_eq!(push(&queue, numbered(n, 1, acks.track())), 0));
    assert_eq!(acks.confirmed(), 0, "the second is not delivered yet");
    let rest = take(&queue);
    assert_eq!(sequences(&rest), [2, 3, 4]);
    release(&queue, rest);
    assert_eq!(acks.confirmed(), 4);
    assert_eq!(push(&queue, numbered(4, 1, acks.track())), 0);
    assert_eq!((acks.confirmed(), queue.size()), (5, Size::default()));
}

#[test]
fn a_backlog_beyond_memory_comes_back_in_order_with_its_receipts() {
    const BATCHES: u64 = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let (queue, acks) = (disk(dir.path(), 1 << 30), Arc::new(AckTracker::default()));
    let mut bytes = 0;
    for n in 1..=BATCHES {
        let delivery = numbered(n, 500, acks.track());
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
    assert_eq!((acks.confirmed(), queue.size()), (BATCHES, Size::default()));
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
            (1..=3_000).for_each(|n| assert_eq!(push(&queue, numbered(n, 1, Receipt::none())), 0));
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
    let (queue, acks) = (disk(dir.path(), 1 << 20), Arc::new(AckTracker::default()));
    push(&queue, numbered(1, 5, acks.track()));
    queue.abort();
    assert!(acks.wait_acked(Duration::ZERO), "nobody waits for it any more");
    assert_eq!((acks.confirmed(), queue.undelivered()), (0, 0));
    drop(queue);
    assert_eq!(disk(dir.path(), 1 << 20).size().records, 5);
}

#[test]
fn a_disk_takes_what_a_writer_had_in_hand_when_the_reader_went() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, acks) = (disk(dir.path(), 1 << 20), Arc::new(AckTracker::default()));
    push(&queue, numbered(1, 5, acks.track()));
    queue.abort();
    push(&queue, numbered(2, 7, acks.track()));
    assert_eq!((acks.confirmed(), queue.undelivered(), queue.kept()), (0, 0, 12));
    assert!(acks.wait_acked(Duration::ZERO), "nobody waits for it any more");
    drop(queue);
    assert_eq!(disk(dir.path(), 1 << 20).size().records, 12);

    // of a component that was removed nothing is kept
    let queue = disk(dir.path(), 1 << 20);
    queue.discard();
    push(&queue, numbered(3, 1, Receipt::none()));
    assert_eq!(queue.undelivered(), 1);
}

#[test]
fn a_disk_that_refused_a_last_batch_takes_no_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let [folder, aside] = ["spool", "aside"].map(|name| dir.path().join(name));
    let acks = Arc::new(AckTracker::default());
    let queue = disk_of(&folder, 1 << 20, Disk { may_fail: true });
    queue.abort();
    std::fs::rename(&folder, &aside).unwrap();
    push(&queue, numbered(1, 5, acks.track()));
    std::fs::rename(&aside, &folder).unwrap();
    push(&queue, numbered(2, 7, acks.track()));
    assert_eq!((acks.confirmed(), queue.undelivered(), queue.kept()), (0, 12, 0));
    drop(queue);
    // as their source sends them again
    let queue = disk(&folder, 1 << 20);
    push(&queue, numbered(1, 5, Receipt::none()));
    push(&queue, numbered(2, 7, Receipt::none()));
    assert_eq!(queue.size().records, 12);
}
