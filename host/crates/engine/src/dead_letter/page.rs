//! Letters page by page, oldest first, in bounded work.
//!
//! The place of a letter is one number: the day of its file, and the byte where it begins there. A
//! place stays what it is while letters are added; when a replay removes letters before it, it
//! means a later letter.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use dataserver_spool::own_file::{self, Access};

use super::{Letter, Store};

/// Most letters of a page.
pub const MAX_LETTERS: usize = 500;
/// A page ends with the letter that makes it so large, bytes.
const MAX_BYTES: u64 = 4 << 20;
/// A longer line is not shown.
const MAX_LINE: u64 = 16 << 20;
/// Bits of a place that hold the byte in the file; with those of the day it fits into the integers of
/// JavaScript.
const BYTE_BITS: u32 = 32;

/// Some letters of a component.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Each with its place; a line that is none, with what is wrong with it.
    pub letters: Vec<(u64, Result<Letter, String>)>,
    /// The place after which the next page begins; `None` when this is the last one.
    pub next: Option<u64>,
}

impl Store {
    /// The letters behind a place, or the first ones; up to `limit`, and to [`MAX_LETTERS`].
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn page(&self, after: Option<u64>, limit: usize) -> io::Result<Page> {
        let limit = limit.clamp(1, MAX_LETTERS);
        let (mut page, mut bytes) = (Page::default(), 0);
        for path in self.files()? {
            let Some(day) = day(&path) else { continue };
            let from = match after.map(|place| (place >> BYTE_BITS, place & byte_mask())) {
                Some((of, _)) if day < of => continue,
                Some((of, byte)) if day == of => Some(byte),
                _ => None,
            };
            let mut lines = match Lines::open(&path, from) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                lines => lines?,
            };
            while let Some((at, line)) = lines.next()? {
                if page.letters.len() == limit || bytes >= MAX_BYTES {
                    page.next = page.letters.last().map(|(place, _)| *place);
                    return Ok(page);
                }
                bytes += line.as_ref().map_or(0, |line| line.len() as u64);
                let letter = line.and_then(|line| Letter::parse(&line));
                page.letters.push(((day << BYTE_BITS) | (at & byte_mask()), letter));
            }
        }
        Ok(page)
    }
}

fn byte_mask() -> u64 {
    (1 << BYTE_BITS) - 1
}

/// A number that grows with the day of a file; `None` when that is not named by a day.
fn day(path: &Path) -> Option<u64> {
    let mut parts = path.file_stem()?.to_str()?.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let is_day = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    (is_day && (1..=31).contains(&day)).then(|| ((year - 1970) * 12 + month - 1) * 31 + day - 1)
}

/// Where a line begins, and the line or what is wrong with it.
type Placed = (u64, Result<Vec<u8>, String>);

/// The complete lines of a file.
struct Lines {
    reader: BufReader<File>,
    at: u64,
}

impl Lines {
    /// From the line behind that byte on, or from the first one.
    fn open(path: &Path, after: Option<u64>) -> io::Result<Self> {
        let mut file = own_file::open(path, Access::Read)?;
        let at = after.unwrap_or(0);
        file.seek(SeekFrom::Start(at))?;
        let mut lines = Self { reader: BufReader::new(file), at };
        if after.is_some() {
            lines.next()?;
        }
        Ok(lines)
    }

    /// The next line with its place, or what is wrong with it; `None` at the end. A line without its
    /// end is being written.
    fn next(&mut self) -> io::Result<Option<Placed>> {
        let (at, mut line) = (self.at, Vec::new());
        let read = self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? as u64;
        self.at += read;
        if line.ends_with(b"\n") {
            return Ok(Some((at, Ok(line))));
        }
        if read < MAX_LINE {
            return Ok(None);
        }
        // no letter is so long: the file is damaged, and what follows is not searched for
        self.at = self.reader.seek(SeekFrom::End(0))?;
        Ok(Some((at, Err(format!("a line of more than {} MiB is no letter", MAX_LINE >> 20)))))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::dead_letter::Head;

    /// A folder with letters of two days, and something that is none.
    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let letter = |reason: &str| {
            let (time, component) = ("2021-12-01T01:15:01Z".to_owned(), "lake".to_owned());
            let head = Head { time, component, reason: reason.to_owned(), batch: None };
            String::from_utf8(Letter::new(head, b"600000,x").to_line()).unwrap()
        };
        let first = format!("{}{}", letter("a"), letter("b"));
        fs::write(dir.path().join("2021-12-01.jsonl"), first).unwrap();
        fs::write(dir.path().join("notes.jsonl"), "none of ours\n").unwrap();
        let second = format!("no letter\n{}{}", letter("c"), &letter("cut")[..20]);
        fs::write(dir.path().join("2022-01-03.jsonl"), second).unwrap();
        let store = Store::new(dir.path().to_owned());
        (dir, store)
    }

    fn reasons(page: &Page) -> Vec<String> {
        let reason = |letter: &Result<Letter, String>| match letter {
            Ok(letter) => letter.head.reason.clone(),
            Err(_) => "?".to_owned(),
        };
        page.letters.iter().map(|(_, letter)| reason(letter)).collect()
    }

    #[test]
    fn pages_follow_each_other_over_days_and_none_is_left_out() {
        let (_dir, store) = store();
        let all = store.page(None, 50).unwrap();
        assert_eq!(reasons(&all), ["a", "b", "?", "c"]);
        assert_eq!(all.next, None);
        for limit in 1..5 {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store.page(after, limit).unwrap();
                found.extend(page.letters);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, all.letters, "{limit} a page");
        }
        assert!(all.letters.iter().all(|(place, _)| *place < 1 << 53), "JavaScript can count it");
    }

    #[test]
    fn a_place_that_is_no_more_leads_to_a_later_letter() {
        let (dir, store) = store();
        let all = store.page(None, 50).unwrap().letters;
        // in the middle of a line
        let page = store.page(Some(all[0].0 + 3), 50).unwrap();
        assert_eq!(reasons(&page), ["b", "?", "c"]);
        fs::remove_file(dir.path().join("2021-12-01.jsonl")).unwrap();
        assert_eq!(reasons(&store.page(Some(all[1].0), 50).unwrap()), ["?", "c"]);
        assert_eq!(store.page(Some(u64::MAX), 50).unwrap(), Page::default());
        let nowhere = Store::new(dir.path().join("nowhere"));
        assert_eq!(nowhere.page(None, 50).unwrap(), Page::default());
    }

    #[test]
    fn a_line_without_an_end_is_not_read_into_memory() {
        let (dir, store) = store();
        let file = File::create(dir.path().join("2021-12-01.jsonl")).unwrap();
        file.set_len(MAX_LINE * 4).unwrap();
        let page = store.page(None, 50).unwrap();
        assert_eq!(reasons(&page), ["?", "?", "c"]);
        assert!(page.letters[0].1.as_ref().unwrap_err().contains("16 MiB"));
    }
}
