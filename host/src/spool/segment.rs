//! Files of a spool: a mark at their head, then entries one after the other.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::entry::{Head, MAX_LENGTH, PREFIX};

const MAGIC: &[u8; 8] = b"DSSPOOL1";
/// Bytes of an empty segment.
pub(super) const EMPTY: u64 = MAGIC.len() as u64;
const SUFFIX: &str = "seg";

/// A segment that entries are read from or written to.
#[derive(Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub file: Arc<File>,
    /// Bytes of whole entries, with the mark at the head.
    pub bytes: u64,
    /// Number of its last entry; 0 when it has none.
    pub last: u64,
}

/// What a scan makes of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Whole entries.
    pub entries: u64,
    /// Their records.
    pub records: u64,
    /// Bytes up to the end of the last whole entry.
    pub sound_bytes: u64,
    /// Bytes after it: an entry that was cut short or damaged, and what follows it.
    pub cut_bytes: u64,
    /// Number of the first entry.
    pub first: u64,
    /// Number of the last entry.
    pub last: u64,
}

/// The segments of a folder, oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

impl Segment {
    /// Makes a segment whose first entry will have that number.
    pub fn create(folder: &Path, first: u64) -> io::Result<Self> {
        let path = folder.join(format!("{first:020}.{SUFFIX}"));
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        if let Err(error) = file.write_all_at(MAGIC, 0) {
            // an empty file would only puzzle; the fault itself is what counts
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self { path, file: Arc::new(file), bytes: EMPTY, last: 0 })
    }

    /// Opens a segment and checks it; what follows its last whole entry is cut off.
    pub fn recover(path: &Path, each: &mut dyn FnMut(Head, u64)) -> io::Result<(Self, Scanned)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let scanned = scan(&file, each)?;
        if scanned.cut_bytes > 0 {
            file.set_len(scanned.sound_bytes)?;
            if scanned.sound_bytes < EMPTY {
                file.write_all_at(MAGIC, 0)?;
            }
        }
        let segment = Self {
            path: path.to_owned(),
            file: Arc::new(file),
            bytes: scanned.sound_bytes.max(EMPTY),
            last: scanned.last,
        };
        Ok((segment, scanned))
    }

    /// Adds an entry at the end; a failed write leaves none of it.
    pub fn append(&mut self, head: &Head, payload: &[u8]) -> io::Result<()> {
        let front = head.encode(payload);
        let payload_at = self.bytes + front.len() as u64;
        let written = self
            .file
            .write_all_at(&front, self.bytes)
            .and_then(|()| self.file.write_all_at(payload, payload_at));
        if let Err(error) = written {
            // if that fails too, the checksum tells at the next start
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes = payload_at + payload.len() as u64;
        self.last = head.number;
        Ok(())
    }
}

/// Reads the entry at that place; `None` when there is no whole one. Also gives where it ends.
pub(super) fn read_at(file: &File, at: u64, end: u64) -> io::Result<Option<(Head, Vec<u8>, u64)>> {
    let mut prefix = [0; PREFIX];
    if at + PREFIX as u64 > end {
        return Ok(None);
    }
    file.read_exact_at(&mut prefix, at)?;
    let word = |at: usize| {
        u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]])
    };
    let (length, crc) = (word(0) as usize, word(4));
    let next = at + (PREFIX + length) as u64;
    if length > MAX_LENGTH || next > end {
        return Ok(None);
    }
    let mut body = vec![0; length];
    file.read_exact_at(&mut body, at + PREFIX as u64)?;
    if crc32fast::hash(&body) != crc {
        return Ok(None);
    }
    Ok(Head::decode(&body).map(|(head, payload_at)| {
        body.drain(..payload_at);
        (head, body, next)
    }))
}

/// Checks every entry, up to the first that is not whole.
pub(super) fn scan(file: &File, each: &mut dyn FnMut(Head, u64)) -> io::Result<Scanned> {
    let end = file.metadata()?.len();
    let mut magic = [0; MAGIC.len()];
    let is_segment = end >= EMPTY && file.read_exact_at(&mut magic, 0).is_ok() && magic == *MAGIC;
    if !is_segment {
        return Ok(Scanned { cut_bytes: end, ..Scanned::default() });
    }
    let mut scanned = Scanned { sound_bytes: EMPTY, ..Scanned::default() };
    while let Some((head, payload, next)) = read_at(file, scanned.sound_bytes, end)? {
        if scanned.entries == 0 {
            scanned.first = head.number;
        }
        scanned.entries += 1;
        scanned.records += u64::from(head.records);
        scanned.last = head.number;
        scanned.sound_bytes = next;
        each(head, payload.len() as u64);
    }
    scanned.cut_bytes = end - scanned.sound_bytes;
    Ok(scanned)
}
