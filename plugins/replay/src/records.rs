//! Records of comma-separated text: bounded, and found again behind damage.
//!
//! A quote that is never closed would swallow all that follows. A line within quotes that is a
//! whole row by itself shows that the quote is one of those: then the line that opened it is set
//! aside, and reading goes on with the next lines that make a whole row.

use std::{collections::VecDeque, io};

use memchr::memchr_iter;

use crate::{
    lines::{Line, Lines, MOST_BYTES},
    quoting::{Cells, is_row},
};

/// Longest search for a closing quote.
const MOST_LINES: usize = 1_000;
/// The same behind damage, where every line may begin a row: lists of a book take fewer lines.
const MOST_LINES_BEHIND_DAMAGE: usize = 32;
/// What is kept of lines that are set aside.
const KEPT_BYTES: usize = 1 << 16;

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

/// Lines that make no record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Number of the first line, from 1.
    pub first: u64,
    pub lines: u64,
    pub bytes: u64,
    pub why: &'static str,
    /// The start of what they are.
    pub raw: Vec<u8>,
    /// Number of the line with which reading goes on; `None` at the end of the file.
    pub next: Option<u64>,
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

impl Damage {
    fn of(line: &Line, why: &'static str) -> Self {
        let mut damage = Self { first: line.number, why, ..Self::default() };
        damage.add(line);
        damage
    }

    fn add(&mut self, line: &Line) {
        self.add_raw(&line.bytes);
        self.bytes += line.cut_bytes;
    }

