//! A writer's place in a lake: its lock, and its word on which commit holds.
//!
//! A place is one hidden file at the root of the lake. Whoever holds its lock owns all unfinished
//! files that bear its name; the system drops the lock with the process, so a name whose lock can
//! be had belongs to a dead writer.
//!
//! A commit appends to any number of files, and every footer bears the commit's number. It holds
//! once that number stands here, beside how far the writer had come in what it was offered: one
//! record, written in turn at one of two places, so that a crash leaves this one or the one before.
//! What footers say of later commits was never confirmed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::{fault::Fault, file::Disk, fnv::sum, mark::Mark, owner::Owner};

/// Where the records of even and odd commits stand; the owner stands before them.
const PLACES: [u64; 2] = [4_096, 8_192];
const LONGEST_LINE: usize = 160;

/// A commit that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Grows by one with every commit.
    pub number: u64,
    /// How far the writer had come.
    pub mark: Mark,
}

/// A locked place.
#[derive(Debug)]
pub struct Slot {
    name: String,
    path: PathBuf,
    file: File,
    /// None of a file without a whole record, as after the loss of it.
    owner: Option<Owner>,
    last: Option<Commit>,
}

impl Slot {
    /// Takes the place that the owner has from before, or the first that is nobody's.
    ///
    /// `instance` is fit for a file name. The numbers of commits begin near `now_us`, so that they
    /// grow even if the file is removed.
    pub fn take(
        disk: &dyn Disk,
        lake: &Path,
        instance: &str,
        owner: Owner,
        now_us: i64,
    ) -> Result<Self, Fault> {
        if let Some(name) = place_of(lake, instance, owner)? {
            let Some(mut slot) = Self::try_take(lake, &name)? else {
                let text = "another process still writes or recovers under this name";
                let error = io::Error::new(io::ErrorKind::ResourceBusy, text);
                return Err(Fault::disk("lock", &path_of(lake, &name))(error));
            };
            slot.claim(disk, owner, now_us)?;
            return Ok(slot);
        }
        for number in 0_u32.. {
            if let Some(mut slot) = Self::try_take(lake, &format!("{instance}-{number}"))?
                && slot.owner.is_none()
            {
                slot.claim(disk, owner, now_us)?;
                return Ok(slot);
            }
        }
        let error = io::Error::from(io::ErrorKind::ResourceBusy);
        Err(Fault::disk("find a free place in", lake)(error))
    }

