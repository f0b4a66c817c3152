//! Recorded answers of the Tencent quote service: `v_sh600000="1~浦发银行~…";`, one a line.

use std::{
    io::{self, BufRead},
    path::Path,
    sync::Arc,
};

use plugin_api::schemas::qq::{Encoding, Quote, Skip, parse_time, statement_len};

use crate::{
    reader::{BadRow, OpenFault, Reader, Step, TimeReader, excerpt, in_file},
    row::{SpotRow, takes_symbol},
    settings::Settings,
    text::{describe, open_text},
};

/// The lines of a file.
pub struct QqReader {
    file: Arc<Path>,
    text: Box<dyn BufRead>,
    encoding: Encoding,
    settings: Arc<Settings>,
    /// The statement at hand.
    line: Vec<u8>,
    /// What the line has behind it.
    behind: Vec<u8>,
    /// Number of the line, from 1.
    number: u64,
    key: String,
}

impl QqReader {
    /// Opens a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path, settings: &Arc<Settings>) -> Result<Self, OpenFault> {
        let failed = |error: io::Error| OpenFault::Unreadable(in_file(path, describe(&error)));
        let mut text = open_text(path).map_err(failed)?;
        // the first lines tell for all: a short name alone can look like either
        let encoding = Encoding::of(text.fill_buf().map_err(failed)?);
        Ok(Self {
            file: Arc::from(path),
            text,
            encoding,
            settings: Arc::clone(settings),
            line: Vec::new(),
            behind: Vec::new(),
            number: 0,
            key: String::new(),
        })
    }

    /// Reads the next statement that is not empty, of which a line has one or more; false at the end.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            self.line.clear();
            self.line.append(&mut self.behind);
            if self.line.is_empty() {
                let read = self.text.read_until(b'\n', &mut self.line);
                if read.map_err(|error| in_file(&self.file, describe(&error)))? == 0 {
                    return Ok(false);
                }
                self.number += 1;
            }
            self.behind = self.line.split_off(statement_len(&self.line));
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn bad_row(&self, line: &str, why: Skip) -> Step {
        let (column, value) = match why {
            Skip::Malformed { field: 0, .. } => ("0".to_owned(), excerpt(line.trim())),
            Skip::Malformed { field, .. } => {
                (field.to_string(), excerpt(line.split('~').nth(field).unwrap_or_default()))
            }
            _ => (String::new(), String::new()),
        };
        let why = match why {
            Skip::Malformed { why, .. } => why.to_owned(),
            other => other.to_string(),
        };
        let raw = self.line.trim_ascii().to_vec();
        Step::Bad(Box::new(BadRow { row: self.number, column, value, why, raw }))
    }
}

impl Reader<SpotRow> for QqReader {
    fn next(&mut self, row: &mut SpotRow) -> Result<Step, String> {
        if !self.advance()? {
            return Ok(Step::End);
        }
        let line = self.encoding.decode(&self.line);
        let quote = match Quote::parse(&line) {
            Ok(quote) => quote,
            Err(why) if why.is_malformed() => return Ok(self.bad_row(&line, why)),
            // answers about other markets, or about nothing, are no fault of the recording
            Err(_) => return Ok(Step::Skipped),
        };
        let filter = &self.settings.filter;
        let taken = takes_symbol(&self.settings, quote.market, quote.code, &mut self.key);
        if !taken || !filter.takes_time(quote.time_us) {
            return Ok(Step::Skipped);
        }
        fill(row, &quote, self.settings.levels);
        Ok(Step::Row)
    }
}

impl TimeReader for QqReader {
    fn next_time(&mut self) -> Result<Option<i64>, String> {
        while self.advance()? {
            // the digits of a time read alike in any encoding
            if let Ok(time_us) = parse_time(&self.encoding.decode(&self.line)) {
                return Ok(Some(time_us));
            }
        }
        Ok(None)
    }
}

fn fill(row: &mut SpotRow, quote: &Quote<'_>, levels: usize) {
    row.market = quote.market;
    quote.code.clone_into(&mut row.code);
    quote.name.clone_into(&mut row.name);
    row.time_us = quote.time_us;
    row.recv_time_us = quote.time_us;
    row.pre_close = quote.pre_close;
    row.open = quote.open;
    row.high = quote.high;
    row.low = quote.low;
    row.close = quote.close;
    row.amount_cny = quote.amount;
    row.volume_shares = quote.volume_shares;
    row.bid.fill(quote.bid.into_iter().take(levels));
    row.bid_volume.fill(quote.bid_volume.into_iter().take(levels));
    row.ask.fill(quote.ask.into_iter().take(levels));
    row.ask_volume.fill(quote.ask_volume.into_iter().take(levels));
    row.source.clear();
    row.quality_score = None;
}
