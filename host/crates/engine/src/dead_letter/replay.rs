//! Sends letters to their sink again.
//!
//! Letters are sent in chunks. A chunk is removed from its file once the sink has delivered each
//! letter or dead-lettered it again. A [journal](Journal) holds the chunk in flight, so that after
//! a crash the same letters are sent under the same numbers, by which a queue on disk recognises
//! them. Letters that were not sent, or cannot be sent, stay.

use std::{collections::HashSet, io, path::Path, sync::Arc, time::Duration};

use plugin_api::Batch;
use serde::{Deserialize, Serialize};

use super::{Counted, DeadLetters, Journal, Letter, Place, Store};
use crate::{ack::AckTracker, queue::Delivery, shutdown::Phase};

/// Most letters of a chunk.
const CHUNK_LETTERS: usize = 1_000;
/// A chunk ends with the letter that makes it so large.
const CHUNK_BYTES: u64 = 16 << 20;
/// Letters that are named because they cannot be sent; the others are counted.
const MAX_NAMED: usize = 20;
/// How often a replay that waits for its sink says how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// State of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Letters are sent, or wait for the sink.
    #[default]
    Running,
    /// All letters that can be sent were.
    Done,
    /// The host ends; what is not delivered stays.
    Stopped,
    /// Something is wrong; what is not delivered stays.
    Failed,
}

/// Progress of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Its state.
    pub state: State,
    /// Letters sent to the sink.
    pub sent: Counted,
    /// Letters that the sink has delivered or refused.
    pub done: Counted,
    /// Of that, what it refused again; these are new letters.
    pub refused: Counted,
    /// Duplicates left by a crash, removed with the other letter.
    pub repeated: u64,
    /// Letters that cannot be sent, and stay.
    pub kept: u64,
    /// Some of them, with the reason.
    pub kept_letters: Vec<String>,
    /// What is wrong.
    pub error: Option<String>,
}

/// What a replay would send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Letters that can be sent.
    pub letters: Counted,
    /// Letters of batches that have another letter.
    pub repeated: u64,
    /// Letters that cannot be sent.
    pub kept: u64,
    /// Some of them, with the reason.
    pub kept_letters: Vec<String>,
}

/// A replay of all letters that a sink has now.
pub struct Replay<'a> {
    /// The sink's.
    pub letters: &'a DeadLetters,
    /// Gives a batch to the sink; waits for room.
    pub send: &'a dyn Fn(Delivery),
    /// Whether the host ends.
    pub phase: &'a dyn Fn() -> Phase,
    /// Gets the progress.
    pub tell: &'a dyn Fn(&Progress),
}

/// Letters that go together.
#[derive(Default)]
struct Chunk {
    letters: Vec<(Place, Batch)>,
    /// What tells them from others, see [`Letter::identity`].
    identities: Vec<[u8; 32]>,
    /// Other letters of the same batches.
    repeated: Vec<Place>,
    /// Where the next chunk begins.
    end: u64,
}

/// A running replay.
struct Work<'a> {
    replay: &'a Replay<'a>,
    progress: Progress,
    /// Batches that the sink has delivered or refused.
    seen: HashSet<[u8; 32]>,
    /// Epoch of the last chunk.
    epoch: u64,
}

impl Survey {
    /// Scans all letters.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(store: &Store) -> io::Result<Self> {
        let (mut survey, mut seen) = (Self::default(), HashSet::new());
        for path in store.files()? {
            Store::lines(&path, 0, |place, line| {
                match decode(&path, place, line) {
                    Err(text) => keep(&text, &mut survey.kept, &mut survey.kept_letters),
                    Ok((Some(identity), _)) if !seen.insert(identity) => survey.repeated += 1,
                    Ok((_, batch)) => survey.letters.add(batch.records()),
                }
                true
            })?;
        }
        Ok(survey)
    }
}

impl Replay<'_> {
    /// Sends all letters; returns when the sink is done with them, or on shutdown or an error.
    pub fn run(&self, now_us: i64) -> Progress {
        let epoch = u64::try_from(now_us).unwrap_or_default();
        let (progress, seen) = (Progress::default(), HashSet::new());
        let mut work = Work { replay: self, progress, seen, epoch };
        let result = work.run();
        let mut progress = work.progress;
        progress.state = match result {
            Ok(true) => State::Done,
            Ok(false) if (self.phase)() > Phase::Running => State::Stopped,
            Ok(false) => {
                let text = "the sink let go of letters without delivering them; its log says why";
                progress.error = Some(text.to_owned());
                State::Failed
            }
            Err(error) => {
                let folder = self.letters.store().folder().display();
                progress.error = Some(format!("{folder}: {error}; mend it and replay again"));
                State::Failed
            }
        };
        (self.tell)(&progress);
        progress
    }
}

impl Chunk {
    fn places(&self) -> Vec<Place> {
        self.letters.iter().map(|(place, _)| *place).collect()
    }

    /// Gives the batches new sequence numbers: by their old ones a queue would take them for
    /// duplicates.
    fn number(&mut self, epoch: u64, numbers: impl IntoIterator<Item = u64>) {
        for ((_, batch), number) in self.letters.iter_mut().zip(numbers) {
            *batch = batch.clone().numbered(epoch, number, 0);
        }
    }
}

