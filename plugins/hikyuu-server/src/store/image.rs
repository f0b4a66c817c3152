//! What is kept, as a file: written when the sink ends, read when it begins again.
//!
//! `DSHKSTOR`, a version, then each security: its name, its blocks, its bars of each type; a zero
//! length ends the list and a CRC-32 of everything before it the file. Numbers are little endian.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use crc32fast::Hasher;

use super::{
    Bar, Block, LONGEST_KEY,
    store_writer::{Skipped, StoreWriter},
};
use crate::ktype::KType;

const MAGIC: &[u8; 8] = b"DSHKSTOR";
/// Grows when the file or the packing of a quote changes its meaning.
const VERSION: u64 = 1;
/// Most bytes of a block; real ones have a few thousand.
const LONGEST_BLOCK: u64 = 16 << 20;
/// Room that is made for a list before its members are read.
const FIRST_ROOM: usize = 4_096;

/// Writes everything that is kept; the file takes its place only when it is whole.
///
/// # Errors
/// When it cannot be written.
pub fn save(writer: &StoreWriter, path: &Path) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let saved = write(writer, &unfinished).and_then(|()| fs::rename(&unfinished, path));
    if saved.is_err() {
        // a half of it would only keep a full disk full; there may be none
        let _ = fs::remove_file(&unfinished);
    }
    saved
}

fn write(writer: &StoreWriter, path: &Path) -> io::Result<()> {
    let mut file = Summed::new(BufWriter::new(File::create(path)?));
    file.bytes(MAGIC)?;
    file.number(VERSION)?;
    for (key, security) in writer.each_security() {
        let held = security.lock();
        file.number(key.len() as u64)?;
        file.bytes(key.as_bytes())?;
        file.number(held.ticks.blocks().len() as u64)?;
        for block in held.ticks.blocks() {
            file.signed(block.day)?;
            file.signed(block.first_us)?;
            file.signed(block.last_us)?;
            file.number(u64::from(block.ticks))?;
            file.number(block.answer_len as u64)?;
            file.number(block.packed.len() as u64)?;
            file.bytes(&block.packed)?;
        }
        for bars in &held.bars {
            file.number(bars.len() as u64)?;
            for bar in bars.iter() {
                file.signed(bar.time_us)?;
                bar.values.iter().try_for_each(|value| file.number(value.to_bits()))?;
            }
        }
    }
    file.number(0)?;
    let sum = file.hasher.finalize();
    let mut inner = file.inner;
    inner.write_all(&sum.to_le_bytes())?;
    inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Takes in what a file holds; what is of days that are no longer kept is left out.
///
/// # Errors
/// When the file cannot be read or is not what this version wrote; then nothing was taken in.
pub fn load(writer: &mut StoreWriter, path: &Path, now_us: i64) -> io::Result<Skipped> {
    check(path)?;
    let mut file = Summed::new(BufReader::new(File::open(path)?));
    let mut skipped = Skipped::default();
    file.array::<8>()?;
    file.read_number()?;
    loop {
        let len = file.at_most(LONGEST_KEY as u64)?;
        if len == 0 {
            return Ok(skipped);
        }
        let key = String::from_utf8(file.vec(len)?).map_err(|_| damaged())?;
        let blocks = (0..file.read_number()?).map(|_| file.block()).collect::<io::Result<_>>()?;
        let mut bars = Vec::new();
        for ktype in (0..KType::COUNT).filter_map(KType::by_index) {
            for _ in 0..file.read_number()? {
                let time_us = file.read_signed()?;
                let mut values = [0.0; 6];
                for value in &mut values {
                    *value = f64::from_bits(file.read_number()?);
                }
                bars.push((ktype, Bar { time_us, values }));
            }
        }
        writer.take_held(&key, blocks, bars, now_us, &mut skipped);
    }
}

/// Reads the whole file once, to see that it is what was written.
fn check(path: &Path) -> io::Result<()> {
    let len = fs::metadata(path)?.len();
    let sum_at = len.checked_sub(4).ok_or_else(damaged)?;
    let mut file = BufReader::new(File::open(path)?);
    let mut head = [0; 16];
    file.read_exact(&mut head).map_err(|_| damaged())?;
    if &head[..8] != MAGIC {
        return Err(io::Error::other("it is no such file"));
    }
    if head[8..] != VERSION.to_le_bytes() {
        return Err(io::Error::other("another version of this plugin wrote it"));
    }
    let mut hasher = Hasher::new();
    hasher.update(&head);
    let mut left = sum_at.saturating_sub(head.len() as u64);
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact(&mut buffer[..most])?;
        hasher.update(&buffer[..most]);
        left -= most as u64;
    }
    let mut sum = [0; 4];
    file.read_exact(&mut sum).map_err(|_| damaged())?;
    if hasher.finalize().to_le_bytes() == sum { Ok(()) } else { Err(damaged()) }
}