    fn add_raw(&mut self, raw: &[u8]) {
        self.lines += 1 + memchr_iter(b'\n', raw).count() as u64;
        self.bytes += raw.len() as u64 + 1;
        let room = KEPT_BYTES.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(&raw[..raw.len().min(room)]);
        if room > raw.len() {
            self.raw.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, repeat};

    use proptest::prelude::*;

    use super::*;

    fn records(text: impl Read + 'static) -> Records {
        let mut records = Records::new(Lines::new(Box::new(io::BufReader::new(text))));
        assert_eq!(records.read_header().unwrap(), Ok(true));
        records
    }

    /// Records as `number:cell|cell`, damage as `!first+lines>next`.
    fn all(text: impl Into<Vec<u8>>) -> Vec<String> {
        let mut records = records(io::Cursor::new(text.into()));
        let mut all = Vec::new();
        loop {
            all.push(match records.read().unwrap() {
                Found::End => return all,
                Found::Damage(damage) => {
                    let next = damage.next.map_or("end".to_owned(), |next| next.to_string());
                    format!("!{}+{}>{next}", damage.first, damage.lines)
                }
                Found::Record => {
                    let cells = (0..records.len()).filter_map(|index| records.cell(index));
                    let cells: Vec<_> = cells.map(String::from_utf8_lossy).collect();
                    format!("{}:{}", records.number(), cells.join("|"))
                }
            });
        }
    }

    #[test]
    fn cells_are_what_the_format_says() {
        let text =
            "a,b,c\n1,\"x,y\",\"say \"\"no\"\"\"\r\n\n2,,\n\"3\",\"two\nlines\",4\n5,6\n7,8,9,\n";
        assert_eq!(
            all(text),
            ["2:1|x,y|say \"no\"", "4:2||", "5:3|two\nlines|4", "7:5|6", "8:7|8|9|"]
        );
    }

    #[test]
    fn a_quote_that_is_not_closed_costs_the_row_in_which_it_stands() {
        for (text, expected) in [
            ("a,b\n1,\"x\n2,y\n3,z\n", vec!["!2+1>3", "3:2|y", "4:3|z"]),
            ("a,b\n\"1,x\n\"2\",y\n\"3\",z\n", vec!["!2+1>3", "3:2|y", "4:3|z"]),
            ("a,b\n1,x\n2,\"y", vec!["2:1|x", "!3+1>end"]),
            ("a,b\n1,\"x\nno row\n\n2,y\n", vec!["!2+2>5", "5:2|y"]),
            // a row of several lines right behind it
            ("a,b\n1,\"x\n2,\"[1\n 2]\"\n3,z\n", vec!["!2+1>3", "3:2|[1\n 2]", "5:3|z"]),
            ("a,b\n1,\"x\"\"\n2,y\n", vec!["!2+1>3", "3:2|y"]),
            ("a,b\n1,=\"x\"\n2,\"x\n3,=\"y\"\n", vec!["2:1|=\"x\"", "!3+1>4", "4:3|=\"y\""]),
        ] {
            assert_eq!(all(text), expected, "{text}");
        }
    }

    #[test]
    fn a_header_whose_quote_is_not_closed_is_refused() {
        let lines = Lines::new(Box::new(io::Cursor::new(b"\"a,b\n1,2\n")));
        let fault = Records::new(lines).read_header().unwrap().unwrap_err();
        assert_eq!(fault, "row 1, the header, opens a quote that is not closed; mend that line");
    }

    #[test]
    fn nothing_longer_than_a_record_may_be_is_kept() {
        let start = io::Cursor::new(b"a,b\n1,\"".to_vec());
        // a text without a row, of many lines or of one
        let long = io::Cursor::new("x\n".repeat(3 << 20).into_bytes());
        let longer = repeat(b'x').take(3 << 20);
        let text = start.chain(long).chain(longer).chain(io::Cursor::new(b"\n2,y\n".to_vec()));
        let mut records = records(text);
        let Found::Damage(damage) = records.read().unwrap() else { panic!() };
        assert_eq!(
            (damage.first, damage.lines, damage.next),
            (2, (3 << 20) + 1, Some((3 << 20) + 3))
        );
        assert!(damage.bytes > 9 << 20 && damage.raw.len() <= KEPT_BYTES);
        assert!(records.raw.capacity() <= 2 * MOST_BYTES + 2, "{}", records.raw.capacity());
        assert!(matches!(records.read().unwrap(), Found::Record));
        assert_eq!((records.cell(0), records.cell(1)), (Some(&b"2"[..]), Some(&b"y"[..])));
    }

    proptest! {
        /// What is written by the rules comes back, whatever the cells hold.
        #[test]
        fn whatever_is_quoted_comes_back(
            rows in proptest::collection::vec(("[a-z]{1,3}", "[a-z\" ,]{0,9}", "[0-9\n\"]{0,6}"), 0..9),
        ) {
            let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
            let mut text = "h,i,j\n".to_owned();
            for (a, b, c) in &rows {
                text += &format!("{a},{},{}\n", quoted(b), quoted(c));
            }
            let mut records = records(io::Cursor::new(text.into_bytes()));
            for (a, b, c) in &rows {
                prop_assert!(matches!(records.read().unwrap(), Found::Record));
                for (index, cell) in [a, b, c].into_iter().enumerate() {
                    prop_assert_eq!(records.cell(index), Some(cell.as_bytes()));
                }
            }
            prop_assert!(matches!(records.read().unwrap(), Found::End));
        }

        /// Nothing makes it lose a line without saying so, or read one twice.
        #[test]
        fn every_line_is_read_or_told(text in "(a,b\n)([a,\"]{0,4}\n){0,12}") {
            let blank = text.lines().filter(|line| line.trim().is_empty()).count();
            let mut records = records(io::Cursor::new(text.clone().into_bytes()));
            let mut lines = 1;
            loop {
                lines += match records.read().unwrap() {
                    Found::End => break,
                    Found::Record => 1 + memchr_iter(b'\n', records.raw()).count(),
                    Found::Damage(damage) => usize::try_from(damage.lines).unwrap(),
                };
            }
            // blank lines count only within quotes
            prop_assert!(lines <= text.lines().count() && lines + blank >= text.lines().count());
        }
    }
}
