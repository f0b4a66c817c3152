//! Remembers how far a replay is where every sink wants it, and numbers its batches.
//!
//! Rounds are cut into batches in the same way every time, so a run that goes on gives the same
//! records the same numbers again, and what a sink has already is recognised. Numbers count from
//! the start of the run, also where it loops; a run that starts over counts in an epoch of its own,
//! because its records are meant to be delivered again.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use plugin_api::{
    Context, options,
    serde_json::{self, json},
};
use sha2::{Digest, Sha256};

use crate::{config::Options, reader::Input};

/// Records of a batch; a larger round leaves as several batches. Numbers of batches hold for this
/// size alone, so another one makes another epoch.
pub const BATCH_RECORDS: usize = 2_000;

const FILE: &str = "position.json";

options! {
    /// Where a replay stands, as it is kept in the component's folder.
    #[derive(PartialEq, Eq)]
    pub struct Position {
        /// Fingerprint of the files and of the options that choose among their records.
        pub inputs: String,
        /// Tells the runs of one component apart: about when this one began, microseconds since
        /// 1970 UTC; 0 for one that began before batches were numbered.
        #[serde(default)]
        pub run: i64,
        /// Time of the last round that every sink confirmed, microseconds since 1970 UTC; none
        /// before the first.
        pub after_us: Option<i64>,
        /// Number of the last record of that round.
        pub sequence: u64,
        /// Number of the last batch of that round.
        #[serde(default)]
        pub batches: u64,
        /// Whether that was the last round.
        pub finished: bool,
    }
}

/// Keeps the position of one run.
#[derive(Debug)]
pub struct Keeper {
    file: PathBuf,
    position: Position,
    /// Where this instance began to count: batches that were confirmed before it.
    batches_before: u64,
    epoch: u64,
    /// Rounds that left and are not confirmed, oldest first.
    pending: VecDeque<LeftRound>,
    confirmed: u64,
    /// Number of this instance's last batch, once all have left.
    last_batch: Option<u64>,
}

/// A round that left.
#[derive(Debug)]
struct LeftRound {
    /// Number of its last batch at this instance.
    batch: u64,
    time_us: i64,
    /// Number of its last record.
    sequence: u64,
}

impl Keeper {
    /// Goes on with an unfinished run of the same files and options, or begins another.
    ///
    /// A run that begins is noted before its first batch leaves: killed at once, it has the same
    /// epoch again.
    ///
    /// # Errors
    /// When the component's folder cannot be made, or the position cannot be written.
    pub fn open(options: &Options, inputs: &[Input], context: &Context) -> std::io::Result<Self> {
        let file = context.state_dir()?.join(FILE);
        let fingerprint = fingerprint(options, inputs);
        let earlier = read_position(&file, context);
        let last_run = earlier.as_ref().map_or(0, |position| position.run);
        let goes_on = |position: &Position| position.inputs == fingerprint && !position.finished;
        let position = match earlier {
            Some(position) if goes_on(&position) => position,
            earlier => {
                if earlier.is_some_and(|earlier| !earlier.finished && earlier.after_us.is_some()) {
                    context
                        .warn("files or options changed since the unfinished run: starting over");
                }
                let position = Position {
                    inputs: fingerprint,
                    // by the clock, for the last one's file may be lost
                    run: context.now_us().max(last_run.saturating_add(1)),
                    after_us: None,
                    sequence: 0,
                    batches: 0,
                    finished: false,
                };
                write_position(&file, &position)?;
                position
            }
        };
        Ok(Self {
            file,
            batches_before: position.batches,
            epoch: epoch(&position),
            position,
            pending: VecDeque::new(),
            confirmed: 0,
            last_batch: None,
        })
    }

    /// Where the run stands.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// What this instance's batch of that number is numbered with: epoch and number in the run.
    pub fn number(&self, batch: u64) -> (u64, u64) {
        (self.epoch, self.batches_before + batch)
    }

    /// Notes that `batch` was the last of the round of that time.
    pub fn round_left(&mut self, batch: u64, time_us: i64, sequence: u64) {
        self.pending.push_back(LeftRound { batch, time_us, sequence });
    }

    /// Notes that all have left, `batches` in number.
    ///
    /// # Errors
    /// When the position cannot be written.
    pub fn ended(&mut self, batches: u64) -> std::io::Result<()> {
        self.last_batch = Some(batches);
        self.settle()
    }

    /// Notes that the first `batches` batches are confirmed.
    ///
    /// # Errors
    /// When the position cannot be written.
    pub fn confirm(&mut self, batches: u64) -> std::io::Result<()> {
        self.confirmed = self.confirmed.max(batches);
        self.settle()
    }

    fn settle(&mut self) -> std::io::Result<()> {
        let mut position = self.position.clone();
        let confirmed = self.pending.iter().take_while(|round| round.batch <= self.confirmed);
        let settled = confirmed.count();
        if let Some(last) = settled.checked_sub(1).and_then(|last| self.pending.get(last)) {
            position.after_us = Some(last.time_us);
            position.sequence = last.sequence;
            position.batches = self.batches_before + last.batch;
        }
        position.finished = self.last_batch.is_some_and(|last| self.confirmed >= last);
        if self.position != position {
            write_position(&self.file, &position)?;
            self.position = position;
        }
        self.pending.drain(..settled);
        Ok(())
    }
}

/// The epoch of a run's numbers, never 0.
///
/// A version that cuts rounds into other batches counts in another epoch.
fn epoch(position: &Position) -> u64 {
    let run = json!([position.inputs, position.run, BATCH_RECORDS]).to_string();
    let first = Sha256::digest(run).iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
    first.max(1)
}

fn read_position(file: &Path, context: &Context) -> Option<Position> {
    let bytes = fs::read(file).ok()?;
    let position = serde_json::from_slice(&bytes);
    if let Err(error) = &position {
        context.warn(&format!("{}: {error}: starting over", file.display()));
    }
    position.ok()
}

/// Puts the position there as a whole: a crash leaves the one before.
fn write_position(file: &Path, position: &Position) -> std::io::Result<()> {
    let written = file.with_extension("json.new");
    let mut new = File::create(&written)?;
    new.write_all(&serde_json::to_vec(position)?)?;
    new.sync_all()?;
    fs::rename(&written, file)?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Tells one set of files and chosen records from another.
fn fingerprint(options: &Options, inputs: &[Input]) -> String {
    let files: Vec<_> = inputs
        .iter()
        .map(|input| {
            let about = fs::metadata(&input.path).ok();
            let changed = about.as_ref().and_then(|about| about.modified().ok());
            let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let changed_ns = changed.map(|since| since.as_nanos().to_string());
            json!([input.path, about.map(|about| about.len()), changed_ns])
        })
        .collect();
    let mut choice = json!(options);
    for free in ["speed", "max_gap", "resume", "clock"] {
        choice[free].take(); // may change between two runs: the records stay the same
    }
    let digest = Sha256::digest(json!([files, choice]).to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
