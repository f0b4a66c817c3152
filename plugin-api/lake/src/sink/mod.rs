//! The sink: takes rows in, commits them, finishes files.
//!
//! Two rules keep a record from being lost or written twice. A call that fails has taken nothing:
//! the disk is written before rows are taken, or after all of them were, and a fault after that is
//! returned by the next call. A commit makes the rows of all partitions safe or those of none, and
//! records the mark of what was taken with them, so that the next instance takes nothing twice.

mod commit;
mod expire;
mod finish;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use kit::Daily;
use parquet::errors::ParquetError;
use plugin_api::{
    Ack, Batch, Context, Delivery, PluginError, Record, RecordKind, Sink, Symbol, WithRecords,
};

use crate::{
    disk::{Disk, LocalDisk, make_folder},
    fault::Fault,
    mark::Mark,
    options::{Options, Settings},
    owner::Owner,
    part::Part,
    partition::{Folders, escaped},
    recover::{self, Recovered},
    schema::Layout,
    writer_lock::WriterLock,
};

/// A lake as one writer sees it.
pub struct Parquet {
    settings: Settings,
    context: Context,
    disk: Box<dyn Disk>,
    lake: PathBuf,
    lock: WriterLock,
    /// By the number of the kind.
    layouts: Vec<Arc<Layout>>,
    folders: Folders,
    /// Partitions that take rows.
    parts: Vec<Part>,
    part_by_folder: HashMap<String, usize>,
    current: Option<usize>,
    /// Files that take no more rows, oldest first.
    sealed: Vec<Part>,
    held: Held,
    /// How far this instance and those before it have come in what was offered.
    taken: Mark,
    /// The rows of the next commit stand in their files; only the word that it holds is missing.
    is_appended: bool,
    /// The last commit failed, so the next call begins with another.
    is_stalled: bool,
    /// Files could not be finished, and the log says so.
    is_unfinished_told: bool,
    /// When days were removed that are too old.
    expiry: Daily,
    /// What stays of old days, and the log says so.
    kept_told: Vec<PathBuf>,
}

/// What was taken and is not safe yet.
#[derive(Default)]
struct Held {
    records: u64,
    bytes: usize,
    since_us: i64,
}

impl Sink for Parquet {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Store;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        options.check()?;
        let lake = context.resolve(&options.path);
        let there = lake.ancestors().find(|above| above.exists()).unwrap_or(&lake);
        if !there.is_dir() {
            let text = format!("path {} is no folder; name another one", there.display());
            return Err(PluginError::config(text));
        }
        rustix::fs::access(there, rustix::fs::Access::WRITE_OK).map_err(|error| {
            let text = format!("folder {} cannot be written: {error}; ", there.display());
            PluginError::config(text + "change its owner or permissions, or name another `path`")
        })
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        Self::open_on(Box::new(LocalDisk), &options, context)
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        if self.is_stalled {
            self.commit()?;
        }
        let now_us = self.context.now_us();
        let mut known = 0;
        for batch in batches {
            known += self.take(batch, now_us).map_err(|error| Fault::from(error).into_error())?;
        }
        if known > 0 {
            self.context.count("offered_again_total", known);
            self.context.info(&format!("{known} records that are here already were offered again"));
        }
        self.settle(now_us).or_else(|error| self.postpone(error))
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        self.settle(self.context.now_us())
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.commit()?;
        self.finish_due(self.context.now_us());
        Ok(())
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.commit()?;
        self.sealed.append(&mut self.parts);
        self.index_parts();
        self.finish_sealed().map_err(Fault::into_error)?;
        self.lock.release().map_err(Fault::into_error)
    }
}

/// Takes in the records of a batch from that place on.
struct Take<'a> {
    lake: &'a mut Parquet,
    batch: &'a Batch,
    first: usize,
    now_us: i64,
}

impl WithRecords for Take<'_> {
    type Output = Result<(), ParquetError>;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Self::Output {
        let Self { lake, batch, first, now_us } = self;
        let stamp = (batch.provenance().source(), batch.provenance().sequence);
        for record in records.skip(first) {
            let index = lake.part_of(batch.kind(), record.time_us(), record.symbol(), now_us);
            lake.parts[index].push(&record, stamp, &lake.settings)?;
            lake.seal_if_full(index)?;
        }
        Ok(())
    }
}

