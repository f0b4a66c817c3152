//! A disk that is full, or slow to give room back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::*;

/// A file system of its own that holds very little; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// Nothing where only root may mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder.path());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        fixtures::skip(fixtures::Need::Root, "no small disk could be mounted");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes what is free, but for so many pages.
    fn fill(&self, leave: usize) {
        const PAGE: usize = 4096;
        let mut bytes = 16 << 20;
        while bytes > 0 && fs::write(self.ballast(), vec![0; bytes]).is_err() {
            bytes = usize::try_from(fs::metadata(self.ballast()).unwrap().len()).unwrap();
            bytes = bytes.min(16 << 20) / PAGE * PAGE;
            if fs::write(self.ballast(), vec![0; bytes]).is_ok() {
                break;
            }
            bytes = bytes.saturating_sub(PAGE);
        }
        let left = bytes.saturating_sub(leave * PAGE);
        fs::OpenOptions::new()
            .write(true)
            .open(self.ballast())
            .unwrap()
            .set_len(left as u64)
            .unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn is_full(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::StorageFull
}

#[test]
fn a_full_disk_takes_batches_whole_or_not_at_all() {
    let Some(disk) = SmallDisk::mount("1m") else { return };
    let path = disk.path().join("spool");
    let mut spool = Spool::open(&path, 1 << 30).unwrap().0;
    let mut taken = Vec::new();
    for (round, pages) in [0, 1, 2, 3, 5, 8, 1, 0].into_iter().enumerate() {
        disk.fill(pages);
        let error = loop {
            let sequence = taken.len() as u64 + 1;
            match spool.append("clean", &batch("day", sequence, 3 + 7 * round), false) {
                Ok(_) => taken.push(sequence),
                Err(error) => break error,
            }
        };
        assert!(is_full(&error), "{error}");
        disk.free();
        let sequence = taken.len() as u64 + 1;
        let again = spool.append("clean", &batch("day", sequence, 1), false).unwrap();
        assert!(matches!(again, Appended::New(_)), "what failed is not known: {again:?}");
        taken.push(sequence);
    }
    assert_eq!(sequences(&read_all(&mut spool)), taken);
    drop(spool);
    let (mut spool, found) = Spool::open(&path, 1 << 30).unwrap();
    assert_eq!((found.damage, sequences(&read_all(&mut spool))), (vec![], taken));
}

#[test]
fn a_full_disk_stops_neither_the_start_nor_the_delivery_that_makes_room() {
    let Some(disk) = SmallDisk::mount("3m") else { return };
    let path = disk.path().join("spool");
    let mut spool = Spool::open(&path, 1 << 20).unwrap().0;
    let mut last = 0;
    while segments(&path).len() < 4 {
        last += 1;
        add(&mut spool, last..=last);
    }
    disk.fill(0);
    drop(spool);
    spool = Spool::open(&path, 1 << 20).unwrap().0;
    let read = numbers(&read_all(&mut spool));
    let (first, rest) = read.split_at(read.len() / 3);
    spool.offer(first.iter().copied()).unwrap();
    spool.offer(rest.iter().copied()).unwrap();
    spool.commit(first.iter().copied()).unwrap();
    assert!(segments(&path).len() < 4, "room is given back");
    let more = add(&mut spool, last + 1..=last + 20);
    disk.fill(0);
    assert_eq!(numbers(&read_all(&mut spool)), more);
    spool.offer(more.iter().copied()).unwrap();
    spool.commit(more.iter().copied()).unwrap();
    spool.commit(rest.iter().copied()).unwrap();
    drop(spool);
    let (mut spool, found) = Spool::open(&path, 1 << 20).unwrap();
    assert_eq!((found.entries, found.damage), (0, vec![]));
    assert_eq!(read_all(&mut spool), []);
}

#[test]
fn a_position_that_has_no_room_says_so_and_has_it_again_after_deliveries() {
    let Some(disk) = SmallDisk::mount("16m") else { return };
    let path = disk.path().join("spool");
    let mut spool = Spool::open(&path, 1 << 30).unwrap().0;
    // under way at once: more than the room that is reserved has
    let given = add(&mut spool, 1..=20_000);
    read_all(&mut spool);
    disk.fill(0);
    let refused = spool.offer(given.iter().copied());
    assert!(refused.is_err_and(|error| is_full(&error)));
    // what is left under way has room again
    spool.commit(given[..15_000].iter().copied()).unwrap();
    drop(spool);
    let (mut spool, found) = Spool::open(&path, 1 << 30).unwrap();
    assert_eq!(found.entries, 5_000);
    assert_eq!(numbers(&read_all(&mut spool)), given[15_000..]);
}

#[test]
fn what_is_delivered_makes_room_for_what_comes() {
    let Some(disk) = SmallDisk::mount("1m") else { return };
    let path = disk.path().join("spool");
    // one segment is far from full when the disk is
    let mut spool = Spool::open(&path, 1 << 30).unwrap().0;
    for round in 0..3 {
        let first = round * 1_000 + 1;
        let mut last = first;
        while spool.append("clean", &batch("day", last, 60), false).is_ok() {
            last += 1;
        }
        assert!(last > first, "round {round}");
        let read = numbers(&read_all(&mut spool));
        assert_eq!(read.len() as u64, last - first, "round {round}");
        spool.offer(read.iter().copied()).unwrap();
        assert!(spool.append("clean", &batch("day", last, 60), false).is_err());
        spool.commit(read.into_iter()).unwrap();
    }
}

#[test]
fn a_spool_can_be_opened_for_the_first_time_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount("1m") else { return };
    disk.fill(0);
    let mut spool = Spool::open(&disk.path().join("spool"), ROOM).unwrap().0;
    let error = spool.append("clean", &batch("day", 1, 1), false).unwrap_err();
    assert!(is_full(&error), "{error}");
    disk.free();
    let given = add(&mut spool, 1..=1);
    assert_eq!(numbers(&read_all(&mut spool)), given);
    spool.offer(given.iter().copied()).unwrap();
    spool.commit(given.into_iter()).unwrap();
}
