//! The source: from files to paced rounds.

use std::{io, path::PathBuf, sync::Arc, time};

use plugin_api::{Batch, Context, PluginError, Polled, RecordKind, Source, SpotListEncoder};

use crate::{
    config::Options,
    departure::Departure,
    desk::Desk,
    head::{Head, inspect},
    inputs::{find_files, identify},
    lane::{Lane, lanes},
    open::probe,
    pace::Pace,
    progress::Progress,
    reader::{Input, OpenFault},
    resume::Keeper,
    scan::{Scan, Scanned},
    settings::Settings,
};

/// What is said of files that hold nothing to play.
const NO_ROWS: &str = "the files hold no row that can be read; name others, or record them anew";

/// Plays recorded files.
pub struct Replay {
    desk: Desk,
    settings: Arc<Settings>,
    repeat: bool,
    stage: Stage,
    /// What the scan found, for the next pass.
    files: Vec<Scanned>,
    pace: Pace,
    progress: Progress,
    keeper: Option<Keeper>,
    encoder: SpotListEncoder,
    /// Name of the component, which records without a source get.
    instance: String,
    /// Batches that left.
    batches: u64,
    /// Number of the last record.
    sequence: u64,
}

enum Stage {
    Scanning(Scan),
    Playing(Box<Pass>),
    Ended,
}

/// One way through all files.
struct Pass {
    /// By the number of the kind.
    lanes: Vec<Box<dyn Lane>>,
    /// The round that has begun, and what its times are moved by.
    round: Option<(i64, i64)>,
    /// Whether batches of quotes of that round have left.
    is_open: bool,
    played_before: u64,
}

impl Source for Replay {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = Arc::new(Settings::check(options)?);
        let paths = find_files(&options.path, options.format, context)?;
        let (files, mut faults) = open_all(&paths, options, &settings)?;
        let mut has_rows = false;
        for (input, kind) in &files {
            match inspect(input, *kind, &settings) {
                Ok(head) => has_rows |= head == Head::Rows,
                Err(fault) => faults.push(fault),
            }
        }
        if !has_rows && faults.is_empty() {
            faults.push(format!("{}: {NO_ROWS}", options.path));
        }
        if faults.is_empty() { Ok(()) } else { Err(PluginError::config(faults.join("\n"))) }
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let mut settings = Settings::check(&options)?;
        let paths = find_files(&options.path, options.format, &context)?;
        let mut desk = Desk::new(context);
        let (files, damaged) = open_all(&paths, &options, &Arc::new(settings.clone()))?;
        damaged.iter().for_each(|text| desk.bad_file(text));
        let (mut keeper, mut sequence) = (None, 0);
        if options.resume {
            let inputs: Vec<Input> = files.iter().map(|(input, _)| input.clone()).collect();
            let kept = Keeper::open(&options, &inputs, &desk.context).map_err(not_openable)?;
            let position = kept.position();
            if position.after_us.is_some() {
                desk.context.info(&format!("goes on after record {}", position.sequence));
                settings.filter.after_us = position.after_us;
                sequence = position.sequence;
            }
            keeper = Some(kept);
        }
        let settings = Arc::new(settings);
        let instance = desk.context.instance().to_owned();
        Ok(Self {
            desk,
            repeat: options.repeat,
            stage: Stage::Scanning(Scan::new(files, Arc::clone(&settings))),
            settings,
            files: Vec::new(),
            pace: Pace::new(&options),
            progress: Progress::default(),
            keeper,
            encoder: SpotListEncoder::new(256),
            instance,
            batches: 0,
            sequence,
        })
    }

    fn next(&mut self, wait: time::Duration) -> Result<Polled, PluginError> {
        let deadline = time::Instant::now() + wait;
        let polled = self.poll(deadline);
        self.desk.flush();
        polled
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        keeper.confirm(batches).map_err(|error| not_kept(&error))
    }

    fn close(&mut self) -> Result<(), PluginError> {
        match &self.stage {
            Stage::Ended => self.failure().map_or(Ok(()), |text| Err(PluginError::fatal(text))),
            Stage::Scanning(_) | Stage::Playing(_) => Ok(()),
        }
    }
}

impl Replay {
    fn poll(&mut self, deadline: time::Instant) -> Result<Polled, PluginError> {
        loop {
            match &mut self.stage {
                Stage::Ended => return Ok(Polled::End),
                Stage::Scanning(scan) => {
                    let Some(files) = scan.go_on(&mut self.desk, deadline) else {
                        return Ok(Polled::Idle);
                    };
                    self.progress.files = files.len();
                    self.progress.total_rows = files.iter().map(|file| file.rows).sum();
                    self.files = files;
                    self.start_pass();
                }
                Stage::Playing(pass) => {
                    let desk = &mut self.desk;
                    if !pass.lanes.iter_mut().all(|lane| lane.prepare(desk, deadline)) {
                        return Ok(Polled::Idle);
                    }
                    match pass.peek_us() {
                        None => self.end_pass()?,
                        Some(time_us) if self.await_round(time_us, deadline) => {
                            return Ok(Polled::Batch(self.batch(time_us)?));
                        }
                        Some(_) => return Ok(Polled::Idle),
                    }
                }
            }
        }
    }

    fn start_pass(&mut self) {
        self.stage = Stage::Playing(Box::new(Pass {
            lanes: lanes(&self.files, &self.settings),
            round: None,
            is_open: false,
            played_before: self.progress.played,
        }));
    }

