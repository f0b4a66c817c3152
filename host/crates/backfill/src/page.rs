//! A page: what the sources gave for one piece, on disk.
//!
//! A head of eight bytes, then entries. An entry has 16 bytes of numbers, little-endian (bytes of
//! payload `u32`, records `u32`, kind `u8`, place of the source in the job `u8`, zero `u16`, CRC-32 of
//! these twelve bytes and the payload `u32`) and the payload, a batch as it goes over the wire. The
//! last entry has the kind 255 and holds a [`Tally`] as JSON. A page gets its name when it is whole.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use dataserver_spool::own_file::{self, Access};
use plugin_api::{Batch, RecordKind, Round};

use super::outcome::Tally;

const HEAD: &[u8; 8] = b"dspage\x01\n";
/// Bytes of an entry before its payload.
const ENTRY: usize = 16;
/// Kind of the last entry.
const LAST: u8 = 255;
/// A larger payload is none that a source gives.
const MAX_PAYLOAD: u32 = 256 << 20;

/// Why a page cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The disk fails.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What is there is not what was written.
    #[error("{} is damaged at byte {at}: {what}", path.display())]
    Damaged {
        /// The page.
        path: PathBuf,
        /// Where its entry begins.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// A page that is being written; one that is dropped leaves nothing that counts.
#[derive(Debug)]
pub struct PageWriter {
    file: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
    bytes: u64,
}

impl PageWriter {
    /// Begins the page of that name anew.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn create(path: &Path) -> io::Result<Self> {
        let part = path.with_extension("part");
        let mut file = BufWriter::new(own_file::open(&part, Access::Truncate)?);
        file.write_all(HEAD)?;
        Ok(Self { file, part, path: path.to_owned(), bytes: HEAD.len() as u64 })
    }

    /// Adds a batch of the source at that place of the job.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn push(&mut self, source: u8, batch: &Batch) -> io::Result<()> {
        self.entry(batch.payload(), batch.records(), batch.kind().number(), source)
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it count, also after a power cut.
    ///
    /// # Errors
    /// When the disk fails; the page does not count then.
    pub fn finish(mut self, tally: &Tally) -> io::Result<()> {
        self.entry(&serde_json::to_vec(tally)?, 0, LAST, 0)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_data()?;
        fs::rename(&self.part, &self.path)?;
        sync_folder(&self.path)
    }

    fn entry(&mut self, payload: &[u8], records: u32, kind: u8, source: u8) -> io::Result<()> {
        let too_large =
            || io::Error::new(io::ErrorKind::InvalidInput, "a batch of 256 MiB or more");
        let length = u32::try_from(payload.len()).ok().filter(|it| *it <= MAX_PAYLOAD);
        let mut head = [0; ENTRY];
        head[..4].copy_from_slice(&length.ok_or_else(too_large)?.to_le_bytes());
        head[4..8].copy_from_slice(&records.to_le_bytes());
        head[8..10].copy_from_slice(&[kind, source]);
        let sum = checksum(&head, payload);
        head[12..].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all(&head)?;
        self.file.write_all(payload)?;
        self.bytes += (ENTRY + payload.len()) as u64;
        Ok(())
    }
}

/// Lets names in the folder of that file survive a power cut.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn checksum(head: &[u8; ENTRY], payload: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head[..12]);
    sum.update(payload);
    sum.finalize()
}

/// What comes of reading an entry.
#[derive(Debug)]
pub enum Entry {
    /// A batch, and the place of its source in the job.
    Batch(u8, Batch),
    /// The end, with the counts of the page.
    Last(Tally),
}

/// A page that is being read.
#[derive(Debug)]
pub struct PageReader {
    file: BufReader<File>,
    path: PathBuf,
    at: u64,
}

impl PageReader {
    /// Opens a whole page.
    ///
    /// # Errors
    /// When the disk fails, or it is none.
    pub fn open(path: &Path) -> Result<Self, PageError> {
        let file = BufReader::new(own_file::open(path, Access::Read)?);
        let mut reader = Self { file, path: path.to_owned(), at: 0 };
        let mut head = [0; HEAD.len()];
        reader.read(&mut head)?;
        if head != *HEAD {
            return Err(reader.damaged("it is no page of this version"));
        }
        reader.at = HEAD.len() as u64;
        Ok(reader)
    }

