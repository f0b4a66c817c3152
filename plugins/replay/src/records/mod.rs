//! Records of comma-separated text: bounded, and found again behind damage.
//!
//! A quote that is never closed would swallow all that follows. A line within quotes that is a
//! whole row by itself shows that the quote is one of those: then the line that opened it is set
//! aside, and reading goes on with the next lines that make a whole row.

mod damage;

use std::{collections::VecDeque, io};

use self::damage::KEPT_BYTES;
use crate::{
    lines::{Line, Lines, MOST_BYTES},
    quoting::{Cells, is_row},
};

pub use self::damage::Damage;

/// Longest search for a closing quote.
const MOST_LINES: usize = 1_000;
/// The same behind damage, where every line may begin a row: lists of a book take fewer lines.
const MOST_LINES_BEHIND_DAMAGE: usize = 32;

/// Reads one record after the other.
pub struct Records {
    lines: Lines,
    /// Lines that were read ahead.
    ahead: VecDeque<Line>,
    spare: Line,
    /// Cells of a whole row; 0 while the header is read.
    columns: usize,
    cells: Cells,
    raw: Vec<u8>,
    number: u64,
    /// A record was read and waits behind the damage before it.
    is_held: bool,
    /// What ends the text; told when the lines before it are used up.
    error: Option<io::Error>,
}

/// What came next.
#[derive(Debug)]
pub enum Found {
    /// A record; [`Records::cell`] gives its cells.
    Record,
    Damage(Damage),
    End,
}

const UNCLOSED: &str = "opens a quote that is not closed";
const TOO_LONG: &str = "is longer than 1 MiB";

impl Records {
    pub fn new(lines: Lines) -> Self {
        Self {
            lines,
            ahead: VecDeque::new(),
            spare: Line::default(),
            columns: 0,
            cells: Cells::default(),
            raw: Vec::new(),
            number: 0,
            is_held: false,
            error: None,
        }
    }

    /// Reads the header: the first record. False when there is none.
    ///
    /// # Errors
    /// When the text cannot be read; within, a text for people, when it makes no record.
    pub fn read_header(&mut self) -> io::Result<Result<bool, String>> {
        let Some(line) = self.next_line()? else { return Ok(Ok(false)) };
        let number = line.number;
        let fault = if line.cut_bytes > 0 {
            TOO_LONG
        } else if self.read_from(line, MOST_LINES, MOST_BYTES).is_err() {
            UNCLOSED
        } else {
            self.columns = self.cells.len();
            return Ok(Ok(true));
        };
        Ok(Err(format!("row {number}, the header, {fault}; mend that line")))
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When the text cannot be read further.
    pub fn read(&mut self) -> io::Result<Found> {
        if std::mem::take(&mut self.is_held) {
            return Ok(Found::Record);
        }
        let Some(line) = self.next_line()? else { return Ok(Found::End) };
        let damage = if line.cut_bytes > 0 {
            Damage::of(&line, TOO_LONG)
        } else {
            match self.read_from(line, MOST_LINES, MOST_BYTES) {
                Ok(()) => return Ok(Found::Record),
                Err(line) => Damage::of(&line, UNCLOSED),
            }
        };
        Ok(Found::Damage(self.pass_over(damage)))
    }

    /// Goes on to the next whole row, which is held.
    fn pass_over(&mut self, mut damage: Damage) -> Damage {
        loop {
            let line = match self.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return damage,
                Err(error) => {
                    self.error = Some(error);
                    return damage;
                }
            };
            if line.cut_bytes > 0 {
                damage.add(&line);
                continue;
            }
            match self.read_from(line, MOST_LINES_BEHIND_DAMAGE, KEPT_BYTES) {
                Ok(()) if self.is_whole() => {
                    self.is_held = true;
                    damage.next = Some(self.number);
                    return damage;
                }
                Ok(()) => damage.add_raw(&self.raw),
                Err(line) => damage.add(&line),
            }
        }
    }

    /// A cell of the record, without its quotes.
    pub fn cell(&self, index: usize) -> Option<&[u8]> {
        self.cells.get(index)
    }

    /// Number of cells of the record.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Number of the line on which the record begins.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The lines of the record.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether the record has the cells that the header announces, but for empty ones at its end.
    pub fn is_complete(&self) -> bool {
        let count = self.cells.len();
        count == self.columns
            || (count > self.columns
                && (self.columns..count)
                    .all(|index| self.cells.get(index).is_some_and(<[u8]>::is_empty)))
    }

    fn is_whole(&self) -> bool {
        self.is_complete() && self.cells.is_clean
    }

    /// The next line that is not blank.
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut line = match self.ahead.pop_front() {
                Some(line) => line,
                None => {
                    let mut line = std::mem::take(&mut self.spare);
                    if let Some(error) = self.error.take() {
                        return Err(error);
                    }
                    if !self.lines.read(&mut line)? {
                        return Ok(None);
                    }
                    line
                }
            };
            if !line.is_blank() {
                return Ok(Some(line));
            }
            line.bytes.clear();
            self.spare = line;
        }
    }

    /// Reads the record that begins with a line; gives the line back, and keeps for later what was
    /// read behind it, when its quote is not closed.
    fn read_from(&mut self, line: Line, most_lines: usize, most_bytes: usize) -> Result<(), Line> {
        self.number = line.number;
        self.cells.clear();
        self.cells.feed(&line.bytes);
        if !self.cells.is_open {
            self.spare = line;
            std::mem::swap(&mut self.raw, &mut self.spare.bytes);
            return Ok(());
        }
        self.raw.clear();
        self.raw.extend_from_slice(&line.bytes);
        let mut behind = Vec::new();
        while behind.len() < most_lines {
            let Some(next) = self.next_within_quotes() else { break };
            let is_too_long = next.cut_bytes > 0 || self.raw.len() + next.bytes.len() > most_bytes;
            let is_row = self.columns > 1 && is_row(&next.bytes, self.columns);
            behind.push(next);
            let Some(next) = behind.last().filter(|_| !is_too_long && !is_row) else { break };
            self.raw.push(b'\n');
            self.raw.extend_from_slice(&next.bytes);
            self.cells.feed(&next.bytes);
            if self.cells.is_open {
                continue;
            }
            if self.cells.is_strange || (self.columns > 0 && !self.is_complete()) {
                break;
            }
            return Ok(());
        }
        for next in behind.into_iter().rev() {
            self.ahead.push_front(next);
        }
        Err(line)
    }

    /// The next line, also a blank one, which is part of a cell there.
    fn next_within_quotes(&mut self) -> Option<Line> {
        if let Some(line) = self.ahead.pop_front() {
            return Some(line);
        }
        let mut line = Line::default();
        if self.error.is_some() {
            return None;
        }
        match self.lines.read(&mut line) {
            Ok(has_any) => has_any.then_some(line),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
