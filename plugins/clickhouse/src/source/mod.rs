//! The source: reads back what was asked for of a table.
//!
//! It asks which days the table has, for each of them which securities, and then for the rows of as
//! many of these as fit into memory. Rows of one key are given once, the last one, whether the
//! server has merged them or not. What fails is asked again as a whole, before anything of it was
//! given.

mod options;
mod select;

use std::{collections::VecDeque, time::Duration};

use kit::history::{self, Gather, Reading, SPAN_ROWS, Wanted};
use plugin_api::{
    Batch, Context, PluginError, Polled, Source,
    schemas::time::{DAY_US, EXCHANGE_OFFSET_US},
};

use self::{
    options::Options,
    select::{Chunk, Selection, chunks},
};
use crate::{
    answer::Failure,
    fault::{Class, Fault},
    http::Server,
    native_read::read_block,
    prepare::columns_by_table,
};

/// What is left to read of a table.
pub struct TableSource {
    server: Server,
    wanted: Wanted,
    selection: Selection,
    /// Days with rows, since 1970; not known at first.
    days: Option<VecDeque<i64>>,
    chunks: VecDeque<Chunk>,
    gather: Gather,
    ready: VecDeque<Batch>,
}

impl Source for TableSource {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let server = Server::new(&options.check(context)?);
        if options.ask.is_some() {
            return select(&server, &Wanted::read(options.ask.as_ref())?).map(drop);
        }
        columns_by_table(&server).map(drop).map_err(Fault::opening)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let wanted = Wanted::read(options.ask.as_ref())?;
        let server = Server::new(&options.check(&context)?);
        Ok(Self {
            selection: select(&server, &wanted)?,
            server,
            gather: Gather::new(wanted.kind(), options.batch_records, context.instance()),
            wanted,
            days: None,
            chunks: VecDeque::new(),
            ready: VecDeque::new(),
        })
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        history::next(self, wait)
    }
}

impl Reading for TableSource {
    fn step(&mut self) -> Result<(), PluginError> {
        self.question().map_err(|failure| Fault::of(&self.server, failure).running())?;
        self.ready.extend(self.gather.finish()?);
        Ok(())
    }

    fn ready(&mut self) -> &mut VecDeque<Batch> {
        &mut self.ready
    }

    fn has_ended(&self) -> bool {
        self.days.as_ref().is_some_and(VecDeque::is_empty) && self.chunks.is_empty()
    }
}

impl TableSource {
    /// Asks the next question.
    fn question(&mut self) -> Result<(), Failure> {
        let Some(days) = &mut self.days else {
            let asked = self.wanted.asked();
            let rows = self.server.rows(&self.selection.days(asked.from_us, asked.to_us))?;
            let day = |row: &Vec<String>| row.first()?.parse().ok();
            self.days = Some(rows.iter().filter_map(day).collect());
            return Ok(());
        };
        if let Some(chunk) = self.chunks.front() {
            let (from_us, to_us) = span(&self.wanted, chunk.day);
            let question = self.selection.rows(from_us, to_us, chunk);
            let answer = self.server.blocks(&question)?;
            for part in parts(&answer, &self.selection, &self.wanted)? {
                self.gather.push(part);
            }
            self.chunks.pop_front();
        } else if let Some(day) = days.front().copied() {
            let (from_us, to_us) = span(&self.wanted, day);
            let rows = self.server.rows(&self.selection.securities(from_us, to_us))?;
            let security = |row: Vec<String>| {
                let [symbol, rows] = <[String; 2]>::try_from(row).ok()?;
                Some((symbol, rows.parse().ok()?))
            };
            let securities: Vec<_> = rows.into_iter().filter_map(security).collect();
            self.chunks = chunks(day, &securities, SPAN_ROWS).into();
            days.pop_front();
        }
        Ok(())
    }
}

/// What to ask the table for, as it is now.
fn select(server: &Server, wanted: &Wanted) -> Result<Selection, PluginError> {
    let found = columns_by_table(server).map_err(Fault::opening)?;
    let name = server.target().table(wanted.kind());
    let selected = match found.get(&name) {
        Some(columns) => Selection::new(server.target(), wanted, columns),
        None => Err(format!("there is no table {name}; correct `database` and the table's name")),
    };
    selected.map_err(|text| Fault::new(server, Class::Setup, &text).opening())
}

/// What is asked for of a day.
fn span(wanted: &Wanted, day: i64) -> (i64, i64) {
    let begin_us = day * DAY_US - EXCHANGE_OFFSET_US;
    let asked = wanted.asked();
    (asked.from_us.max(begin_us), asked.to_us.min(begin_us + DAY_US - 1))
}

/// The records of an answer, block by block.
fn parts(answer: &[u8], selection: &Selection, wanted: &Wanted) -> Result<Vec<Batch>, Failure> {
    let (mut bytes, names) = (answer, selection.names());
    let mut parts = Vec::new();
    while let Some((rows, table)) = read_block(&mut bytes, &names).map_err(Failure::Strange)? {
        if rows > 0 {
            let part = table.batch(wanted.kind());
            parts.push(part.map_err(|error| Failure::Strange(error.to_string()))?);
        }
    }
    Ok(parts)
}