    /// Takes the place of that name; `None` while another writer has it.
    pub fn try_take(lake: &Path, name: &str) -> Result<Option<Self>, Fault> {
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
            // its last owner may have removed the file between our open and our lock
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

    /// How far the writer has come in what it was offered, where all is safe.
    pub fn mark(&self) -> Mark {
        self.last.map_or_else(Mark::default, |last| last.mark)
    }

    /// What the footers of the next commit bear.
    pub fn next_tag(&self) -> String {
        match (self.owner, self.last) {
            (Some(owner), Some(last)) => format!("{owner}-{}", last.number + 1),
            _ => String::new(),
        }
    }

    /// Says that the next commit holds.
    pub fn hold(&mut self, disk: &dyn Disk, mark: Mark) -> Result<(), Fault> {
        let number = self.last.map_or(1, |last| last.number + 1);
        self.keep(disk, Commit { number, mark })
    }

    /// Whether the commit with that tag holds; one that this place knows nothing of does.
    pub fn holds(&self, tag: &str) -> bool {
        let Some((owner, number)) = tag.split_once('-') else { return true };
        let (Some(owner), Ok(number)) = (Owner::parse(owner), number.parse::<u64>()) else {
            return true;
        };
        self.owner != Some(owner) || self.last.is_none_or(|last| number <= last.number)
    }

    /// Gives the place back when nothing unfinished bears its name any more; its owner comes back
    /// to one that says how far it had come.
    pub fn give_back(&self) -> Result<(), Fault> {
        if self.owner.is_some() && self.mark() != Mark::default() {
            return self.file.unlock().map_err(Fault::disk("unlock", &self.path));
        }
        fs::remove_file(&self.path).map_err(Fault::disk("remove", &self.path))
    }

    fn keep(&mut self, disk: &dyn Disk, commit: Commit) -> Result<(), Fault> {
        let Commit { number, mark: Mark { delivery, next } } = commit;
        let place = PLACES[usize::from(number % 2 == 1)];
        self.write(disk, place, &format!("commit {number} delivery {delivery} next {next}"))?;
        self.last = Some(commit);
        Ok(())
    }

    fn write(&self, disk: &dyn Disk, at: u64, text: &str) -> Result<(), Fault> {
        let line = format!("{text} sum {:016x}\n", sum(text));
        disk.write_at(&self.file, line.as_bytes(), at)
            .and_then(|()| disk.sync(&self.file))
            .map_err(Fault::disk("write", &self.path))
    }
}

fn path_of(lake: &Path, name: &str) -> PathBuf {
    lake.join(format!(".writer-{name}.lock"))
}

/// Name of the place that the owner has already.
fn place_of(lake: &Path, instance: &str, owner: Owner) -> Result<Option<String>, Fault> {
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
    for at in PLACES {
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
    let whole = line.filter(|(text, found)| *found == format!("{:016x}", sum(text)));
    Ok(whole.map(|(text, _)| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::LocalDisk;

    const MINE: &str = "00000000000000aa";
    const OTHERS: &str = "00000000000000bb";

    fn take(lake: &Path, owner: &str) -> Result<Slot, Fault> {
        Slot::take(&LocalDisk, lake, "lake", Owner::parse(owner).unwrap(), 1_000)
    }

    fn mark(delivery: u64) -> Mark {
        Mark { delivery, next: 5 }
    }

    #[test]
    fn an_owner_finds_its_mark_again_and_no_other_takes_its_place() {
        let lake = tempfile::tempdir().unwrap();
        let mut first = take(lake.path(), MINE).unwrap();
        assert_eq!((first.name(), first.mark()), ("lake-0", Mark::default()));
        let mut second = take(lake.path(), OTHERS).unwrap();
        assert_eq!(second.name(), "lake-1");
        first.hold(&LocalDisk, mark(7)).unwrap();
        second.hold(&LocalDisk, mark(9)).unwrap();
        drop((first, second));
        // whoever comes first
        let second = take(lake.path(), OTHERS).unwrap();
        assert_eq!((second.name(), second.mark()), ("lake-1", mark(9)));
        let third = take(lake.path(), "00000000000000cc").unwrap();
        assert_eq!((third.name(), third.mark()), ("lake-2", Mark::default()));
        third.give_back().unwrap();
        second.give_back().unwrap();
        drop((second, third));
        assert_eq!(take(lake.path(), OTHERS).unwrap().mark(), mark(9), "a mark is never given up");
        assert_eq!(take(lake.path(), MINE).unwrap().mark(), mark(7));
        assert_eq!(take(lake.path(), "00000000000000cc").unwrap().name(), "lake-2");
    }

    #[test]
    fn a_place_that_its_owner_finds_locked_is_waited_for() {
        let lake = tempfile::tempdir().unwrap();
        let _first = take(lake.path(), MINE).unwrap();
        let error = take(lake.path(), MINE).unwrap_err().into_open_error();
        assert_eq!(error.kind, plugin_api::ErrorKind::Retry);
        assert!(error.message.contains(".writer-lake-0.lock"), "{error}");
    }

    #[test]
    fn a_commit_holds_once_its_record_is_whole() {
        let lake = tempfile::tempdir().unwrap();
        let mut slot = take(lake.path(), MINE).unwrap();
        let (first, path) = (slot.next_tag(), slot.path.clone());
        assert!(!slot.holds(&first));
        slot.hold(&LocalDisk, mark(7)).unwrap();
        let second = slot.next_tag();
        assert!(slot.holds(&first) && !slot.holds(&second));
        slot.hold(&LocalDisk, mark(1_000)).unwrap();
        let place = PLACES[usize::from(slot.last.unwrap().number % 2 == 1)];
        drop(slot);
        let sound = fs::read(&path).unwrap();
        let start = usize::try_from(place).unwrap();
        let end = start + sound[start..].iter().position(|byte| *byte == b'\n').unwrap();
        for at in start..=end {
            let mut spoilt = sound.clone();
            spoilt[at] ^= 1;
            fs::write(&path, spoilt).unwrap();
            let slot = take(lake.path(), MINE).unwrap();
            assert_eq!(slot.mark(), mark(7), "byte {at}");
            assert!(slot.holds(&first) && !slot.holds(&second));
        }
        fs::write(&path, sound).unwrap();
        assert_eq!(take(lake.path(), MINE).unwrap().mark(), mark(1_000));
    }

    #[test]
    fn commits_that_a_place_knows_nothing_of_hold() {
        let lake = tempfile::tempdir().unwrap();
        let slot = take(lake.path(), MINE).unwrap();
        for tag in ["", "-", "x-1", &format!("{OTHERS}-99999"), &format!("{MINE}-1000")] {
            assert!(slot.holds(tag), "{tag}");
        }
        let path = slot.path.clone();
        drop(slot);
        // damage that spares nothing must not cost a row
        fs::write(&path, vec![b'x'; 9_000]).unwrap();
        let slot = Slot::try_take(lake.path(), "lake-0").unwrap().unwrap();
        assert!(slot.holds(&format!("{MINE}-99999")));
    }
}
