//! The lock of one writer of a lake, with the record of its last commit.
//!
//! A lock is one hidden file at the root of the lake. Whoever holds it owns all unfinished files
//! that bear its name; the system releases it with the process, so a name whose lock is free
//! belongs to a writer that has ended.
//!
//! A commit appends to any number of files, and every footer bears the commit's number. It is
//! complete once that number is recorded here, together with the writer's mark: one record, written
//! in turn at one of two offsets, so that a crash leaves this record or the one before. Footers of
//! later commits were never confirmed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::{disk::Disk, fault::Fault, fnv::fnv1a, mark::Mark, owner::Owner};

/// Offsets of the records of even and odd commits; the owner is at offset 0.
const RECORD_OFFSETS: [u64; 2] = [4_096, 8_192];
const LONGEST_LINE: usize = 160;

/// A complete commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Grows by one with every commit.
    pub number: u64,
    /// What the writer had taken by then.
    pub mark: Mark,
}

/// What a writer has committed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Committed {
    owner: Option<Owner>,
    last: Option<Commit>,
}

impl Committed {
    /// What the writer of that name has committed so far, while it may go on writing.
    pub fn look(lake: &Path, name: &str) -> Result<Self, Fault> {
        let path = path_of(lake, name);
        match File::open(&path) {
            Ok(file) => {
                let read = || Ok(Self { owner: owner_in(&file)?, last: last_in(&file)? });
                read().map_err(Fault::disk("read", &path))
            }
            // the writer has ended in order: nothing of it is under way
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Fault::disk("open", &path)(error)),
        }
    }

    /// Whether the commit with that tag is complete; one that is not known here counts as complete.
    pub fn is_complete(&self, tag: &str) -> bool {
        let Some((owner, number)) = tag.split_once('-') else { return true };
        let (Some(owner), Ok(number)) = (Owner::parse(owner), number.parse::<u64>()) else {
            return true;
        };
        self.owner != Some(owner) || self.last.is_none_or(|last| number <= last.number)
    }
}

/// A lock that is held.
#[derive(Debug)]
pub struct WriterLock {
    name: String,
    path: PathBuf,
    file: File,
    /// `None` for a file without a whole record, as after a loss of its content.
    owner: Option<Owner>,
    last: Option<Commit>,
}

impl WriterLock {
    /// Acquires the lock that the owner had before, or the first without an owner.
    ///
    /// `instance` can stand in a file name. Commits are numbered from about `now_us` on, so that
    /// the numbers grow even if the file is removed.
    pub fn acquire(
        disk: &dyn Disk,
        lake: &Path,
        instance: &str,
        owner: Owner,
        now_us: i64,
    ) -> Result<Self, Fault> {
        if let Some(name) = name_of(lake, instance, owner)? {
            let Some(mut lock) = Self::try_acquire(lake, &name)? else {
                let text = "another process still writes or recovers under this name";
                let error = io::Error::new(io::ErrorKind::ResourceBusy, text);
                return Err(Fault::disk("lock", &path_of(lake, &name))(error));
            };
            lock.claim(disk, owner, now_us)?;
            return Ok(lock);
        }
        for number in 0_u32.. {
            if let Some(mut lock) = Self::try_acquire(lake, &format!("{instance}-{number}"))?
                && lock.owner.is_none()
            {
                lock.claim(disk, owner, now_us)?;
                return Ok(lock);
            }
        }
        let error = io::Error::from(io::ErrorKind::ResourceBusy);
        Err(Fault::disk("find a free place in", lake)(error))
    }

    /// Acquires the lock of that name; `None` while another writer holds it.
    pub fn try_acquire(lake: &Path, name: &str) -> Result<Option<Self>, Fault> {
        let path = path_of(lake, name);
        loop {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&path).map_err(Fault::disk("make", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(Fault::disk("lock", &path)(error)),
            }
            // the writer before may have removed the file between the open and the lock
            let locked = file.metadata().map_err(Fault::disk("look at", &path))?.ino();
            if fs::metadata(&path).is_ok_and(|there| there.ino() == locked) {
                let owner = owner_in(&file).map_err(Fault::disk("read", &path))?;
                let last = last_in(&file).map_err(Fault::disk("read", &path))?;
                return Ok(Some(Self { name: name.to_owned(), path, file, owner, last }));
            }
        }
    }

    fn claim(&mut self, disk: &dyn Disk, owner: Owner, now_us: i64) -> Result<(), Fault> {
        if self.owner.is_none() {
            self.write(disk, 0, &format!("owner {owner}"))?;
            self.owner = Some(owner);
            self.last = None;
        }
        if self.last.is_none() {
            let first = Commit { number: now_us.max(1).unsigned_abs(), mark: Mark::default() };
            self.keep(disk, first)?;
        }
        Ok(())
    }