    /// Begins anew, or ends the replay.
    fn end_pass(&mut self) -> Result<(), PluginError> {
        let Stage::Playing(pass) = &self.stage else { return Ok(()) };
        let was_resumed = self.settings.filter.after_us.is_some();
        let played = self.progress.played > pass.played_before;
        if self.repeat && (played || was_resumed) {
            Arc::make_mut(&mut self.settings).filter.after_us = None;
            self.pace.reset();
            self.progress.total_rows += self.files.iter().map(|file| file.rows).sum::<u64>();
            self.start_pass();
            return Ok(());
        }
        self.stage = Stage::Ended;
        self.progress.summarize(&self.desk);
        self.warn_of_unseen();
        match &mut self.keeper {
            Some(keeper) => keeper.ended(self.batches).map_err(|error| not_kept(&error)),
            None => Ok(()),
        }
    }

    /// Why a replay that has ended did not do what it was to do.
    fn failure(&self) -> Option<String> {
        let was_resumed = self.settings.filter.after_us.is_some();
        let has_read = was_resumed || self.progress.total_rows > 0;
        self.desk.failure().or_else(|| (!has_read).then(|| NO_ROWS.to_owned()))
    }

    fn warn_of_unseen(&self) {
        let filter = &self.settings.filter;
        let mut unseen: Vec<_> = filter
            .symbols
            .iter()
            .filter(|key| !self.progress.has_seen(key))
            .map(String::as_str)
            .collect();
        if filter.after_us.is_none() && !unseen.is_empty() {
            unseen.sort_unstable();
            self.desk.context.warn(&format!("no record of symbols {}", unseen.join(", ")));
        }
    }

    /// Waits for the round of that time; false when it is due only after `deadline`.
    fn await_round(&mut self, time_us: i64, deadline: time::Instant) -> bool {
        let Stage::Playing(pass) = &mut self.stage else { return false };
        if pass.round.is_some_and(|(round_us, _)| round_us == time_us) {
            return true;
        }
        let now_us = self.desk.context.now_us();
        let left_us = self.pace.until_due_us(time_us, now_us);
        if left_us > 0 {
            let left = time::Duration::from_micros(left_us.unsigned_abs());
            let until_deadline = deadline.saturating_duration_since(time::Instant::now());
            std::thread::sleep(left.min(until_deadline));
            if self.pace.until_due_us(time_us, self.desk.context.now_us()) > 0 {
                return false;
            }
        }
        let shift_us = self.pace.start(time_us, self.desk.context.now_us());
        (pass.round, pass.is_open) = (Some((time_us, shift_us)), false);
        true
    }

    /// The next batch of the round of that time: first its quotes, then other records.
    fn batch(&mut self, time_us: i64) -> Result<Batch, PluginError> {
        let none = || PluginError::fatal("a batch was asked for outside of a replay");
        let Stage::Playing(pass) = &mut self.stage else { return Err(none()) };
        let shift_us = pass.round.map_or(0, |(_, shift_us)| shift_us);
        let lane = pass.lanes.iter_mut().find(|lane| lane.peek_us() == Some(time_us));
        let mut batch = lane.ok_or_else(none)?.batch(&mut Departure {
            time_us,
            shift_us,
            is_open: &mut pass.is_open,
            desk: &mut self.desk,
            progress: &mut self.progress,
            encoder: &mut self.encoder,
            instance: &self.instance,
            sequence: &mut self.sequence,
        })?;
        self.batches += 1;
        if let Some(keeper) = &mut self.keeper {
            let (epoch, number) = keeper.number(self.batches);
            batch = batch.numbered(epoch, number, 0);
            if pass.peek_us() != Some(time_us) {
                keeper.round_left(self.batches, time_us, self.sequence);
            }
        }
        self.progress.report(time_us, &self.desk);
        Ok(batch)
    }
}

impl Pass {
    /// Time of the next record.
    fn peek_us(&self) -> Option<i64> {
        self.lanes.iter().filter_map(|lane| lane.peek_us()).min()
    }
}

/// The files that can be read, and what is to be said of the others.
type Opened = (Vec<(Input, RecordKind)>, Vec<String>);

/// Checks the columns of every file before anything is played.
///
/// # Errors
/// `Config` when the options do not fit a file, `Fatal` when no file can be read.
fn open_all(
    paths: &[PathBuf],
    options: &Options,
    settings: &Arc<Settings>,
) -> Result<Opened, PluginError> {
    let (mut files, mut lacking, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        let opened = identify(path, options.format)
            .and_then(|input| probe(&input, settings).map(|kind| (input, kind)));
        match opened {
            Ok(file) => files.push(file),
            Err(OpenFault::Columns(text)) => lacking.push(text),
            Err(OpenFault::Unreadable(text)) => damaged.push(text),
        }
    }
    if !lacking.is_empty() {
        return Err(PluginError::config([lacking, damaged].concat().join("\n")));
    }
    if files.is_empty() {
        return Err(PluginError::fatal(damaged.join("\n")));
    }
    Ok((files, damaged))
}

/// A full disk may be freed while the host runs; a folder of another user may not.
fn not_openable(error: io::Error) -> PluginError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => not_kept(&error),
        _ => PluginError::fatal(format!("position of the replay: {error}")),
    }
}

fn not_kept(error: &io::Error) -> PluginError {
    PluginError::retry(format!("position of the replay cannot be kept: {error}"))
}
