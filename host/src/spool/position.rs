//! How far a spool has been read, and what is under way.
//!
//! Written in turn into two files, each whole and with a checksum: a crash spoils at most the newer
//! one. It is written before batches are offered to the sink and after they are delivered, so that
//! the next host offers the same batches in the same groups under the same numbers.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use super::{
    bytes::{Reader, put_text},
    lanes::{Lane, Lanes, Mark},
};

const NAMES: [&str; 2] = ["position.a", "position.b"];
const MAGIC: &[u8; 8] = b"DSPOSN01";
/// Magic, length, checksum.
const PREFIX: usize = 16;
/// Room that is taken at once, so that a full disk does not stop what frees it.
const RESERVED: usize = 64 << 10;

/// What is kept of a batch that was offered to the sink and not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    /// Batches offered in one call share it.
    pub group: u64,
    pub number: u64,
    pub lane: Lane,
    pub mark: Mark,
    /// It is delivered, but not all before it are.
    pub done: bool,
}

/// Where a spool stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Position {
    /// Everything up to that number is delivered.
    pub committed: u64,
    /// The last number that was given out.
    pub last: u64,
    /// How far each lane is delivered.
    pub lanes: Lanes,
    /// What is under way, in order.
    pub offered: Vec<Offered>,
}

/// The two files.
#[derive(Debug)]
pub(super) struct PositionFiles {
    files: [File; 2],
    generation: u64,
}

impl PositionFiles {
    /// Opens or makes the files and reads the newer whole one.
    pub fn open(folder: &Path) -> io::Result<(Self, Position)> {
        let open = |name: &str| -> io::Result<File> {
            let mut options = OpenOptions::new();
            let file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(folder.join(name))?;
            if file.metadata()?.len() < RESERVED as u64 {
                // written, not only made longer: a hole has no room on the disk
                let missing = RESERVED as u64 - file.metadata()?.len();
                file.write_all_at(
                    &vec![0; RESERVED][..usize::try_from(missing).unwrap_or(0)],
                    file.metadata()?.len(),
                )?;
            }
            Ok(file)
        };
        let files = [open(NAMES[0])?, open(NAMES[1])?];
        let newest = files.iter().filter_map(read).max_by_key(|(generation, _)| *generation);
        let (generation, position) = newest.unwrap_or_default();
        Ok((Self { files, generation }, position))
    }

    /// Reads the newer whole file without changing anything.
    pub fn look(folder: &Path) -> Position {
        let files = NAMES.iter().filter_map(|name| File::open(folder.join(name)).ok());
        let read = files.filter_map(|file| read(&file));
        read.max_by_key(|(generation, _)| *generation).unwrap_or_default().1
    }

    /// Writes a position into the older file.
    pub fn write(&mut self, position: &Position) -> io::Result<()> {
        let generation = self.generation + 1;
        let bytes = encode(generation, position);
        self.older(generation).write_all_at(&bytes, 0)?;
        self.generation = generation;
        Ok(())
    }

    /// Makes sure that what was written survives a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.older(self.generation).sync_data()
    }

    fn older(&self, generation: u64) -> &File {
        &self.files[usize::from(generation % 2 == 0)]
    }
}