    /// The next entry.
    ///
    /// # Errors
    /// When the disk fails, or the entry is not what was written.
    pub fn read_next(&mut self) -> Result<Entry, PageError> {
        let mut head = [0; ENTRY];
        self.read(&mut head)?;
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (length, records, kind, source, sum) =
            (number(0), number(4), head[8], head[9], number(12));
        if length > MAX_PAYLOAD {
            return Err(self.damaged("its length is none that was written"));
        }
        let mut payload = Vec::new();
        // a length that is wrong takes no more memory than the file has bytes
        let read = self.file.by_ref().take(u64::from(length)).read_to_end(&mut payload)?;
        if read as u64 != u64::from(length) || checksum(&head, &payload) != sum {
            return Err(self.damaged("its checksum differs"));
        }
        let entry = self.entry(payload, records, kind, source)?;
        self.at += (ENTRY + read) as u64;
        Ok(entry)
    }

    fn entry(
        &self,
        payload: Vec<u8>,
        records: u32,
        kind: u8,
        source: u8,
    ) -> Result<Entry, PageError> {
        if kind == LAST {
            let tally = serde_json::from_slice(&payload);
            return tally.map(Entry::Last).map_err(|_| self.damaged("its counts cannot be read"));
        }
        let batch = RecordKind::numbered(kind)
            .and_then(|kind| Batch::from_untrusted(kind, payload, Round::MIDDLE).ok())
            .filter(|batch| batch.records() == records);
        match batch {
            Some(batch) => Ok(Entry::Batch(source, batch)),
            None => Err(self.damaged("its records cannot be read")),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), PageError> {
        match self.file.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it ends there"))
            }
            read => Ok(read?),
        }
    }

    fn damaged(&self, what: &'static str) -> PageError {
        PageError::Damaged { path: self.path.clone(), at: self.at, what }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::{bar_batch, spot_batch};

    use super::*;

    fn written(path: &Path) -> (Vec<Batch>, Tally) {
        let batches = vec![spot_batch(3, Round::MIDDLE), bar_batch(), spot_batch(1, Round::MIDDLE)];
        let tally = Tally { received: 5, written: 5, ..Tally::default() };
        let mut page = PageWriter::create(path).unwrap();
        for (place, batch) in batches.iter().enumerate() {
            page.push(u8::try_from(place).unwrap(), batch).unwrap();
        }
        let bytes = page.bytes();
        assert!(!path.exists(), "it is not whole yet");
        page.finish(&tally).unwrap();
        assert!(fs::metadata(path).unwrap().len() > bytes);
        (batches, tally)
    }

    #[test]
    fn a_page_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000.page");
        let (batches, tally) = written(&path);
        let mut page = PageReader::open(&path).unwrap();
        for (place, expected) in batches.iter().enumerate() {
            let Entry::Batch(source, batch) = page.read_next().unwrap() else { panic!("{place}") };
            assert_eq!((usize::from(source), batch.kind()), (place, expected.kind()));
            assert_eq!(batch.payload()[..], expected.payload()[..]);
        }
        let Entry::Last(found) = page.read_next().unwrap() else { panic!() };
        assert_eq!(found, tally);
        assert!(page.read_next().unwrap_err().to_string().contains("it ends there"));
    }

    #[test]
    fn no_damaged_byte_goes_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000.page");
        written(&path);
        let whole = fs::read(&path).unwrap();
        let read = |bytes: &[u8]| -> Result<usize, PageError> {
            fs::write(&path, bytes).unwrap();
            let mut page = PageReader::open(&path)?;
            let mut count = 0;
            while let Entry::Batch(..) = page.read_next()? {
                count += 1;
            }
            Ok(count)
        };
        assert_eq!(read(&whole).unwrap(), 3);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains("is damaged at byte"), "{at}: {error}");
        }
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut at {length}");
        }
    }
}
