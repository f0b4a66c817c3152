//! The journal of positions: two files that alternate.
//!
//! A file begins with a whole position and continues with changes, each with a checksum, until the
//! other file gets a newer whole one. So a change costs only its own bytes, and after a crash the
//! state shortly before it can be read.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    bytes::Reader,
    coder::Coder,
    lossy,
    position::Position,
    quarantine::{self, Finding},
    stretch::{Stretch, Wrong},
};
use crate::own_file::{self, Access};

const NAMES: [&str; 2] = ["position.a", "position.b"];
const MAGIC: &[u8; 8] = b"DSPOSN01";
/// What the magic of all formats begins with; two digits follow.
const MAGIC_OF_ALL: &[u8] = b"DSPOSN";
/// Bytes that are checksummed at most in search of changes after damage.
const MAX_SUMMED: usize = 64 << 20;
/// Magic and generation.
const START: usize = 16;
/// Length and checksum before each record.
const PREFIX: usize = 8;
/// Bytes that are allocated at once, so that a full disk does not stop commits that free room.
const RESERVED: usize = 64 << 10;
/// A file grows to so many times the size of its position.
const GROWTH: usize = 4;

/// The two files of a spool that is open.
#[derive(Debug)]
pub(super) struct Journal {
    files: [File; 2],
    /// Generation of the last written position; its parity selects the file.
    generation: u64,
    /// Valid bytes of the current file.
    end: usize,
    /// Largest size of the current file.
    limit: usize,
    coder: Coder,
    /// The current file cannot be appended to: the next change writes a whole position.
    is_stale: bool,
}

impl Journal {
    /// Opens or makes the files and reads the newest position.
    ///
    /// Unusable files are moved to quarantine and reported in the findings.
    pub fn open(folder: &Path) -> io::Result<(Self, Position, Vec<Finding>)> {
        let (generation, position, wrong) = read(folder)?;
        let mut findings = Vec::new();
        for (path, note) in wrong {
            let bytes = std::fs::metadata(&path).map_or(0, |it| it.len());
            let stretch = Stretch::about(Wrong::Position, 0, bytes);
            // writing to it would destroy it
            let kept = Ok(quarantine::move_file(folder, &path, &stretch)?);
            findings.push(Finding { file: path, stretch, note, kept });
        }
        let open = |name: &str| own_file::open(&folder.join(name), Access::Write);
        let files = [open(NAMES[0])?, open(NAMES[1])?];
        for file in &files {
            let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            if length < RESERVED {
                // written, not only made longer: a hole has no room. A full disk is met later.
                let _ = file.write_all_at(&vec![0; RESERVED - length], length as u64);
            }
        }
        let (end, limit, coder) = (0, 0, Coder::default());
        Ok((Self { files, generation, end, limit, coder, is_stale: true }, position, findings))
    }

    /// Reads the newest position without changing anything, also while a host runs; also returns
    /// the unusable files, each with its fault.
    pub fn look(folder: &Path) -> (Position, Vec<(PathBuf, String)>) {
        let (_, position, wrong) = read(folder).unwrap_or_default();
        (position, wrong)
    }

    /// Makes the next change write a whole position, because more has changed.
    pub fn mark_stale(&mut self) {
        self.is_stale = true;
    }

    /// Notes that the position has these batches as offered in that group.
    pub fn offer(&mut self, position: &Position, group: u64, numbers: &[u64]) -> io::Result<()> {
        let record =
            if self.is_stale { Vec::new() } else { self.coder.offer(position, group, numbers) };
        self.write(&record, position)
    }

    /// Notes that the position has these batches as delivered.
    pub fn commit(&mut self, position: &Position, done: &[u64]) -> io::Result<()> {
        self.write(&Coder::commit(position.committed, done), position)
    }

    /// Writes a change, or the whole position after it.
    fn write(&mut self, record: &[u8], position: &Position) -> io::Result<()> {
        if !self.is_stale && self.end + PREFIX + record.len() <= self.limit {
            let framed = frame(self.generation, record);
            if self.current().write_all_at(&framed, self.end as u64).is_ok() {
                self.end += framed.len();
                return Ok(());
            }
        }
        self.write_whole(position)
    }

