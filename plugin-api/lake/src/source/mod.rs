//! The source: reads back what was asked for of a lake, in the order of time.
//!
//! Folders and names tell which files may hold it. Those of one day are looked through for their
//! times alone, a row group at a time, and then read by spans of bounded size; so memory does not
//! grow with the day, and files that overlap in time, of several writers or written late, come out
//! in order. A file that cannot be read is told, left out, and makes the reading fail at its end.

pub(crate) mod choose;
pub(crate) mod columns;
pub(crate) mod file;
pub(crate) mod listing;
mod options;

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use kit::history::{self, Gather, Reading, SPAN_ROWS, Span, Spread, Wanted};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use plugin_api::{Batch, Context, PluginError, Polled, Source};

use self::{
    file::{Opened, contained, in_file},
    listing::Listed,
    options::Options,
};

/// Rows that are unpacked at a time.
const UNPACKED_ROWS: usize = 8_192;

/// What is left to read of a lake.
pub struct LakeSource {
    context: Context,
    lake: PathBuf,
    wanted: Arc<Wanted>,
    /// Files that are read together, earlier ones first.
    groups: VecDeque<Vec<Listed>>,
    stage: Stage,
    gather: Gather,
    ready: VecDeque<Batch>,
    /// What could not be read.
    refused: Vec<String>,
}

enum Stage {
    /// Takes the next group.
    Between,
    /// Looks for times.
    Looking(Looking),
    /// Reads rows.
    Reading(Spans),
    End,
}

/// A group of files while it is looked through.
struct Looking {
    files: Vec<Listed>,
    /// The next file.
    next: usize,
    /// The file before that, with its next row group.
    open: Option<(Opened, usize)>,
    spread: Spread,
    /// File and row group of each part of the spread; none of one that cannot be read.
    parts: Vec<Option<(usize, usize)>>,
}

/// A group of files while it is read.
struct Spans {
    files: Vec<Listed>,
    parts: Vec<Option<(usize, usize)>>,
    spread: Spread,
    spans: VecDeque<Span>,
    /// Files of the first span with their row groups, that are still to be read; none before they
    /// were looked up.
    due: Option<VecDeque<(usize, Vec<usize>)>>,
}

impl Source for LakeSource {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        options.check()?;
        if options.ask.is_some() {
            Wanted::read(options.ask.as_ref())?;
        }
        folder_of(options, context).map(drop).map_err(PluginError::config)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let wanted = Wanted::read(options.ask.as_ref())?;
        options.check()?;
        // it was there, or the options are those of a sink that has not made it
        let lake = folder_of(&options, &context).map_err(PluginError::fatal)?;
        let groups = listing::groups(&lake, &wanted).map_err(|(folder, error)| {
            let text = format!("cannot list {}: {error}; let this user read it", folder.display());
            PluginError::retry(text)
        })?;
        Ok(Self {
            gather: Gather::new(wanted.kind(), options.batch_records, context.instance()),
            context,
            lake,
            wanted: Arc::new(wanted),
            groups: groups.into(),
            stage: Stage::Between,
            ready: VecDeque::new(),
            refused: Vec::new(),
        })
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        history::next(self, wait)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        let Some(first) = self.refused.first() else { return Ok(()) };
        let count = self.refused.len();
        Err(PluginError::fatal(format!("{count} faults of files of the lake: {first}")))
    }
}

impl Reading for LakeSource {
    /// A row group of times, or one file's rows of a span.
    fn step(&mut self) -> Result<(), PluginError> {
        match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::Between => {
                self.stage = match self.groups.pop_front() {
                    Some(files) => Stage::Looking(Looking::new(files)),
                    None => Stage::End,
                };
                Ok(())
            }
            Stage::Looking(looking) => self.look(looking),
            Stage::Reading(reading) => self.read(reading),
            Stage::End => Ok(()),
        }
    }

    fn ready(&mut self) -> &mut VecDeque<Batch> {
        &mut self.ready
    }

    fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::End)
    }
}

/// The folder of the lake.
fn folder_of(options: &Options, context: &Context) -> Result<PathBuf, String> {
    let lake = context.resolve(&options.path);
    if lake.is_dir() {
        return Ok(lake);
    }
    Err(format!("path {} is no folder; name that of a lake", lake.display()))
}

impl LakeSource {
    /// Rows that are read and not given, for tests.
    #[cfg(test)]
    pub fn rows_in_memory(&self) -> u64 {
        let ready = self.ready.iter().map(|batch| u64::from(batch.records())).sum::<u64>();
        ready + self.gather.rows()
    }

    fn look(&mut self, mut looking: Looking) -> Result<(), PluginError> {
        let looked = looking.step(&self.lake, &self.wanted);
        match looked {
            Ok(true) | Err(_) => self.stage = Stage::Looking(looking),
            Ok(false) => {
                let Looking { files, mut spread, parts, .. } = looking;
                let spans = spread.spans(SPAN_ROWS).into();
                self.stage = Stage::Reading(Spans { files, parts, spread, spans, due: None });
            }
        }
        looked.map(drop).or_else(|text| self.refuse(text))
    }

