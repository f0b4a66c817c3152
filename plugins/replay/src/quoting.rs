//! Cells of a record, by the rules of RFC 4180: commas between them, quotes around those that hold
//! commas, quotes or line ends, a quote within doubled.

use memchr::{memchr, memchr_iter};

/// Whether a line is a whole row by itself.
pub fn is_row(line: &[u8], columns: usize) -> bool {
    if memchr_iter(b',', line).count() + 1 < columns {
        return false;
    }
    let mut cells = Cells::default();
    cells.feed(line);
    !cells.is_open && cells.is_clean && cells.len() == columns
}

/// Cells of a record, without their quotes.
#[derive(Debug, Default)]
pub struct Cells {
    bytes: Vec<u8>,
    /// End of each cell in `bytes`.
    ends: Vec<usize>,
    /// The last cell is within quotes.
    pub is_open: bool,
    /// Something stands between a closing quote and the next comma.
    pub is_strange: bool,
    /// Quotes stand as they should; not so in a line that ends what another has opened.
    pub is_clean: bool,
}

impl Cells {
    /// Starts the next record.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.is_open, self.is_strange, self.is_clean) = (false, false, true);
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.bytes.get(start..*self.ends.get(index)?)
    }

    /// Takes the next line of the record.
    pub fn feed(&mut self, line: &[u8]) {
        if self.ends.is_empty() && self.bytes.is_empty() {
            self.is_clean = true;
        }
        let mut rest = line;
        if self.is_open {
            self.bytes.push(b'\n');
            rest = match self.quoted(rest) {
                Some(rest) => rest,
                None => return,
            };
        }
        loop {
            if let Some(quoted) = rest.strip_prefix(b"\"") {
                match self.quoted(quoted) {
                    Some(behind) => rest = behind,
                    None => return,
                }
            } else {
                let end = memchr(b',', rest).unwrap_or(rest.len());
                let cell = &rest[..end];
                self.is_clean &= memchr_iter(b'"', cell).count().is_multiple_of(2);
                self.bytes.extend_from_slice(cell);
                rest = &rest[end..];
            }
            self.ends.push(self.bytes.len());
            match rest.strip_prefix(b",") {
                Some(next) => rest = next,
                None => return,
            }
        }
    }

    /// Takes what is within quotes, up to the comma or end behind it; `None` when the quotes do not
    /// end in this line.
    fn quoted<'a>(&mut self, mut rest: &'a [u8]) -> Option<&'a [u8]> {
        self.is_open = true;
        loop {
            let Some(end) = memchr(b'"', rest) else {
                self.bytes.extend_from_slice(rest);
                return None;
            };
            self.bytes.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            if rest.first() != Some(&b'"') {
                break;
            }
            self.bytes.push(b'"');
            rest = &rest[1..];
        }
        self.is_open = false;
        let end = memchr(b',', rest).unwrap_or(rest.len());
        if end > 0 {
            (self.is_strange, self.is_clean) = (true, false);
            self.bytes.extend_from_slice(&rest[..end]);
        }
        Some(&rest[end..])
    }
}
