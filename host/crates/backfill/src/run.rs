//! Runs a job: fetches its pieces, gives their pages to the stores, and notes what is done.
//!
//! At most [`MAX_PAGES`] pages lie on disk; fetching waits while so many wait for stores. The batch
//! at place `n` of the page of piece `p` has the number `(p + 1) << 24 | (n + 1)` in the job's epoch,
//! whenever it is given.

use std::{collections::VecDeque, time::Duration};

use plugin_api::{Batch, Provenance};
use serde::{Deserialize, Serialize};

use super::{
    fetch::{Fetching, Refusals, Sources},
    folder::{Folder, Job},
    outcome::Tally,
    page::{Entry, PageError, PageReader},
    stores::{End, Stores},
};

/// Pages on disk.
pub const MAX_PAGES: usize = 4;
/// Batches of a page that have numbers.
const MAX_BATCHES: u64 = (1 << 24) - 1;
/// How often a job that waits for stores looks at them.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// State of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    #[default]
    Running,
    /// It has ended.
    Done,
    /// Somebody ended it.
    Cancelled,
    /// The host ends, or it cannot go on for now.
    Stopped,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Pieces of the job.
    pub pieces: u64,
    /// Of these, what all stores have.
    pub done: u64,
    /// What was missing before.
    pub asked: u64,
    /// Of that, what was asked for and is in all stores, as far as there was anything.
    pub settled: u64,
    /// Records of pieces that all stores have.
    pub tally: Tally,
}

/// A job that runs.
pub struct Run<'a> {
    /// What is asked for.
    pub job: &'a Job,
    /// Where it keeps what it has.
    pub folder: &'a Folder,
    /// Whom it asks.
    pub sources: &'a mut dyn Sources,
    /// Where it goes.
    pub stores: &'a dyn Stores,
    /// Gets the progress.
    pub tell: &'a dyn Fn(&Progress),
}

/// A page that was given to the stores.
struct Given {
    piece: usize,
    tally: Tally,
    /// Batches that were given, those of this page among them.
    until: u64,
}

impl Run<'_> {
    /// Runs the job to its end, from where it is. Returns the counts of all pieces.
    ///
    /// # Errors
    /// Why it does not go on; everything on disk is as another run needs it.
    pub fn run(self) -> Result<Tally, End> {
        let mut refusals = Refusals::new(self.job.sources.len());
        let mut progress = self.begin();
        let (mut given, mut next, mut count) = (VecDeque::<Given>::new(), 0, 0);
        self.stores.restart()?;
        (self.tell)(&progress);
        loop {
            while given.front().is_some_and(|page| page.until <= self.stores.confirmed()) {
                let Some(page) = given.pop_front() else { break };
                self.folder.set_done(page.piece, &page.tally)?;
                self.note(&mut progress, page.piece, &page.tally);
                (self.tell)(&progress);
            }
            if let Some(first) = given.front().filter(|_| !self.stores.is_busy())
                && first.until > self.stores.confirmed()
            {
                // a store let go of it: the same numbers again
                next = first.piece;
                given.clear();
                count = 0;
                self.stores.pause(LOOK_EVERY)?;
                self.stores.restart()?;
                continue;
            }
            let open = (next..self.job.pieces.len()).find(|it| self.folder.done(*it).is_none());
            next = open.unwrap_or(self.job.pieces.len());
            if next == self.job.pieces.len() && given.is_empty() {
                return Ok(progress.tally);
            }
            if next == self.job.pieces.len() || given.len() >= MAX_PAGES {
                self.stores.pause(LOOK_EVERY)?;
                continue;
            }
            let path = self.folder.page(next);
            if !path.exists() {
                let mut fetching = Fetching {
                    asked: &mut *self.sources,
                    sources: &self.job.sources,
                    read_first: &self.job.read_first,
                    series: &self.job.series,
                    refusals: &mut refusals,
                    stores: self.stores,
                };
                fetching.fetch(&self.job.pieces[next], &path)?;
            }
            let tally = self.give(next, &mut count)?;
            given.push_back(Given { piece: next, tally, until: count });
            next += 1;
        }
    }

    /// What is done already.
    fn begin(&self) -> Progress {
        let mut progress = Progress {
            pieces: self.job.pieces.len() as u64,
            asked: self.job.asked,
            ..Progress::default()
        };
        for piece in 0..self.job.pieces.len() {
            if let Some(tally) = self.folder.done(piece) {
                self.note(&mut progress, piece, &tally);
            }
        }
        progress
    }

    fn note(&self, progress: &mut Progress, piece: usize, tally: &Tally) {
        progress.done += 1;
        progress.settled += self.job.pieces[piece].missing();
        progress.settled = progress.settled.min(progress.asked);
        progress.tally.add(tally);
    }

    /// Gives a page to the stores, and adds to the number of batches.
    fn give(&self, piece: usize, count: &mut u64) -> Result<Tally, End> {
        let mut page = match PageReader::open(&self.folder.page(piece)) {
            Ok(page) => page,
            Err(error) => return damaged(error, Tally::default()),
        };
        let mut tally = Tally::default();
        for place in 1..=MAX_BATCHES {
            match page.read_next() {
                Ok(Entry::Last(counted)) => return Ok(counted),
                Ok(Entry::Batch(source, batch)) => {
                    tally.written += u64::from(batch.records());
                    self.stores.send(self.numbered(piece, place, source, batch))?;
                    *count += 1;
                }
                Err(error) => return damaged(error, tally),
            }
        }
        Ok(tally)
    }

    fn numbered(&self, piece: usize, place: u64, source: u8, batch: Batch) -> Batch {
        let id = self.job.sources.get(usize::from(source)).map_or("", String::as_str);
        let mut provenance = Provenance::of_source(id);
        provenance.epoch = self.job.epoch;
        provenance.sequence = ((piece as u64 + 1) << 24) | place;
        provenance.received_at_us = self.stores.now_us();
        batch.with_provenance(provenance)
    }
}

/// What a damaged page lacks is missing; under the numbers that it had nothing else may come.
fn damaged(error: PageError, mut tally: Tally) -> Result<Tally, End> {
    match error {
        PageError::Io(error) => Err(End::Disk(error)),
        PageError::Damaged { .. } => {
            tally.received = tally.written;
            tally.fault(&format!("{error}; the rest of it is missing still"));
            Ok(tally)
        }
    }
}