    /// Writes the whole position into the other file.
    ///
    /// Without room for it, at least what is delivered, so that room can be freed; how the rest was
    /// offered is lost then if the host crashes before the next attempt.
    pub fn write_whole(&mut self, position: &Position) -> io::Result<()> {
        self.is_stale = true;
        // the other file is overwritten next, so this one must survive a power cut
        self.current().sync_data()?;
        let mut coder = Coder::default();
        let whole = coder.snapshot(position, true);
        if let Err(error) = self.begin(&whole) {
            let least = Coder::default().snapshot(position, false);
            // the first error is returned, whether or not this succeeds
            let _ = self.begin(&least);
            return Err(error);
        }
        (self.coder, self.is_stale) = (coder, false);
        Ok(())
    }

    fn begin(&mut self, snapshot: &[u8]) -> io::Result<()> {
        let generation = self.generation + 1;
        let mut bytes = Vec::with_capacity(START + PREFIX + snapshot.len());
        bytes.extend(MAGIC);
        bytes.extend(generation.to_le_bytes());
        bytes.extend(frame(generation, snapshot));
        self.file(generation).write_all_at(&bytes, 0)?;
        self.generation = generation;
        self.end = bytes.len();
        self.limit = RESERVED.max(GROWTH * bytes.len());
        Ok(())
    }

    /// Makes sure that what was written survives a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.current().sync_data()
    }

    /// Generation and bytes of the current file.
    #[cfg(test)]
    pub fn extent(&self) -> (u64, u64) {
        (self.generation, self.end as u64)
    }

    fn current(&self) -> &File {
        self.file(self.generation)
    }

    fn file(&self, generation: u64) -> &File {
        &self.files[usize::from(generation.is_multiple_of(2))]
    }
}

/// A record with its length, and a checksum that tells records of older generations apart.
fn frame(generation: u64, record: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREFIX + record.len());
    bytes.extend(u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(checksum(generation, record).to_le_bytes());
    bytes.extend(record);
    bytes
}

fn checksum(generation: u64, record: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&generation.to_le_bytes());
    crc.update(record);
    crc.finalize()
}

/// A position with its generation, and the unusable files.
type Read = (u64, Position, Vec<(PathBuf, String)>);

/// The newest position of both files.
fn read(folder: &Path) -> io::Result<Read> {
    let (mut best, mut wrong, mut blank) = (None, Vec::new(), Vec::new());
    for name in NAMES {
        let path = folder.join(name);
        let bytes = match own_file::open(&path, Access::Read) {
            Ok(file) => lossy::read(file.metadata()?.len(), |bytes, at| file.read_at(bytes, at))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let Parsed { position, fault } = parse(&bytes);
        if position.is_none() && fault.is_none() {
            blank.push(path.clone());
        }
        wrong.extend(fault.map(|fault| (path, fault.to_owned())));
        let generation = |it: &Option<(u64, Position)>| it.as_ref().map(|(it, _)| *it);
        if generation(&position) > generation(&best) {
            best = position;
        }
    }
    // the second file is written to from the second open on
    let is_written = match &best {
        Some((generation, _)) => *generation > 1,
        None => wrong.is_empty() && has_segments(folder),
    };
    if is_written {
        let fault = "is empty or gone, although it was written to";
        wrong.extend(blank.into_iter().map(|path| (path, fault.to_owned())));
    }
    let (generation, position) = best.unwrap_or_default();
    Ok((generation, position, wrong))
}

fn has_segments(folder: &Path) -> bool {
    super::segment::list(folder).is_ok_and(|(segments, _)| !segments.is_empty())
}

/// What a file of the position says.
#[derive(Default)]
struct Parsed {
    /// With all changes up to the first that is not whole.
    position: Option<(u64, Position)>,
    /// What is wrong; nothing of a file that was never written to.
    fault: Option<&'static str>,
}

fn parse(bytes: &[u8]) -> Parsed {
    if bytes.iter().all(|byte| *byte == 0) {
        return Parsed::default();
    }
    let failed = |fault| Parsed { position: None, fault: Some(fault) };
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len()) != Some(MAGIC) {
        let is_newer =
            bytes.strip_prefix(MAGIC_OF_ALL).and_then(|it| it.get(..2)).is_some_and(|digits| {
                digits.iter().all(u8::is_ascii_digit) && *digits > MAGIC[MAGIC_OF_ALL.len()..]
            });
        return failed(if is_newer {
            "was written by a newer version, and its format is not known here"
        } else {
            "is damaged at its head"
        });
    }
    let Some(generation) = reader.u64() else { return failed("is damaged at its head") };
    let mut coder = Coder::default();
    let whole = next_record(&mut reader, generation).and_then(|it| coder.read_snapshot(it));
    let Some(mut position) = whole else { return failed("is damaged") };
    let mut end = reader.position();
    while let Some(record) = next_record(&mut reader, generation) {
        if coder.apply(&mut position, record).is_none() {
            break;
        }
        end = reader.position();
    }
    let fault = is_followed(&bytes[end..], generation)
        .then_some("is damaged, and changes behind the damage are not known");
    Parsed { position: Some((generation, position)), fault }
}