    /// Name that the unfinished files of this writer bear.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the writer has committed of what it was offered.
    pub fn mark(&self) -> Mark {
        self.last.map_or_else(Mark::default, |last| last.mark)
    }

    /// Tag of the next commit, for the footers.
    pub fn next_tag(&self) -> String {
        match (self.owner, self.last) {
            (Some(owner), Some(last)) => format!("{owner}-{}", last.number + 1),
            _ => String::new(),
        }
    }

    /// Records that the next commit is complete.
    pub fn record_commit(&mut self, disk: &dyn Disk, mark: Mark) -> Result<(), Fault> {
        let number = self.last.map_or(1, |last| last.number + 1);
        self.keep(disk, Commit { number, mark })
    }

    /// Whether the commit with that tag is complete; see [`Committed::is_complete`].
    pub fn is_complete(&self, tag: &str) -> bool {
        Committed { owner: self.owner, last: self.last }.is_complete(tag)
    }

    /// Releases the lock, once no unfinished file bears its name. The file stays if it holds a
    /// mark, for the owner's next start.
    pub fn release(&self) -> Result<(), Fault> {
        if self.owner.is_some() && self.mark() != Mark::default() {
            return self.file.unlock().map_err(Fault::disk("unlock", &self.path));
        }
        fs::remove_file(&self.path).map_err(Fault::disk("remove", &self.path))
    }

    fn keep(&mut self, disk: &dyn Disk, commit: Commit) -> Result<(), Fault> {
        let Commit { number, mark: Mark { delivery, next } } = commit;
        let offset = RECORD_OFFSETS[usize::from(number % 2 == 1)];
        self.write(disk, offset, &format!("commit {number} delivery {delivery} next {next}"))?;
        self.last = Some(commit);
        Ok(())
    }

    fn write(&self, disk: &dyn Disk, at: u64, text: &str) -> Result<(), Fault> {
        let line = format!("{text} sum {:016x}\n", fnv1a(text));
        disk.write_at(&self.file, line.as_bytes(), at)
            .and_then(|()| disk.sync(&self.file))
            .map_err(Fault::disk("write", &self.path))
    }
}

fn path_of(lake: &Path, name: &str) -> PathBuf {
    lake.join(format!(".writer-{name}.lock"))
}