impl Work<'_> {
    /// False when it had to end before all was sent.
    fn run(&mut self) -> io::Result<bool> {
        let store = self.replay.letters.store();
        if let Some(journal) = store.journal()? {
            let path = store.folder().join(&journal.file);
            // also when the clock was put back since
            self.epoch = self.epoch.max(journal.epoch);
            let chunk = self.under_way(&path, &journal)?;
            if !self.deliver(&path, &journal, &chunk)? {
                return Ok(false);
            }
        }
        // letters written from here on are not part of this replay
        let mut files = Vec::new();
        for path in store.files()? {
            let end = std::fs::metadata(&path)?.len();
            files.push((path, end));
        }
        for (path, end) in files {
            if !self.replay_file(&path, end)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn replay_file(&mut self, path: &Path, mut end: u64) -> io::Result<bool> {
        let store = self.replay.letters.store();
        let mut at = 0;
        loop {
            let mut chunk = self.next_chunk(path, at, end)?;
            if chunk.end == at {
                return Ok(true);
            }
            let places = chunk.places();
            let taken_out = places.iter().chain(&chunk.repeated).map(|place| place.length);
            let taken_out: u64 = taken_out.sum();
            if !places.is_empty() {
                self.epoch += 1;
                chunk.number(self.epoch, 1..);
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let journal = Journal { epoch: self.epoch, file, letters: places };
                store.keep(Some(&journal))?;
                if !self.deliver(path, &journal, &chunk)? {
                    return Ok(false);
                }
            } else if !chunk.repeated.is_empty() {
                store.remove(path, &chunk.repeated)?;
            }
            self.progress.repeated += chunk.repeated.len() as u64;
            (at, end) = (chunk.end - taken_out, end - taken_out);
        }
    }

    /// The letters between two places of a file, or the first of them.
    fn next_chunk(&mut self, path: &Path, from: u64, end: u64) -> io::Result<Chunk> {
        let (mut chunk, mut bytes) = (Chunk { end: from, ..Chunk::default() }, 0);
        Store::lines(path, from, |place, line| {
            if place.at + place.length > end || chunk.letters.len() >= CHUNK_LETTERS {
                return false;
            }
            chunk.end = place.at + place.length;
            match decode(path, place, line) {
                Err(text) => {
                    keep(&text, &mut self.progress.kept, &mut self.progress.kept_letters);
                }
                Ok((Some(identity), _))
                    if self.seen.contains(&identity) || chunk.identities.contains(&identity) =>
                {
                    chunk.repeated.push(place);
                }
                Ok((identity, batch)) => {
                    chunk.identities.extend(identity);
                    chunk.letters.push((place, batch));
                    bytes += place.length;
                }
            }
            bytes < CHUNK_BYTES
        })?;
        Ok(chunk)
    }

    /// The letters that an earlier replay had in flight and that are still in the file, in order.
    ///
    /// Earlier lines may be removed already, so letters are matched by length and checksum.
    fn under_way(&mut self, path: &Path, journal: &Journal) -> io::Result<Chunk> {
        let (mut chunk, mut next) = (Chunk::default(), 0);
        let mut numbers = Vec::new();
        Store::lines(path, 0, |place, line| {
            let is_it = |it: &Place| (it.length, it.sum) == (place.length, place.sum);
            if let Some(skipped) = journal.letters[next..].iter().position(is_it)
                && let Ok((identity, batch)) = decode(path, place, line)
            {
                next += skipped + 1;
                numbers.push(next as u64);
                chunk.identities.extend(identity);
                chunk.letters.push((place, batch));
            }
            next < journal.letters.len()
        })?;
        chunk.number(journal.epoch, numbers);
        Ok(chunk)
    }

    /// Sends a chunk, waits for the sink and removes what it is done with; true when that is all of
    /// it.
    fn deliver(&mut self, path: &Path, journal: &Journal, chunk: &Chunk) -> io::Result<bool> {
        let Replay { letters, send, phase, tell } = self.replay;
        letters.watch(journal.epoch);
        let acks = Arc::new(AckTracker::default());
        for (_, batch) in &chunk.letters {
            if phase() > Phase::Running {
                break;
            }
            self.progress.sent.add(batch.records());
            send(Delivery { batch: batch.clone(), receipt: acks.track() });
        }
        while !acks.wait_acked(TELL_EVERY) && phase() < Phase::Aborting {
            tell(&self.progress);
        }
        let done = usize::try_from(acks.confirmed()).unwrap_or(0).min(chunk.letters.len());
        let is_all = done == chunk.letters.len();
        for (_, batch) in &chunk.letters[..done] {
            self.progress.done.add(batch.records());
        }
        let refused = letters.watched();
        self.progress.refused.letters += refused.letters;
        self.progress.refused.records += refused.records;
        let mut places = chunk.places();
        places.truncate(done);
        if is_all {
            places.extend(&chunk.repeated);
        }
        if !places.is_empty() {
            letters.store().remove(path, &places)?;
        }
        if is_all {
            self.seen.extend(&chunk.identities);
            letters.store().keep(None)?;
        }
        tell(&self.progress);
        Ok(is_all)
    }
}

/// What identifies the letter of a line, and its batch.
fn decode(path: &Path, place: Place, line: &[u8]) -> Result<(Option<[u8; 32]>, Batch), String> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let letter =
        Letter::parse(line).map_err(|text| format!("{file}, byte {}: {text}", place.at))?;
    let batch = letter.batch().map_err(|text| {
        format!("{file}, byte {}: letter of {}: {text}", place.at, letter.head.time)
    })?;
    Ok((letter.identity(), batch))
}

fn keep(text: &str, kept: &mut u64, named: &mut Vec<String>) {
    *kept += 1;
    if named.len() < MAX_NAMED {
        named.push(text.to_owned());
    }
}
