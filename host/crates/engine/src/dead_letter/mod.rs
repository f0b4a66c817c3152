//! Dead letters: data that cannot be processed, stored with the reason.
//!
//! One JSON line each in `data_dir/dead-letter/<component>/<date>.jsonl`: `time`, `component`,
//! `reason`, `encoding` (`utf-8` or `base64`), `payload`, and of a batch also what is needed to
//! [send it again](replay): `kind`, `records`, `source`, `epoch`, `sequence`, `part`,
//! `received_at_us`, `first`, `last`.
//!
//! Lines are appended, and removed by replays. Both lock the file, and then check that it still has
//! that name.

mod count;
mod letter;
mod page;
mod replay;
mod store;
mod summary;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dataserver_spool::own_file::{self, Access};
use jiff::Timestamp;
use plugin_api::Batch;
use serde::{Deserialize, Serialize};

pub use letter::{BatchHead, Encoding, Head, Letter};
pub use page::{MAX_LETTERS, Page};
pub use replay::{Progress, Replay, State, Survey};
pub use store::{Journal, Place, Store};
pub use summary::Summary;

use self::count::Count;
use crate::clock::Clock;

/// Most bytes of one component's letters; writers of more have to wait.
const MAX_BYTES: u64 = 1 << 30;
/// Interval at which letters of plugins are synced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The folder of all components' letters.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("dead-letter")
}

/// The dead letters of one component.
#[derive(Debug)]
pub struct DeadLetters {
    component: String,
    store: Store,
    clock: Arc<dyn Clock>,
    max_bytes: u64,
    writer: Mutex<Writer>,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Writer {
    /// The file of a day, opened with the first letter.
    file: Option<(String, File)>,
    /// Bytes of all files, as far as is known; none before the first letter.
    bytes: Option<u64>,
    synced_at: Option<Instant>,
    /// Count of letters of the watched epoch.
    watched: Option<(u64, Counted)>,
}

/// A number of letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Letters.
    pub letters: u64,
    /// Records in them.
    pub records: u64,
}

impl Counted {
    /// Counts a letter with so many records.
    pub fn add(&mut self, records: u32) {
        self.letters += 1;
        self.records += u64::from(records);
    }
}

impl DeadLetters {
    /// Letters go to `folder`, which is made with the first.
    pub fn new(component: &str, folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            component: component.to_owned(),
            store: Store::new(folder),
            clock,
            max_bytes: MAX_BYTES,
            writer: Mutex::default(),
            count: Mutex::default(),
        }
    }

    /// How many letters there are, as far as they are counted: it goes on with each call, so that none
    /// takes long.
    pub fn count(&self) -> u64 {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).update(&self.store)
    }

    /// The files.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Writes data; a power cut within the next second may lose it.
    ///
    /// # Errors
    /// When the folder or the file cannot be written, or is full; the text names it.
    pub fn write(&self, reason: &str, payload: &[u8]) -> io::Result<()> {
        self.add(reason, None, payload)
    }

    /// Writes a batch and syncs it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_batch(&self, reason: &str, batch: &Batch) -> io::Result<()> {
        self.add(reason, Some(BatchHead::of(batch)), batch.payload())
    }

    /// Counts from now on letters of batches of that epoch, and of no other.
    pub fn watch(&self, epoch: u64) {
        self.lock().watched = Some((epoch, Counted::default()));
    }

    /// Count of the watched epoch.
    pub fn watched(&self) -> Counted {
        self.lock().watched.map_or_else(Counted::default, |(_, counted)| counted)
    }

    fn add(&self, reason: &str, batch: Option<BatchHead>, payload: &[u8]) -> io::Result<()> {
        let now = Timestamp::from_microsecond(self.clock.now_us()).unwrap_or_default();
        let (time, component) = (now.to_string(), self.component.clone());
        let head = Head { time, component, reason: reason.to_owned(), batch };
        let letter = Letter::new(head, payload);
        let day = now.strftime("%Y-%m-%d").to_string();
        let mut writer = self.lock();
        let added = self.append(&mut writer, day, &letter);
        if added.is_err() {
            writer.file = None;
        }
        let folder = self.store.folder().display();
        added.map_err(|error| io::Error::new(error.kind(), format!("{folder}: {error}")))?;
        if let (Some(about), Some((epoch, counted))) = (&letter.head.batch, &mut writer.watched)
            && about.epoch == *epoch
        {
            counted.add(about.records);
        }
        Ok(())
    }

    fn append(&self, writer: &mut Writer, day: String, letter: &Letter) -> io::Result<()> {
        let line = letter.to_line();
        self.make_room(writer, line.len() as u64)?;
        let is_due = letter.head.batch.is_some() || writer.synced_at.is_none_or(is_over);
        let Some(file) = self.open(writer, day)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let before = file.metadata()?.len();
        let written = file.write_all(&line);
        let written = written.and_then(|()| if is_due { file.sync_data() } else { Ok(()) });
        if written.is_err() {
            // truncates a partial line; if that fails, readers skip it
            let _ = file.set_len(before);
        }
        // an error would recur with the next letter
        let _ = file.unlock();
        written?;
        if is_due {
            writer.synced_at = Some(Instant::now());
        }
        writer.bytes = writer.bytes.map(|bytes| bytes + line.len() as u64);
        Ok(())
    }

    /// Fails when the letters are at their limit.
    fn make_room(&self, writer: &mut Writer, more: u64) -> io::Result<()> {
        let has_room = |bytes: Option<u64>| bytes.is_some_and(|it| it + more <= self.max_bytes);
        if !has_room(writer.bytes) {
            // replays remove letters without notice
            writer.bytes = Some(self.store.bytes()?);
        }
        if has_room(writer.bytes) {
            return Ok(());
        }
        let (component, most) = (&self.component, self.max_bytes >> 20);
        let text = format!(
            "the dead letters take all of their {most} MiB; look at them with `dataserver \
             dead-letter show {component}`, then replay or remove them"
        );
        Err(io::Error::new(io::ErrorKind::QuotaExceeded, text))
    }

    /// The locked file of that day, ready for a line.
    fn open<'a>(&self, writer: &'a mut Writer, day: String) -> io::Result<Option<&'a mut File>> {
        if writer.file.as_ref().is_some_and(|(open_day, _)| *open_day != day) {
            let last = writer.file.take();
            last.map_or(Ok(()), |(_, file)| file.sync_data())?;
        }
        let path = self.store.folder().join(format!("{day}.jsonl"));
        loop {
            if writer.file.is_none() {
                std::fs::create_dir_all(self.store.folder())?;
                let file = own_file::open(&path, Access::Append)?;
                writer.file = Some((day.clone(), file));
            }
            let Some((_, file)) = &mut writer.file else { return Ok(None) };
            file.lock()?;
            if is_there(file, &path)? {
                break;
            }
            // a replay or a user has replaced or removed it
            writer.file = None;
        }
        if let Some((_, file)) = &mut writer.file
            && is_cut_short(file)?
        {
            file.write_all(b"\n")?;
        }
        Ok(writer.file.as_mut().map(|(_, file)| file))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an open file is the one of that name.
fn is_there(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_over(since: Instant) -> bool {
    since.elapsed() > SYNC_EVERY
}

/// Whether the last line is incomplete: the disk was full, or the host was killed while it wrote.
fn is_cut_short(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