/// Name of the lock that the owner had before.
fn name_of(lake: &Path, instance: &str, owner: Owner) -> Result<Option<String>, Fault> {
    for entry in fs::read_dir(lake).map_err(Fault::disk("list", lake))? {
        let entry = entry.map_err(Fault::disk("list", lake))?;
        let file_name = entry.file_name();
        let name = file_name.to_str().and_then(|name| name.strip_prefix(".writer-"));
        let Some(name) = name.and_then(|name| name.strip_suffix(".lock")) else { continue };
        let number = name.strip_prefix(instance).and_then(|rest| rest.strip_prefix('-'));
        if number.is_none_or(|number| number.parse::<u32>().is_err()) {
            continue;
        }
        let path = entry.path();
        match File::open(&path).and_then(|file| owner_in(&file)) {
            Ok(found) if found == Some(owner) => return Ok(Some(name.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Fault::disk("read", &path)(error));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn owner_in(file: &File) -> io::Result<Option<Owner>> {
    let line = line_at(file, 0)?;
    Ok(line.as_deref().and_then(|line| line.strip_prefix("owner ")).and_then(Owner::parse))
}

fn last_in(file: &File) -> io::Result<Option<Commit>> {
    let mut last = None;
    for at in RECORD_OFFSETS {
        let found = line_at(file, at)?.and_then(|line| commit_in(&line));
        if found.map(|it| it.number) > last.map(|it: Commit| it.number) {
            last = found;
        }
    }
    Ok(last)
}

fn commit_in(line: &str) -> Option<Commit> {
    let mut words = line.split(' ');
    let mut number = |name: &str| {
        words.next().filter(|word| *word == name)?;
        words.next()?.parse().ok()
    };
    let (number, delivery, next) = (number("commit")?, number("delivery")?, number("next")?);
    Some(Commit { number, mark: Mark { delivery, next } })
}

/// The line that stands there, if its sum is right.
fn line_at(file: &File, at: u64) -> io::Result<Option<String>> {
    let mut bytes = [0; LONGEST_LINE];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], at + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    let text = String::from_utf8_lossy(&bytes[..read]);
    let line = text.split_once('\n').and_then(|(line, _)| line.rsplit_once(" sum "));
    let whole = line.filter(|(text, found)| *found == format!("{:016x}", fnv1a(text)));
    Ok(whole.map(|(text, _)| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;

    const MINE: &str = "00000000000000aa";
    const OTHERS: &str = "00000000000000bb";

    fn acquire(lake: &Path, owner: &str) -> Result<WriterLock, Fault> {
        WriterLock::acquire(&LocalDisk, lake, "lake", Owner::parse(owner).unwrap(), 1_000)
    }

    fn mark(delivery: u64) -> Mark {
        Mark { delivery, next: 5 }
    }

    #[test]
    fn an_owner_finds_its_mark_again_and_no_other_takes_its_place() {
        let lake = tempfile::tempdir().unwrap();
        let mut first = acquire(lake.path(), MINE).unwrap();
        assert_eq!((first.name(), first.mark()), ("lake-0", Mark::default()));
        let mut second = acquire(lake.path(), OTHERS).unwrap();
        assert_eq!(second.name(), "lake-1");
        first.record_commit(&LocalDisk, mark(7)).unwrap();
        second.record_commit(&LocalDisk, mark(9)).unwrap();
        drop((first, second));
        // whoever comes first
        let second = acquire(lake.path(), OTHERS).unwrap();
        assert_eq!((second.name(), second.mark()), ("lake-1", mark(9)));
        let third = acquire(lake.path(), "00000000000000cc").unwrap();
        assert_eq!((third.name(), third.mark()), ("lake-2", Mark::default()));
        third.release().unwrap();
        second.release().unwrap();
        drop((second, third));
        assert_eq!(
            acquire(lake.path(), OTHERS).unwrap().mark(),
            mark(9),
            "a mark is never given up"
        );
        assert_eq!(acquire(lake.path(), MINE).unwrap().mark(), mark(7));
        assert_eq!(acquire(lake.path(), "00000000000000cc").unwrap().name(), "lake-2");
    }

    #[test]
    fn a_place_that_its_owner_finds_locked_is_waited_for() {
        let lake = tempfile::tempdir().unwrap();
        let _first = acquire(lake.path(), MINE).unwrap();
        let error = acquire(lake.path(), MINE).unwrap_err().into_open_error();
        assert_eq!(error.kind, plugin_api::ErrorKind::Retry);
        assert!(error.message.contains(".writer-lake-0.lock"), "{error}");
    }

    #[test]
    fn a_commit_holds_once_its_record_is_whole() {
        let lake = tempfile::tempdir().unwrap();
        let mut lock = acquire(lake.path(), MINE).unwrap();
        let (first, path) = (lock.next_tag(), lock.path.clone());
        assert!(!lock.is_complete(&first));
        lock.record_commit(&LocalDisk, mark(7)).unwrap();
        let second = lock.next_tag();
        assert!(lock.is_complete(&first) && !lock.is_complete(&second));
        lock.record_commit(&LocalDisk, mark(1_000)).unwrap();
        let offset = RECORD_OFFSETS[usize::from(lock.last.unwrap().number % 2 == 1)];
        drop(lock);
        let sound = fs::read(&path).unwrap();
        let start = usize::try_from(offset).unwrap();
        let end = start + sound[start..].iter().position(|byte| *byte == b'\n').unwrap();
        for at in start..=end {
            let mut spoilt = sound.clone();
            spoilt[at] ^= 1;
            fs::write(&path, spoilt).unwrap();
            let lock = acquire(lake.path(), MINE).unwrap();
            assert_eq!(lock.mark(), mark(7), "byte {at}");
            assert!(lock.is_complete(&first) && !lock.is_complete(&second));
        }
        fs::write(&path, sound).unwrap();
        assert_eq!(acquire(lake.path(), MINE).unwrap().mark(), mark(1_000));
    }

    #[test]
    fn commits_that_a_place_knows_nothing_of_hold() {
        let lake = tempfile::tempdir().unwrap();
        let lock = acquire(lake.path(), MINE).unwrap();
        for tag in ["", "-", "x-1", &format!("{OTHERS}-99999"), &format!("{MINE}-1000")] {
            assert!(lock.is_complete(tag), "{tag}");
        }
        let path = lock.path.clone();
        drop(lock);
        // damage that spares nothing must not cost a row
        fs::write(&path, vec![b'x'; 9_000]).unwrap();
        let lock = WriterLock::try_acquire(lake.path(), "lake-0").unwrap().unwrap();
        assert!(lock.is_complete(&format!("{MINE}-99999")));
    }
}
