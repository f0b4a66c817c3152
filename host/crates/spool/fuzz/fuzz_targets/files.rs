//! Changes the files of a small spool in any way, and reads it.

#![no_main]

#[path = "../../src/tests/any_bytes.rs"]
mod any_bytes;

use std::{fs, path::Path, sync::LazyLock};

use dataserver_spool::{Spool, inspect};
use libfuzzer_sys::{arbitrary, fuzz_target};
use plugin_api::{Provenance, Round, testing::spot_batch};
use tempfile::TempDir;

/// One change of a file.
#[derive(Debug, arbitrary::Arbitrary)]
struct Change {
    /// Which one, counted on over all of them.
    file: u8,
    at: u16,
    removed: u8,
    put: Vec<u8>,
}

/// Names and contents of the files of a spool that no sink has read.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let dir = folder();
    let mut spool = Spool::open(dir.path(), 1 << 20).unwrap().0;
    for sequence in 1..=12 {
        let batch = spot_batch(1 + sequence % 3, Round::WHOLE)
            .with_provenance(Provenance::of_source("day"))
            .numbered(1, sequence as u64, 0);
        spool.append("clean", &batch, false).unwrap();
    }
    drop(spool);
    let mut files: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
});

fuzz_target!(|changes: Vec<Change>| {
    let mut files = FILES.clone();
    for Change { file, at, removed, put } in changes {
        let count = files.len();
        let bytes = &mut files[usize::from(file) % count].1;
        let from = usize::from(at).min(bytes.len());
        let to = (from + usize::from(removed)).min(bytes.len());
        bytes.splice(from..to, put);
    }
    let dir = folder();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    any_bytes::check(dir.path());
});

/// A folder on the fastest disk there is.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}
