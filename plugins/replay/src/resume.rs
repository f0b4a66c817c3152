//! Remembers how far a replay is where every sink wants it.

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

const FILE: &str = "position.json";

options! {
    /// Where a replay stands, as it is kept in the component's folder.
    #[derive(PartialEq, Eq)]
    pub struct Position {
        /// Fingerprint of the files and of the options that choose among their records.
        pub inputs: String,
        /// Time of the last round that every sink confirmed, microseconds since 1970 UTC.
        pub after_us: i64,
        /// Number of the last record of that round.
        pub sequence: u64,
        /// Whether that was the last round.
        pub finished: bool,
    }
}

/// Keeps the position of one run.
#[derive(Debug)]
pub struct Keeper {
    file: PathBuf,
    inputs: String,
    /// Rounds that left and are not confirmed: last batch, time, number of the last record.
    pending: VecDeque<(u64, i64, u64)>,
    confirmed: u64,
    position: Option<Position>,
    /// Number of the last batch, once all have left.
    last_batch: Option<u64>,
}

impl Keeper {
    /// Finds where an earlier run of the same files and options stood.
    ///
    /// # Errors
    /// When the component's folder cannot be made.
    pub fn open(
        options: &Options,
        inputs: &[Input],
        context: &Context,
    ) -> std::io::Result<(Self, Option<Position>)> {
        let file = context.state_dir()?.join(FILE);
        let fingerprint = fingerprint(options, inputs);
        let earlier = read_position(&file, context).filter(|position| {
            let is_same = position.inputs == fingerprint;
            if !is_same && !position.finished {
                context.warn("files or options changed since the unfinished run: starting over");
            }
            is_same && !position.finished
        });
        let keeper = Self {
            file,
            inputs: fingerprint,
            pending: VecDeque::new(),
            confirmed: 0,
            position: earlier.clone(),
            last_batch: None,
        };
        Ok((keeper, earlier))
    }

    /// Notes that `batch` was the last of the round of that time.
    pub fn round_left(&mut self, batch: u64, time_us: i64, sequence: u64) {
        self.pending.push_back((batch, time_us, sequence));
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
        let mut reached = None;
        while let Some((_, time_us, sequence)) =
            self.pending.pop_front_if(|(batch, ..)| *batch <= self.confirmed)
        {
            reached = Some((time_us, sequence));
        }
        let finished = self.last_batch.is_some_and(|last| self.confirmed >= last);
        let was = self.position.as_ref().map(|was| (was.after_us, was.sequence));
        let Some((after_us, sequence)) = reached.or(was) else { return Ok(()) };
        let inputs = self.inputs.clone();
        let position = Position { inputs, after_us, sequence, finished };
        if self.position.as_ref() != Some(&position) {
            write_position(&self.file, &position)?;
            self.position = Some(position);
        }
        Ok(())
    }
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
