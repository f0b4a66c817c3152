//! Reads back what was asked for, from entries that are still in their streams.
//!
//! No group is needed or changed, nothing is written. Entries lie in the order of their arrival, so
//! all from shortly before the first time on are looked through once for the times of their records,
//! page by page, and then read again by spans of bounded size. What was cut off in between is told.

mod rows;

use std::{collections::VecDeque, time::Duration};

use kit::history::{self, Gather, Reading, SPAN_ROWS, Span, Spread, Wanted};
use plugin_api::{Batch, Context, PluginError, Polled};
use redis::cmd;

use self::rows::{Rows, rows};
use crate::{
    server::{Entry, EntryId, Fault, Servers, into_entries},
    source::{Options, Settings},
};

/// Entries in a page, until one takes too much memory.
const PAGE_ENTRIES: usize = 1_000;
/// Records may have left their source with a clock that was ahead of this one's.
const MARGIN_MS: i64 = 3_600_000;

/// What is left to read of the streams.
pub struct Asked {
    context: Context,
    settings: Settings,
    wanted: Wanted,
    /// Connections; none after a fault.
    servers: Option<Servers>,
    /// Entries in a page.
    page_entries: usize,
    stage: Stage,
    spread: Spread,
    /// By number of the part of the spread.
    pages: Vec<Page>,
    gather: Gather,
    ready: VecDeque<Batch>,
    /// What could not be read.
    refused: Vec<String>,
}

/// Entries of a stream that are read at once.
#[derive(Debug, Clone, Copy)]
struct Page {
    stream: usize,
    first: EntryId,
    last: EntryId,
}

enum Stage {
    /// Looks for times in a stream, from that entry on.
    Looking(usize, EntryId),
    /// Reads spans, of the first of which those pages are still to be read.
    Reading(VecDeque<Span>, Option<VecDeque<usize>>),
    End,
}

