//! How many letters a component has.
//!
//! Files are read once, and then only what was added: whoever watches asks every second, and there
//! may be a gigabyte of letters.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use dataserver_spool::own_file::{self, Access};

use super::Store;

/// Most bytes that are read at once; the rest is for the next time.
const MAX_READ: u64 = 16 << 20;

/// Letters as far as they are counted.
#[derive(Debug, Default)]
pub(super) struct Count {
    by_file: BTreeMap<PathBuf, Lines>,
}

/// The lines of a file, up to a place.
#[derive(Debug, Default, Clone, Copy)]
struct Lines {
    /// Device and number of the file.
    identity: (u64, u64),
    at: u64,
    lines: u64,
}

impl Count {
    /// Goes on counting, and returns how many letters were found so far.
    pub fn update(&mut self, store: &Store) -> u64 {
        let files = store.files().unwrap_or_default();
        self.by_file.retain(|path, _| files.contains(path));
        let mut budget = MAX_READ;
        for path in files {
            let lines = self.by_file.entry(path.clone()).or_default();
            // a file that cannot be read now may be the next time
            let _ = lines.read_on(&path, &mut budget);
        }
        self.by_file.values().map(|it| it.lines).sum()
    }
}

impl Lines {
    fn read_on(&mut self, path: &Path, budget: &mut u64) -> io::Result<()> {
        let found = fs::metadata(path)?;
        let identity = (found.dev(), found.ino());
        if self.identity != identity || found.len() < self.at {
            // a replay has written it anew
            *self = Self { identity, ..Self::default() };
        }
        let wanted = (found.len() - self.at).min(*budget);
        if wanted == 0 {
            return Ok(());
        }
        let mut file = own_file::open(path, Access::Read)?;
        file.seek(SeekFrom::Start(self.at))?;
        let (mut part, mut buffer) = (file.take(wanted), [0; 1 << 16]);
        loop {
            let read = part.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.at += read as u64;
            *budget -= read as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn letters_are_counted_once_and_again_when_some_were_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("lake"));
        let mut count = Count::default();
        assert_eq!(count.update(&store), 0, "there is no folder yet");
        fs::create_dir(store.folder()).unwrap();
        let path = store.folder().join("2021-12-01.jsonl");
        fs::write(&path, "a\nb\nc").unwrap();
        assert_eq!(count.update(&store), 2, "the third is being written");
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"\nd\n").unwrap();
        fs::write(store.folder().join("2021-12-02.jsonl"), "e\n").unwrap();
        assert_eq!((count.update(&store), count.update(&store)), (5, 5));
        let new = path.with_extension("new");
        fs::write(&new, "d\n").unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(count.update(&store), 2);
        fs::remove_file(&path).unwrap();
        assert_eq!(count.update(&store), 1);
    }

    #[test]
    fn many_letters_are_counted_a_part_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().to_owned());
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let lines = 3 * (MAX_READ >> 10) / 2;
        let file = fs::File::create(dir.path().join("2021-12-01.jsonl")).unwrap();
        let mut file = io::BufWriter::new(file);
        (0..lines).for_each(|_| file.write_all(&line).unwrap());
        file.into_inner().unwrap();
        let mut count = Count::default();
        assert_eq!(count.update(&store), MAX_READ >> 10);
        assert_eq!(count.update(&store), lines);
    }
}
