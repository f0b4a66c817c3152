//! What holds of a spool, whatever its files hold. The fuzz target has this file as well.

use std::{iter, path::Path};

use super::{Spool, inspect};

const MAX_BYTES: u64 = 1 << 20;

/// Reads all that can be read, as two hosts would, one after the other.
pub fn check(folder: &Path) {
    inspect(folder).unwrap();
    let (numbers, _) = read(folder);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let (again, damaged) = read(folder);
    assert_eq!(damaged, 0, "damage is told once");
    assert_eq!(again, numbers, "what nobody took is offered again");
}

/// Numbers of all batches, and how many damaged places are told.
fn read(folder: &Path) -> (Vec<u64>, usize) {
    let (mut spool, found) = Spool::open(folder, MAX_BYTES).unwrap();
    let batches = iter::from_fn(|| spool.read_next().unwrap());
    (batches.map(|batch| batch.delivery()).collect(), found.damage.len())
}