impl Asked {
    /// Tells whether the streams could be read.
    pub fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        Wanted::read(options.ask.as_ref())?;
        let settings = options.check(context)?;
        let mut servers = Servers::connect(&settings.target)?;
        for stream in &settings.streams {
            let asked = servers.of(stream)?.ask(cmd("XLEN").arg(stream));
            asked.map_err(|fault| fault.about(stream))?;
        }
        Ok(())
    }

    /// Connects.
    pub fn open(options: &Options, context: Context) -> Result<Self, PluginError> {
        let wanted = Wanted::read(options.ask.as_ref())?;
        let settings = options.check(&context)?;
        let servers = Some(Servers::connect(&settings.target)?);
        let begin = begin(&wanted);
        Ok(Self {
            gather: Gather::new(wanted.kind(), settings.batch_records, context.instance()),
            context,
            settings,
            wanted,
            servers,
            page_entries: PAGE_ENTRIES,
            stage: Stage::Looking(0, begin),
            spread: Spread::default(),
            pages: Vec::new(),
            ready: VecDeque::new(),
            refused: Vec::new(),
        })
    }

    /// As [`Source::next`](plugin_api::Source::next).
    pub fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        history::next(self, wait)
    }

    /// As [`Source::close`](plugin_api::Source::close): fails when something could not be read.
    pub fn close(&mut self) -> Result<(), PluginError> {
        let Some(first) = self.refused.first() else { return Ok(()) };
        let count = self.refused.len();
        Err(PluginError::fatal(format!("{count} faults of entries: {first}")))
    }

    fn look(&mut self, stream: usize, from: EntryId) -> Result<(), PluginError> {
        if stream == self.settings.streams.len() {
            let spans = self.spread.spans(SPAN_ROWS).into();
            self.stage = Stage::Reading(spans, None);
            return Ok(());
        }
        let entries = match self.entries(stream, from, None) {
            Err(fault) if fault.is_too_large() && self.page_entries > 1 => {
                self.page_entries /= 2;
                return Ok(());
            }
            entries => entries?,
        };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            self.stage = Stage::Looking(stream + 1, begin(&self.wanted));
            return Ok(());
        };
        let page = Page { stream, first: first.id, last: last.id };
        self.stage = Stage::Looking(stream, page.last.next());
        let Rows { batches, bad } =
            rows(&entries, &self.settings.streams[stream], &self.wanted, None)?;
        self.spread.begin_part();
        self.pages.push(page);
        for batch in &batches {
            batch.spots().iter().for_each(|spot| self.spread.note(spot.time_us()));
            batch.bars().for_each(|bar| self.spread.note(bar.time_us));
        }
        let Some((id, reason)) = bad.first() else { return Ok(()) };
        let count = bad.len();
        let stream = &self.settings.streams[stream];
        self.refuse(format!("{count} entries of {stream} are no records, first {id}: {reason}"))
    }

    fn read(&mut self) -> Result<(), PluginError> {
        let Stage::Reading(spans, due) = &mut self.stage else { return Ok(()) };
        let Some(span) = spans.front().copied() else {
            self.stage = Stage::End;
            return Ok(());
        };
        let due = due.get_or_insert_with(|| self.spread.parts_of(&span).into());
        if let Some(part) = due.front().copied() {
            let Page { stream, first, last } = self.pages[part];
            let entries = self.entries(stream, first, Some(last))?;
            let name = &self.settings.streams[stream];
            let read = rows(&entries, name, &self.wanted, Some(span))?;
            read.batches.into_iter().for_each(|batch| self.gather.push(batch));
            if let Stage::Reading(_, Some(due)) = &mut self.stage {
                due.pop_front();
            }
            return Ok(());
        }
        spans.pop_front();
        if let Stage::Reading(_, due) = &mut self.stage {
            *due = None;
        }
        let missing = span.rows.saturating_sub(self.gather.rows());
        self.ready.extend(self.gather.finish()?);
        if missing == 0 {
            return Ok(());
        }
        self.refuse(format!(
            "{missing} records were cut off their streams while these were read; raise `maxlen` \
             where they are written"
        ))
    }

    /// Entries of a stream from that one on; without a last one, a page of them.
    fn entries(
        &mut self,
        stream: usize,
        from: EntryId,
        last: Option<EntryId>,
    ) -> Result<Vec<Entry>, Fault> {
        let stream = &self.settings.streams[stream];
        let mut servers = match self.servers.take() {
            Some(servers) => servers,
            None => Servers::connect(&self.settings.target)?,
        };
        let mut command = cmd("XRANGE");
        command.arg(stream).arg(from.to_string());
        match last {
            Some(last) => command.arg(last.to_string()),
            None => command.arg("+").arg("COUNT").arg(self.page_entries),
        };
        let node = servers.of(stream)?;
        node.send_all(std::slice::from_ref(&command), Duration::ZERO)?;
        let answer = node.receive_entries()?;
        let answer = node.accepted(answer).map_err(|fault| fault.about(stream))?;
        let entries = into_entries(answer);
        let entries = entries.ok_or_else(|| Fault::strange(node.name(), "no list of entries"))?;
        // not before: after a fault an answer may be outstanding
        self.servers = Some(servers);
        Ok(entries)
    }

    fn refuse(&mut self, text: String) -> Result<(), PluginError> {
        self.context.error(&text);
        self.refused.push(text.clone());
        Err(PluginError::bad_data(text))
    }
}

impl Reading for Asked {
    /// Reads the next page. After a fault it is read again.
    fn step(&mut self) -> Result<(), PluginError> {
        match &self.stage {
            Stage::Looking(stream, from) => self.look(*stream, *from),
            Stage::Reading(..) => self.read(),
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

/// The first entry that may hold what is asked for: ids begin with the time of arrival.
fn begin(wanted: &Wanted) -> EntryId {
    let ms = wanted.asked().from_us.div_euclid(1_000).saturating_sub(MARGIN_MS);
    EntryId { ms: u64::try_from(ms).unwrap_or(0), number: 0 }
}
