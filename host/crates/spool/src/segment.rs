//! Files of a spool: a header, then entries one after the other, then an end.
//!
//! ```text
//! NUMBER-MARK.seg:  DSSPOOL2 │ entries u64 │ records u64 │ crc32 u32 │ entries … │ end u64
//! NUMBER.seg:       DSSPOOL1 │ entries …
//! ```
//! The header counts what was appended to the spool before; its checksum covers the mark too. `end`
//! is the mark inverted. A segment without it was truncated: whenever an append is interrupted,
//! either the previous `end` is still there or the next one is already. Earlier hosts wrote the
//! second format. A later format takes another suffix.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    bytes::Reader,
    entry::{Frame, Head, Tally},
};
use crate::own_file::{self, Access};

const MAGIC: &[u8; 8] = b"DSSPOOL2";
const MAGIC_OF_PLAIN: &[u8; 8] = b"DSSPOOL1";
/// What the magic of all formats begins with; the format's digit follows.
const MAGIC_OF_ALL: &[u8; 7] = b"DSSPOOL";
const SUFFIX: &str = "seg";
/// Bytes of the end mark.
const END: usize = 8;
/// Payloads up to so many bytes are copied, to be written together with the end mark.
const COPIED: usize = 64 << 10;

impl Frame {
    /// Bytes before the first entry of a segment.
    pub fn header(self) -> u64 {
        match self {
            Self::Plain => 8,
            Self::Marked(_) => 28,
        }
    }

    /// The end mark.
    pub fn end(self) -> Option<[u8; END]> {
        match self {
            Self::Plain => None,
            Self::Marked(mark) => Some((!mark).to_le_bytes()),
        }
    }

    /// Bytes of the end mark of this frame.
    pub fn end_bytes(self) -> u64 {
        self.end().map_or(0, |end| end.len() as u64)
    }

    fn header_of(self, tally: Option<Tally>) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend(Tally::encode(tally));
        header.extend(self.checksum(&header, &[]).to_le_bytes());
        header
    }

    /// Whether a header is intact.
    pub fn is_header(self, header: &[u8]) -> bool {
        let Some((summed, crc)) = header.split_last_chunk::<4>() else { return false };
        match self {
            Self::Plain => header == MAGIC_OF_PLAIN,
            Self::Marked(_) => {
                header.starts_with(MAGIC) && *crc == self.checksum(summed, &[]).to_le_bytes()
            }
        }
    }

    /// What the header says; `None` when it is damaged.
    pub fn start(self, bytes: &[u8]) -> Option<Start> {
        let header = bytes.get(..usize::try_from(self.header()).ok()?)?;
        (matches!(self, Self::Marked(_)) && self.is_header(header)).then_some(())?;
        let tally = Tally::read(&mut Reader::new(header.get(MAGIC.len()..)?))?;
        Some(tally.map_or(Start::Unnumbered, Start::At))
    }
}

/// What the header of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Counts before this segment.
    At(Tally),
    /// Inserted between others by a repair.
    Unnumbered,
}

/// A segment that entries are read from or written to.
#[derive(Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub frame: Frame,
    /// Open while it is read or written.
    file: Option<Arc<File>>,
    /// Where its last entry ends.
    pub bytes: u64,
    /// Its share of the spool's bound.
    pub counted: u64,
    /// Number of its first entry, or below.
    pub first: u64,
    /// Number of its last entry; 0 when it has none.
    pub last: u64,
    /// Offsets of its entries by number, when they are not contiguous because of damage. Such a
    /// segment is never written to.
    pub order: Option<Vec<u64>>,
}

/// A segment's file, by its name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Number of its first entry, or below.
    pub first: u64,
    pub frame: Frame,
    pub path: PathBuf,
}

impl Named {
    /// The segment in that file; `None` when its name is not one of this format.
    pub fn of(path: PathBuf) -> Option<Self> {
        let (first, mark) = match parts_of(&path)? {
            (first, mark, SUFFIX) => (first, mark),
            _ => return None,
        };
        Some(Self { first, frame: mark.map_or(Frame::Plain, Frame::Marked), path })
    }
}

/// The segments of a folder, oldest first, and files of a later format.
pub(super) fn list(folder: &Path) -> io::Result<(Vec<Named>, Vec<PathBuf>)> {
    let (mut segments, mut newer) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match Named::of(path.clone()) {
            Some(named) => segments.push(named),
            None if parts_of(&path).is_some() => newer.push(path),
            None => {}
        }
    }
    let place = |named: &Named| (named.first, named.path.clone());
    segments.sort_by_cached_key(place);
    newer.sort_unstable();
    Ok((segments, newer))
}

/// Number, mark and suffix in the name of a segment of any format.
fn parts_of(path: &Path) -> Option<(u64, Option<u64>, &str)> {
    let suffix = path.extension()?.to_str()?;
    let format = suffix.strip_prefix(SUFFIX)?;
    format.bytes().all(|it| it.is_ascii_digit()).then_some(())?;
    let name = path.file_stem()?.to_str()?;
    let (first, mark) = match name.split_once('-') {
        Some((first, mark)) => (first, Some(u64::from_str_radix(mark, 16).ok()?)),
        None => (name, None),
    };
    Some((first.parse().ok()?, mark, suffix))
}