    fn read(&mut self, mut reading: Spans) -> Result<(), PluginError> {
        let Some(span) = reading.spans.front().copied() else {
            self.stage = Stage::Between;
            return Ok(());
        };
        let due = reading.due.take();
        let mut due = due.unwrap_or_else(|| by_file(&reading, &span));
        let Some((file, groups)) = due.pop_front() else {
            reading.spans.pop_front();
            self.stage = Stage::Reading(reading);
            self.ready.extend(self.gather.finish()?);
            return Ok(());
        };
        let read = self.read_file(&reading.files[file], &groups, span);
        reading.due = Some(due);
        self.stage = Stage::Reading(reading);
        read.or_else(|text| self.refuse(text))
    }

    fn read_file(&mut self, listed: &Listed, groups: &[usize], span: Span) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| in_file(&listed.path, error);
        let opened = file::open(&self.lake, listed)?;
        let opened = opened.filter(|it| groups.iter().all(|group| *group < it.row_groups()));
        let opened = opened.ok_or_else(|| failed(&"it has fewer rows than a moment ago"))?;
        let reader = opened.reader().map_err(|error| failed(&error))?;
        let filter = choose::filter(reader.parquet_schema(), &self.wanted, span);
        let reader = reader
            .with_row_groups(groups.to_vec())
            .with_batch_size(UNPACKED_ROWS)
            .with_row_filter(filter);
        let mut reader = contained(|| reader.build()).map_err(|error| failed(&error))?;
        let mut parts = Vec::new();
        while let Some(rows) = next_rows(&mut reader).map_err(|error| failed(&error))? {
            let kind = self.wanted.kind();
            let table = contained(|| columns::table(&rows, kind)).map_err(|it| failed(&it))?;
            parts.push(table.batch(kind).map_err(|error| failed(&error))?);
        }
        // all or nothing: what is left out is told by the file's name
        parts.into_iter().for_each(|part| self.gather.push(part));
        Ok(())
    }

    /// Tells of a file that cannot be read, once; the others go on.
    fn refuse(&mut self, text: String) -> Result<(), PluginError> {
        if self.refused.contains(&text) {
            return Ok(());
        }
        self.context.error(&text);
        self.refused.push(text.clone());
        Err(PluginError::bad_data(text))
    }
}

/// Row groups with rows of a span, by file.
fn by_file(reading: &Spans, span: &Span) -> VecDeque<(usize, Vec<usize>)> {
    let mut files = VecDeque::<(usize, Vec<usize>)>::new();
    for part in reading.spread.parts_of(span) {
        let Some((file, group)) = reading.parts[part] else { continue };
        match files.back_mut().filter(|(last, _)| *last == file) {
            Some((_, groups)) => groups.push(group),
            None => files.push_back((file, vec![group])),
        }
    }
    files
}

fn next_rows(
    reader: &mut ParquetRecordBatchReader,
) -> Result<Option<arrow::array::RecordBatch>, String> {
    contained(|| reader.next().transpose())
}

impl Looking {
    fn new(files: Vec<Listed>) -> Self {
        let (spread, parts) = (Spread::default(), Vec::new());
        Self { files, next: 0, open: None, spread, parts }
    }

    /// Looks through the next row group; false when there is none left.
    fn step(&mut self, lake: &std::path::Path, wanted: &Wanted) -> Result<bool, String> {
        let Some((opened, group)) = self.open.take() else {
            let Some(listed) = self.files.get(self.next) else { return Ok(false) };
            self.next += 1;
            let opened = file::open(lake, listed)?;
            let is_of_kind = |opened: &Opened| choose::is_of_kind(opened, wanted.kind());
            let fits = opened.as_ref().map_or(Ok(false), is_of_kind);
            if fits.map_err(|error| in_file(&listed.path, &error))? {
                self.open = opened.map(|opened| (opened, 0));
            }
            return Ok(true);
        };
        let groups = opened.metadata().metadata().row_groups();
        let Some(described) = groups.get(group) else { return Ok(true) };
        let mut looked = Ok(());
        let file = self.next - 1;
        if choose::may_have(described, wanted) {
            let spread = &mut self.spread;
            spread.begin_part();
            looked = contained(|| note_times(&opened, group, wanted, spread));
            self.parts.push(looked.is_ok().then_some((file, group)));
        }
        self.open = Some((opened, group + 1));
        looked.map(|()| true).map_err(|error| in_file(&self.files[file].path, &error))
    }
}

fn note_times(
    opened: &Opened,
    group: usize,
    wanted: &Wanted,
    spread: &mut Spread,
) -> Result<(), parquet::errors::ParquetError> {
    let reader = opened
        .reader()
        .map_err(|error| parquet::errors::ParquetError::General(error.to_string()))?;
    let mask = choose::mask(reader.parquet_schema(), wanted);
    let reader = reader.with_row_groups(vec![group]).with_projection(mask);
    for rows in reader.with_batch_size(UNPACKED_ROWS).build()? {
        choose::times(&rows?, wanted, |time_us| spread.note(time_us))?;
    }
    Ok(())
}
