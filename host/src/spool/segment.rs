//! Files of a spool: a mark at their head, then entries one after the other.
//!
//! A later format takes another suffix, so that this one does not take it for damage.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::entry::{Head, PREFIX};
use crate::own_file::{self, Access};

const MAGIC: &[u8; 8] = b"DSSPOOL1";
/// Bytes of an empty segment.
pub(super) const EMPTY: u64 = MAGIC.len() as u64;
const SUFFIX: &str = "seg";

/// A segment that entries are read from or written to.
#[derive(Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// Open while it is read or written.
    file: Option<Arc<File>>,
    /// Bytes of the file that count.
    pub bytes: u64,
    /// Number of its first entry, or below.
    pub first: u64,
    /// Number of its last entry; 0 when it has none.
    pub last: u64,
    /// It was damaged when the spool was opened, and that was told.
    pub is_damaged: bool,
}

/// What a scan makes of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Whole entries.
    pub entries: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Number of the first whole entry.
    pub first: u64,
    /// Number of the last whole entry.
    pub last: u64,
    /// What is between, before or after whole entries, in order.
    pub damage: Vec<Damage>,
}

/// Bytes that are no whole entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where they begin.
    pub at: u64,
    /// How many they are.
    pub bytes: u64,
}

/// What a scan comes upon.
pub(super) enum Seen {
    /// A whole entry, with the bytes of its payload.
    Entry(Head, u64),
    /// Something else.
    Damage,
}

/// The segments of a folder, oldest first, with the numbers they are named by.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|suffix| suffix == SUFFIX);
        let name = path.file_stem().and_then(|name| name.to_str());
        if let Some(first) = name.filter(|_| is_segment).and_then(|name| name.parse().ok()) {
            paths.push((first, path));
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

impl Segment {
    /// Makes a segment whose first entry will have that number.
    pub fn create(folder: &Path, first: u64) -> io::Result<Self> {
        let path = folder.join(format!("{first:020}.{SUFFIX}"));
        let file = own_file::open(&path, Access::Anew)?;
        if let Err(error) = file.write_all_at(MAGIC, 0) {
            // an empty file would only puzzle; the fault itself is what counts
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        sync_folder(folder);
        let file = Some(Arc::new(file));
        Ok(Self { path, file, bytes: EMPTY, first, last: 0, is_damaged: false })
    }

    /// A segment that is there, with all that is in its file.
    pub fn of_file(path: PathBuf, first: u64) -> io::Result<Self> {
        let bytes = std::fs::metadata(&path)?.len();
        Ok(Self { path, file: None, bytes, first, last: 0, is_damaged: false })
    }

    /// Its file, opened if it is not.
    pub fn file(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(own_file::open(&self.path, Access::Found)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Closes its file until it is needed again.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Cuts off what follows that byte.
    pub fn cut(&mut self, at: u64) -> io::Result<()> {
        self.file()?.set_len(at)?;
        self.bytes = at;
        Ok(())
    }

    /// Adds an entry at the end, and gives its bytes; a failed write leaves none of it.
    pub fn append(&mut self, head: &Head, payload: &[u8]) -> io::Result<u64> {
        let front = head.encode(payload);
        let payload_at = self.bytes + front.len() as u64;
        let file = self.file()?;
        let written = file
            .write_all_at(&front, self.bytes)
            .and_then(|()| file.write_all_at(payload, payload_at));
        if let Err(error) = written {
            // if that fails too, the checksum tells at the next start
            let _ = file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes = payload_at + payload.len() as u64;
        self.last = head.number;
        Ok((front.len() + payload.len()) as u64)
    }
}

/// Makes sure that new files of a folder survive a power cut, where its file system can do that.
pub(super) fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Reads the entry at that place; `None` when there is no whole one. Also gives where it ends.
pub(super) fn read_at(file: &File, at: u64, end: u64) -> io::Result<Option<(Head, Vec<u8>, u64)>> {
    let Some((crc, next)) = prefix_at(file, at, end)? else { return Ok(None) };
    let begin = at + PREFIX as u64;
    let Ok(length) = usize::try_from(next - begin) else { return Ok(None) };
    let mut body = vec![0; length];
    if !read_whole(file, &mut body, begin)? || crc32fast::hash(&body) != crc {
        return Ok(None);
    }
    Ok(Head::decode(&body).map(|(head, payload_at)| {
        body.drain(..payload_at);
        (head, body, next)
    }))
}

/// What follows the damage at that place, and where: an entry that can be believed its length, as a
/// whole one follows, is passed over alone; otherwise all is, and nothing follows.
pub(super) fn after_damage(file: &File, at: u64, end: u64) -> io::Result<(u64, Option<Head>)> {
    if let Some((_, next)) = prefix_at(file, at, end)?
        && let Some((head, _, _)) = read_at(file, next, end)?
    {
        return Ok((next, Some(head)));
    }
    Ok((end, None))
}

/// Checksum and end of the entry at that place, if it is within the file.
fn prefix_at(file: &File, at: u64, end: u64) -> io::Result<Option<(u32, u64)>> {
    let mut prefix = [0; PREFIX];
    if at + PREFIX as u64 > end {
        return Ok(None);
    }
    if !read_whole(file, &mut prefix, at)? {
        return Ok(None);
    }
    let word = |at: usize| {
        u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]])
    };
    let next = at + PREFIX as u64 + u64::from(word(0));
    Ok((next <= end).then_some((word(4), next)))
}

/// False when the file has become too short for that.
fn read_whole(file: &File, bytes: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// Checks every entry in a part of a segment.
///
/// Behind damage it goes on, in the last segment only if what follows is `delivered`: sources send
/// again what was behind it too, in order, so there everything behind damage counts as damaged.
pub(super) fn scan(
    file: &File,
    part: Range<u64>,
    delivered: Option<u64>,
    each: &mut dyn FnMut(Seen),
) -> io::Result<Scanned> {
    let mut scanned = Scanned { bytes: part.end, ..Scanned::default() };
    let mut at = part.start;
    while at < part.end {
        if let Some((head, payload, next)) = read_at(file, at, part.end)? {
            if scanned.entries == 0 {
                scanned.first = head.number;
            }
            scanned.entries += 1;
            scanned.records += u64::from(head.records);
            scanned.last = head.number;
            each(Seen::Entry(head, payload.len() as u64));
            at = next;
            continue;
        }
        let (mut next, follows) = after_damage(file, at, part.end)?;
        if delivered.is_some_and(|delivered| follows.is_none_or(|it| it.number > delivered)) {
            next = part.end;
        }
        scanned.damage.push(Damage { at, bytes: next - at });
        each(Seen::Damage);
        at = next;
    }
    Ok(scanned)
}
