//! Recorded answers of the Tencent quote service: `v_sh600000="1~浦发银行~…";`, one a line.

use std::{io::BufRead, path::Path, sync::Arc};

use plugin_api::schemas::qq::{Encoding, Quote, Skip, parse_time, statement_len};

use crate::{
    lines::{Line, Lines, MOST_BYTES},
    reader::{BadRow, OpenFault, Reader, Step, TimeReader, Timed, excerpt, in_file},
    row::SpotRow,
    settings::Settings,
    text::{describe, open_text},
};

/// The lines of a file.
pub struct QqReader {
    file: Arc<Path>,
    lines: Lines,
    encoding: Encoding,
    settings: Arc<Settings>,
    line: Line,
    /// What the line has behind the statement at hand.
    behind: Vec<u8>,
    key: String,
}

impl QqReader {
    /// Opens a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path, settings: &Arc<Settings>) -> Result<Self, OpenFault> {
        let mut text = open_text(path)?;
        // the first lines tell for all: a short name alone can look like either
        let sample = text.fill_buf();
        let sample =
            sample.map_err(|error| OpenFault::Unreadable(in_file(path, describe(&error))))?;
        let encoding = Encoding::of(sample);
        Ok(Self {
            file: Arc::from(path),
            lines: Lines::new(text),
            encoding,
            settings: Arc::clone(settings),
            line: Line::default(),
            behind: Vec::new(),
            key: String::new(),
        })
    }

    /// Reads the next statement that is not empty, of which a line has one or more; false at the end.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            if self.behind.is_empty() {
                let read = self.lines.read(&mut self.line);
                if !read.map_err(|error| in_file(&self.file, describe(&error)))? {
                    return Ok(false);
                }
            } else {
                self.line.bytes = std::mem::take(&mut self.behind);
            }
            if self.line.cut_bytes == 0 {
                self.behind = self.line.bytes.split_off(statement_len(&self.line.bytes));
            }
            if !self.line.is_blank() {
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
        self.set_aside(column, value, why)
    }

    fn set_aside(&self, column: String, value: String, why: String) -> Step {
        let raw = self.line.bytes.trim_ascii().to_vec();
        Step::Bad(Box::new(BadRow { row: self.line.number, lines: 1, column, value, why, raw }))
    }
}

impl Reader<SpotRow> for QqReader {
    fn next(&mut self, row: &mut SpotRow) -> Result<Step, String> {
        if !self.advance()? {
            return Ok(Step::End);
        }
        if self.line.cut_bytes > 0 {
            let bytes = MOST_BYTES as u64 + self.line.cut_bytes;
            let why = format!("is a line of {bytes} bytes; no quote is longer than 1 MiB");
            return Ok(self.set_aside(String::new(), String::new(), why));
        }
        let line = self.encoding.decode(&self.line.bytes);
        let quote = match Quote::parse(&line) {
            Ok(quote) => quote,
            Err(why) if why.is_malformed() => return Ok(self.bad_row(&line, why)),
            // answers about other markets, or about nothing, are no fault of the recording
            Err(_) => return Ok(Step::Other),
        };
        let filter = &self.settings.filter;
        let taken = self.settings.takes_symbol(quote.market, quote.code, &mut self.key);
        if !taken || !filter.takes_time(quote.time_us) {
            return Ok(Step::Skipped);
        }
        fill(row, &quote, self.settings.levels);
        Ok(Step::Row)
    }
}

impl TimeReader for QqReader {
    fn next_time(&mut self) -> Result<Timed, String> {
        if !self.advance()? {
            return Ok(Timed::End);
        }
        // the digits of a time read alike in any encoding
        Ok(match parse_time(&self.encoding.decode(&self.line.bytes)) {
            _ if self.line.cut_bytes > 0 => Timed::Unreadable,
            Ok(time_us) => Timed::At(time_us),
            Err(why) if why.is_malformed() => Timed::Unreadable,
            Err(_) => Timed::None,
        })
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