fn encode(generation: u64, position: &Position) -> Vec<u8> {
    let mut bytes = vec![0; PREFIX];
    for word in [generation, position.committed, position.last] {
        bytes.extend(word.to_le_bytes());
    }
    let lanes = position.lanes.by_use();
    put_length(&mut bytes, lanes.len());
    for (lane, mark) in &lanes {
        put_lane(&mut bytes, lane, *mark);
    }
    put_length(&mut bytes, position.offered.len());
    for offered in &position.offered {
        bytes.extend(offered.group.to_le_bytes());
        bytes.extend(offered.number.to_le_bytes());
        bytes.push(u8::from(offered.done));
        put_lane(&mut bytes, &offered.lane, offered.mark);
    }
    let crc = crc32fast::hash(&bytes[PREFIX..]);
    let length = u32::try_from(bytes.len() - PREFIX).unwrap_or(u32::MAX);
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[12..PREFIX].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn read(file: &File) -> Option<(u64, Position)> {
    let mut prefix = [0; PREFIX];
    file.read_exact_at(&mut prefix, 0).ok()?;
    let mut reader = Reader::new(&prefix);
    (reader.take(8)? == MAGIC).then_some(())?;
    let (length, crc) = (reader.u32()? as usize, reader.u32()?);
    (length as u64 <= file.metadata().ok()?.len()).then_some(())?;
    let mut body = vec![0; length];
    file.read_exact_at(&mut body, PREFIX as u64).ok()?;
    (crc32fast::hash(&body) == crc).then_some(())?;
    decode(&mut Reader::new(&body))
}

fn decode(reader: &mut Reader<'_>) -> Option<(u64, Position)> {
    let generation = reader.u64()?;
    let mut position =
        Position { committed: reader.u64()?, last: reader.u64()?, ..Position::default() };
    for _ in 0..reader.u32()? {
        let (lane, mark) = take_lane(reader)?;
        position.lanes.raise(&lane, mark);
    }
    for _ in 0..reader.u32()? {
        let (group, number, done) = (reader.u64()?, reader.u64()?, reader.u8()? != 0);
        let (lane, mark) = take_lane(reader)?;
        position.offered.push(Offered { group, number, lane, mark, done });
    }
    Some((generation, position))
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_lane(bytes: &mut Vec<u8>, lane: &Lane, mark: Mark) {
    put_text(bytes, &lane.writer);
    put_text(bytes, &lane.source);
    for word in [lane.epoch, mark.sequence, mark.part] {
        bytes.extend(word.to_le_bytes());
    }
}

fn take_lane(reader: &mut Reader<'_>) -> Option<(Lane, Mark)> {
    let (writer, source, epoch) = (reader.text()?, reader.text()?, reader.u64()?);
    let mark = Mark { sequence: reader.u64()?, part: reader.u64()? };
    Some((Lane { writer, source, epoch }, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(committed: u64) -> Position {
        let lane = Lane { writer: "clean".to_owned(), source: "day".to_owned(), epoch: 9 };
        let mut lanes = Lanes::default();
        lanes.raise(&lane, Mark { sequence: committed, part: 1 });
        let mark = Mark { sequence: committed + 1, part: 0 };
        let offered = vec![Offered { group: 3, number: committed + 1, lane, mark, done: true }];
        Position { committed, last: committed + 2, lanes, offered }
    }

    fn same(found: &Position, wanted: &Position) -> bool {
        found.committed == wanted.committed
            && found.last == wanted.last
            && found.lanes.by_use() == wanted.lanes.by_use()
            && found.offered == wanted.offered
    }

    #[test]
    fn the_newest_position_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut files, first) = PositionFiles::open(dir.path()).unwrap();
        assert!(same(&first, &Position::default()));
        for committed in [10, 20, 30] {
            files.write(&position(committed)).unwrap();
            assert!(same(&PositionFiles::look(dir.path()), &position(committed)));
        }
        drop(files);
        let (mut files, found) = PositionFiles::open(dir.path()).unwrap();
        assert!(same(&found, &position(30)));
        files.write(&position(40)).unwrap();
        assert!(same(&PositionFiles::look(dir.path()), &position(40)));
    }

    #[test]
    fn whatever_byte_of_the_newer_file_is_spoilt_the_older_one_holds() {
        let dir = tempfile::tempdir().unwrap();
        let (mut files, _) = PositionFiles::open(dir.path()).unwrap();
        files.write(&position(10)).unwrap();
        files.write(&position(20)).unwrap();
        let newer = dir.path().join(NAMES[1]);
        let sound = std::fs::read(&newer).unwrap();
        for at in 0..encode(2, &position(20)).len() {
            let mut spoilt = sound.clone();
            spoilt[at] ^= 0x41;
            std::fs::write(&newer, spoilt).unwrap();
            assert!(same(&PositionFiles::look(dir.path()), &position(10)), "byte {at}");
        }
    }
}