impl Parquet {
    /// Opens a lake on that disk.
    ///
    /// # Errors
    /// `Config` when options are wrong or the folder cannot be used, `Retry` when the disk is full.
    pub fn open_on(
        disk: Box<dyn Disk>,
        options: &Options,
        context: Context,
    ) -> Result<Self, PluginError> {
        let settings = options.check()?;
        let lake = context.resolve(&options.path);
        let open_error = Fault::into_open_error;
        make_folder(disk.as_ref(), &lake).map_err(open_error)?;
        let instance = escaped(context.instance());
        let owner = Owner::of(disk.as_ref(), &context).map_err(open_error)?;
        let lock = WriterLock::acquire(disk.as_ref(), &lake, &instance, owner, context.now_us())
            .map_err(open_error)?;
        let recovered = recover::lake(disk.as_ref(), &lake, &lock).map_err(open_error)?;
        tell_recovered(&context, &recovered);
        let layout = |kind| {
            let layout = Layout::new(kind, settings.compression, context.instance());
            layout.map(Arc::new).map_err(|error| Fault::from(error).into_error())
        };
        let mut sink = Self {
            layouts: RecordKind::ALL.into_iter().map(layout).collect::<Result<_, _>>()?,
            folders: Folders::new(&settings.partition),
            taken: lock.mark(),
            settings,
            context,
            disk,
            lake,
            lock,
            parts: Vec::new(),
            part_by_folder: HashMap::new(),
            current: None,
            sealed: Vec::new(),
            held: Held::default(),
            is_appended: false,
            is_stalled: false,
            is_unfinished_told: false,
            expiry: Daily::default(),
            kept_told: Vec::new(),
        };
        sink.expire();
        Ok(sink)
    }

    /// Takes in the rows of a batch that are not taken yet; tells how many were. The disk is not
    /// touched.
    fn take(&mut self, batch: &Batch, now_us: i64) -> Result<u64, ParquetError> {
        let known = self.taken.taken_of(batch);
        self.taken.pass(batch);
        if known > 0 && known == u64::from(batch.records()) {
            return Ok(known);
        }
        if self.held.records == 0 {
            self.held.since_us = now_us;
        }
        self.held.records += u64::from(batch.records()) - known;
        self.held.bytes += batch.payload().len();
        let first = usize::try_from(known).unwrap_or(usize::MAX);
        batch.with_records(Take { lake: self, batch, first, now_us })?;
        Ok(known)
    }

    /// Where in `parts` a record goes.
    #[inline]
    fn part_of(
        &mut self,
        kind: RecordKind,
        time_us: i64,
        symbol: Symbol<'_>,
        now_us: i64,
    ) -> usize {
        if self.folders.is_same(kind, time_us, symbol)
            && let Some(current) = self.current
        {
            return current;
        }
        let folder = self.folders.folder();
        // without a level for the kind, both kinds share a folder but never a file
        let key = format!("{}/{folder}", kind.as_str());
        let index = match self.part_by_folder.get(&key) {
            Some(index) => *index,
            None => {
                let layout = &self.layouts[usize::from(kind.number())];
                self.parts.push(Part::new(folder.to_owned(), Arc::clone(layout), now_us));
                self.part_by_folder.insert(key, self.parts.len() - 1);
                self.parts.len() - 1
            }
        };
        self.current = Some(index);
        index
    }

    #[inline]
    fn seal_if_full(&mut self, index: usize) -> Result<(), ParquetError> {
        if self.parts[index].is_full(&self.settings) {
            self.parts[index].close_group()?;
            self.seal(|part_index, _| part_index == index);
        }
        Ok(())
    }
}

fn tell_recovered(context: &Context, recovered: &Recovered) {
    let Recovered { files, rows, removed, cut_bytes, damaged } = recovered;
    for text in damaged {
        context.count("damaged_files_total", 1);
        context.error(text);
    }
    if files + removed == 0 && *cut_bytes == 0 {
        return;
    }
    context.warn(&format!(
        "recovered {rows} rows in {files} unfinished files; removed {removed} files without a \
         complete row group; cut off {cut_bytes} bytes that nobody had confirmed"
    ));
}