fn damaged() -> io::Error {
    io::Error::other("it is damaged")
}

/// A file with a running checksum.
struct Summed<F> {
    inner: F,
    hasher: Hasher,
}

impl<F> Summed<F> {
    fn new(inner: F) -> Self {
        Self { inner, hasher: Hasher::new() }
    }
}

impl<F: Write> Summed<F> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }

    fn number(&mut self, number: u64) -> io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    fn signed(&mut self, number: i64) -> io::Result<()> {
        self.number(number.cast_unsigned())
    }
}

impl<F: Read> Summed<F> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_number(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn read_signed(&mut self) -> io::Result<i64> {
        self.read_number().map(u64::cast_signed)
    }

    fn at_most(&mut self, most: u64) -> io::Result<u64> {
        let number = self.read_number()?;
        if number <= most { Ok(number) } else { Err(damaged()) }
    }

    fn vec(&mut self, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0).min(FIRST_ROOM));
        (&mut self.inner).take(len).read_to_end(&mut bytes)?;
        bytes.shrink_to_fit();
        if bytes.len() as u64 == len { Ok(bytes) } else { Err(damaged()) }
    }

    fn block(&mut self) -> io::Result<Block> {
        let (day, first_us, last_us) =
            (self.read_signed()?, self.read_signed()?, self.read_signed()?);
        let ticks = u32::try_from(self.read_number()?).map_err(|_| damaged())?;
        let answer_len = usize::try_from(self.read_number()?).map_err(|_| damaged())?;
        let len = self.at_most(LONGEST_BLOCK)?;
        Ok(Block { day, first_us, last_us, ticks, answer_len, packed: self.vec(len)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Limits, tick::FIELDS};

    const NOW_US: i64 = 1_700_000_000_000_000;

    fn writer() -> StoreWriter {
        StoreWriter::new(Limits { days: 1, bytes: 1 << 30, ticks: true })
    }

    fn filled() -> StoreWriter {
        let mut writer = writer();
        let mut skipped = Skipped::default();
        for second in 0..1_000 {
            for code in ["600000", "600001"] {
                let tick = super::super::Tick {
                    time_us: NOW_US - (1_000 - second) * 1_000_000,
                    levels: [0; 4],
                    #[allow(clippy::cast_precision_loss)]
                    values: vec![second as f64; FIELDS],
                };
                writer.take_tick("SH", code, &tick, NOW_US, &mut skipped);
            }
        }
        let bar = Bar { time_us: NOW_US, values: [1.0; 6] };
        let bars =
            vec![(KType::by_name("MIN").unwrap(), bar), (KType::by_name("DAY").unwrap(), bar)];
        writer.take_held("SH600000", Vec::new(), bars, NOW_US, &mut skipped);
        writer.settle();
        assert_eq!(skipped, Skipped::default());
        writer
    }

    fn figures(writer: &StoreWriter) -> (u64, u64) {
        let figures = &writer.store().figures;
        let load =
            |it: &std::sync::atomic::AtomicU64| it.load(std::sync::atomic::Ordering::Relaxed);
        (load(&figures.ticks), load(&figures.bars))
    }

    #[test]
    fn what_was_kept_comes_back_once_however_often_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let written = filled();
        save(&written, &path).unwrap();
        let mut read = writer();
        load(&mut read, &path, NOW_US).unwrap();
        load(&mut read, &path, NOW_US).unwrap();
        read.settle();
        assert_eq!(figures(&read), (2_000, 2));
        let again = folder.path().join("again");
        save(&read, &again).unwrap();
        assert_eq!(fs::read(&again).unwrap().len(), fs::read(&path).unwrap().len());
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        // a folder with something in it cannot be replaced
        let path = folder.path().join("store");
        fs::create_dir_all(path.join("full")).unwrap();
        assert!(save(&filled(), &path).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_a_clock_that_was_ahead_is_not_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        save(&filled(), &path).unwrap();
        let mut read = writer();
        let skipped = load(&mut read, &path, NOW_US - 2 * 86_400_000_000).unwrap();
        read.settle();
        assert_eq!((figures(&read), skipped.bad_time), ((0, 0), 2_002));
    }

    #[test]
    fn a_file_that_is_not_whole_is_not_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        save(&filled(), &path).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in [0, 8, 20, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for bytes in [&whole[..at], &flipped] {
                fs::write(&path, bytes).unwrap();
                let mut read = writer();
                assert!(load(&mut read, &path, NOW_US).is_err(), "at {at}");
                assert_eq!(figures(&read), (0, 0));
            }
        }
    }
}