/// Whether further changes of that generation stand behind what was read.
fn is_followed(bytes: &[u8], generation: u64) -> bool {
    let mut left = MAX_SUMMED;
    (1..bytes.len()).any(|at| {
        let mut reader = Reader::new(&bytes[at..]);
        let length = reader.u32().and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
        if length == 0 || length > bytes.len() - at || left < length {
            return false;
        }
        left -= length;
        next_record(&mut Reader::new(&bytes[at..]), generation).is_some()
    })
}

fn next_record<'a>(reader: &mut Reader<'a>, generation: u64) -> Option<&'a [u8]> {
    let (length, crc) = (reader.u32()?, reader.u32()?);
    let record = reader.take(usize::try_from(length).ok()?)?;
    (checksum(generation, record) == crc).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            gaps::Gap,
            position::Offered,
            streams::{ProducerStream, SeqNo},
        },
        *,
    };

    /// Offers and commits batches as a spool does.
    struct Writer {
        journal: Journal,
        position: Position,
        next: u64,
    }

    impl Writer {
        fn new(folder: &Path) -> Self {
            let (journal, mut position, _) = Journal::open(folder).unwrap();
            let gap = Gap::new(stream(0), seq(3), seq(9));
            position.gaps.open(gap);
            Self { journal, position, next: 1_000_000 }
        }

        fn offer_and_commit(&mut self, count: u64) {
            let numbers: Vec<_> = (self.next..self.next + count).map(|it| it * 3).collect();
            for number in &numbers {
                // one stream fills the gap of the other
                let (stream, seq) = (stream(number % 2), seq(*number % 7 * 1_000));
                self.position.offer(*number, Offered { group: 1, stream, seq, done: false });
            }
            self.journal.offer(&self.position, 1, &numbers).unwrap();
            let done: Vec<_> = numbers.iter().copied().filter(|it| it % 5 != 0).collect();
            self.position.commit(&done, numbers[0]);
            self.journal.commit(&self.position, &done).unwrap();
            self.next += count;
        }
    }

    fn stream(epoch: u64) -> ProducerStream {
        ProducerStream { writer: "clean".to_owned(), source: "day".to_owned(), epoch }
    }

    fn seq(sequence: u64) -> SeqNo {
        SeqNo { sequence, part: 2 }
    }

    #[track_caller]
    fn assert_same(found: &Position, wanted: &Position) {
        assert_eq!((found.committed, found.floor), (wanted.committed, wanted.floor));
        assert_eq!(found.streams.by_use(), wanted.streams.by_use());
        assert_eq!((&found.gaps, &found.offered), (&wanted.gaps, &wanted.offered));
    }

    #[test]
    fn every_change_is_read_again_also_when_the_files_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path());
        for count in (1..=200).chain([4_000, 1, 2, 9_000, 1]) {
            writer.offer_and_commit(count);
            assert_same(&Journal::look(dir.path()).0, &writer.position);
        }
        assert!(writer.journal.generation >= 3, "{}", writer.journal.generation);
        let (_, reopened, _) = Journal::open(dir.path()).unwrap();
        assert_same(&reopened, &writer.position);
    }

    #[test]
    fn wherever_a_write_breaks_off_the_position_before_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path());
        let mut ends = Vec::new();
        for count in 1..=5 {
            writer.offer_and_commit(count);
            ends.push((writer.journal.end, writer.position.clone()));
        }
        let path = dir.path().join(NAMES[0]);
        let whole = std::fs::read(&path).unwrap();
        let (first, last) = (ends[0].0, ends[4].0);
        for at in first..last {
            let mut torn = whole.clone();
            torn[at..].fill(0);
            std::fs::write(&path, torn).unwrap();
            let found = Journal::look(dir.path()).0;
            let known = ends.iter().rev().find(|(end, _)| *end <= at).unwrap();
            assert!(found.committed == known.1.committed, "cut at {at}");
        }
    }
}
