//! The lines of a text, none of them longer than can be kept.

use std::io::{self, BufRead};

use memchr::memchr2;

/// Longest line, and longest record of several lines.
pub const MOST_BYTES: usize = 1 << 20;

/// Reads lines that end with LF, CR or both.
pub struct Lines {
    text: Box<dyn BufRead>,
    /// Number of the last line, from 1.
    number: u64,
    /// The last line ended with CR; an LF right behind it belongs to it.
    after_cr: bool,
}

/// One line, without its end.
#[derive(Debug, Default)]
pub struct Line {
    pub bytes: Vec<u8>,
    /// From 1.
    pub number: u64,
    /// Bytes beyond [`MOST_BYTES`], which were passed over.
    pub cut_bytes: u64,
}

impl Line {
    /// Whether nothing stands there.
    pub fn is_blank(&self) -> bool {
        self.bytes.trim_ascii().is_empty() && self.cut_bytes == 0
    }
}

impl Lines {
    pub fn new(text: Box<dyn BufRead>) -> Self {
        Self { text, number: 0, after_cr: false }
    }

    /// Reads the next line; false at the end.
    ///
    /// # Errors
    /// When the text cannot be read further.
    pub fn read(&mut self, line: &mut Line) -> io::Result<bool> {
        line.bytes.clear();
        line.cut_bytes = 0;
        let mut has_any = false;
        loop {
            let part = match self.text.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if part.is_empty() {
                break;
            }
            if std::mem::take(&mut self.after_cr) && part[0] == b'\n' {
                self.text.consume(1);
                continue;
            }
            has_any = true;
            let end = memchr2(b'\n', b'\r', part);
            let text = &part[..end.unwrap_or(part.len())];
            let kept = text.len().min(MOST_BYTES - line.bytes.len());
            line.bytes.extend_from_slice(&text[..kept]);
            line.cut_bytes += (text.len() - kept) as u64;
            self.after_cr = end.is_some_and(|end| part[end] == b'\r');
            let count = end.map_or(part.len(), |end| end + 1);
            self.text.consume(count);
            if end.is_some() {
                break;
            }
        }
        self.number += u64::from(has_any);
        line.number = self.number;
        Ok(has_any)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn read(text: impl Read + 'static, capacity: usize) -> Vec<(u64, Vec<u8>, u64)> {
        let mut lines = Lines::new(Box::new(BufReader::with_capacity(capacity, text)));
        let (mut line, mut all) = (Line::default(), Vec::new());
        while lines.read(&mut line).unwrap() {
            all.push((line.number, line.bytes.clone(), line.cut_bytes));
        }
        all
    }

    #[test]
    fn every_kind_of_end_is_one() {
        for capacity in [1, 2, 3, 64] {
            let text = &b"a\r\nbc\rd\n\n\r\ne"[..];
            let lines: Vec<_> = read(text, capacity).into_iter().map(|(_, text, _)| text).collect();
            assert_eq!(lines, [&b"a"[..], b"bc", b"d", b"", b"", b"e"], "{capacity}");
        }
        assert_eq!(read(&b""[..], 8), []);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let long = io::repeat(b'x').take(3 * MOST_BYTES as u64);
        let lines = read(long.chain(&b"\nnext"[..]), 1 << 16);
        assert_eq!((lines[0].1.len(), lines[0].2), (MOST_BYTES, 2 * MOST_BYTES as u64));
        assert_eq!(lines[1], (2, b"next".to_vec(), 0));
    }
}