/// Whether a file says that it is of a later format.
pub(super) fn is_newer(bytes: &[u8]) -> bool {
    bytes
        .strip_prefix(MAGIC_OF_ALL)
        .and_then(|rest| rest.first())
        .is_some_and(|digit| digit.is_ascii_digit() && *digit > MAGIC[MAGIC_OF_ALL.len()])
}

impl Segment {
    /// Creates a segment whose first entry will have that number, with the count before it.
    pub fn create(folder: &Path, first: u64, tally: Option<Tally>) -> io::Result<Self> {
        let mark = rand::random();
        let frame = Frame::Marked(mark);
        let path = folder.join(format!("{first:020}-{mark:016x}.{SUFFIX}"));
        let file = own_file::open(&path, Access::Truncate)?;
        let mut header = frame.header_of(tally);
        header.extend(frame.end().unwrap_or_default());
        if let Err(error) = file.write_all_at(&header, 0) {
            // removes the incomplete file; the write error is returned
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        sync_folder(folder);
        let file = Some(Arc::new(file));
        let bytes = frame.header();
        Ok(Self { path, frame, file, bytes, counted: bytes, first, last: 0, order: None })
    }

    /// An existing segment with so many valid bytes.
    pub fn of_file(named: Named, bytes: u64) -> Self {
        let Named { first, frame, path } = named;
        Self { path, frame, file: None, bytes, counted: bytes, first, last: 0, order: None }
    }

    /// Its file, opened if it is not.
    pub fn file(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(own_file::open(&self.path, Access::Existing)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Closes its file; it is reopened on demand.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Whether its format and state allow appends.
    pub fn is_continued(&self) -> bool {
        self.order.is_none() && self.frame != Frame::Plain
    }

    /// File offset of the entry at a reader's cursor, which starts at 0.
    pub fn place(&self, cursor: u64) -> Option<u64> {
        match &self.order {
            None => Some(cursor.max(self.frame.header())).filter(|at| *at < self.bytes),
            Some(order) => order.get(usize::try_from(cursor).ok()?).copied(),
        }
    }

    /// The cursor after the entry that ends at that offset.
    pub fn place_after(&self, cursor: u64, end: u64) -> u64 {
        if self.order.is_some() { cursor + 1 } else { end }
    }

    /// The entry at that offset, and where it ends; `None` when it is not intact.
    pub fn read_at(&mut self, at: u64) -> io::Result<Option<(Head, Vec<u8>, u64)>> {
        let file = self.file()?;
        let mut prefix = [0; 20];
        let prefix = &mut prefix[..self.frame.prefix()];
        let begin = at + prefix.len() as u64;
        if begin > self.bytes || !read_whole(&file, prefix, at)? {
            return Ok(None);
        }
        let Some((length, crc)) = self.frame.open(prefix) else { return Ok(None) };
        let next = begin + length as u64;
        if next > self.bytes {
            return Ok(None);
        }
        let mut body = vec![0; length];
        if !read_whole(&file, &mut body, begin)? || self.frame.checksum(&body, &[]) != crc {
            return Ok(None);
        }
        Ok(Head::decode(self.frame, &body).map(|(head, payload_at)| {
            body.drain(..payload_at);
            (head, body, next)
        }))
    }

    /// Truncates it after that byte.
    pub fn cut(&mut self, at: u64) -> io::Result<()> {
        let file = self.file()?;
        file.set_len(at)?;
        if let Some(end) = self.frame.end() {
            file.write_all_at(&end, at)?;
        }
        (self.bytes, self.counted) = (at, at);
        Ok(())
    }

    /// Appends an entry and returns its bytes; a failed write leaves none of it.
    pub fn append(&mut self, head: &Head, payload: &[u8]) -> io::Result<u64> {
        let front = head.encode(self.frame, payload);
        let file = self.file()?;
        if let Err(error) = self.write(&file, &front, payload) {
            // if that fails too, the missing end is detected at the next start
            let _ = self.cut(self.bytes);
            return Err(error);
        }
        let bytes = (front.len() + payload.len()) as u64;
        self.bytes += bytes;
        self.counted += bytes;
        self.last = head.number;
        Ok(bytes)
    }

    /// Writes the front last: it overwrites the previous end mark and makes the entry valid.
    fn write(&self, file: &File, front: &[u8], payload: &[u8]) -> io::Result<()> {
        let payload_at = self.bytes + front.len() as u64;
        let end = self.frame.end().unwrap_or_default();
        if payload.len() <= COPIED {
            file.write_all_at(&[payload, &end].concat(), payload_at)?;
        } else {
            file.write_all_at(&end, payload_at + payload.len() as u64)?;
            file.write_all_at(payload, payload_at)?;
        }
        file.write_all_at(front, self.bytes)
    }
}

/// Syncs a folder, so that new files survive a power cut, where the file system can do that.
pub(super) fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// False when the file is too short.
fn read_whole(file: &File, bytes: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}
