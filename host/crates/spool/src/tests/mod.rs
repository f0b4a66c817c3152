//! The engine under crashes, damage and full disks.

mod any_bytes;
mod cost;
mod damage;
mod delivery;
mod disk;
mod fuzz;
mod lost;
mod model;

use std::path::{Path, PathBuf};

use plugin_api::{Batch, Provenance, Round, testing::spot_batch};
use tempfile::TempDir;

use super::{Appended, Spool, inspect};

const ROOM: u64 = 1 << 20;

/// A folder on the fastest disk there is.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A batch of so many records, as that source has numbered it.
fn batch(source: &str, sequence: u64, records: usize) -> Batch {
    spot_batch(records, Round::WHOLE)
        .with_provenance(Provenance::of_source(source))
        .numbered(1, sequence, 0)
}

fn open(folder: &TempDir) -> Spool {
    Spool::open(folder.path(), ROOM).unwrap().0
}

/// Adds batches of one record of the source `day` and gives their numbers.
fn add(spool: &mut Spool, sequences: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    let add = |sequence| match spool.append("clean", &batch("day", sequence, 1), false) {
        Ok(Appended::New(number) | Appended::Deferred(number)) => number,
        other => panic!("{sequence}: {other:?}"),
    };
    sequences.map(add).collect()
}

/// Reads everything that can be read: number and sequence of each batch.
fn read_all(spool: &mut Spool) -> Vec<(u64, u64)> {
    std::iter::from_fn(|| spool.read_next().unwrap())
        .map(|batch| (batch.delivery(), batch.provenance().sequence))
        .collect()
}

fn sequences(read: &[(u64, u64)]) -> Vec<u64> {
    read.iter().map(|(_, sequence)| *sequence).collect()
}

fn numbers(read: &[(u64, u64)]) -> Vec<u64> {
    read.iter().map(|(number, _)| *number).collect()
}

/// The segments of a spool, oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    super::segment::list(folder).unwrap().0.into_iter().map(|it| it.path).collect()
}

/// Bytes behind the last entry of a segment.
const END: u64 = 8;

/// Cuts so many bytes off the end of a file.
fn truncate(path: &Path, bytes: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(bytes)).unwrap();
}

/// Spoils one byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x41;
    std::fs::write(path, bytes).unwrap();
}
