//! Data that nobody can use, set aside with the reason instead of lost.
//!
//! One JSON line each in `data_dir/dead-letter/<component>/<date>.jsonl`: `time`, `component`,
//! `reason`, `encoding` (`utf-8` or `base64`), `payload`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::json;

use crate::clock::Clock;

/// Where one component sets data aside.
#[derive(Debug)]
pub struct DeadLetters {
    component: String,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// The file of a day, opened with the first letter.
    file: Mutex<Option<(String, File)>>,
}

impl DeadLetters {
    /// Letters go to `folder`, which is made with the first.
    pub fn new(component: &str, folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { component: component.to_owned(), folder, clock, file: Mutex::default() }
    }

    /// Sets data aside.
    ///
    /// # Errors
    /// When the folder or the file cannot be written; the text names it.
    pub fn write(&self, reason: &str, payload: &[u8]) -> io::Result<()> {
        let now = Timestamp::from_microsecond(self.clock.now_us()).unwrap_or_default();
        let (encoding, payload) = match std::str::from_utf8(payload) {
            Ok(text) => ("utf-8", text.to_owned()),
            Err(_) => ("base64", BASE64_STANDARD.encode(payload)),
        };
        let mut line = json!({
            "time": now.to_string(),
            "component": self.component,
            "reason": reason,
            "encoding": encoding,
            "payload": payload,
        })
        .to_string();
        line.push('\n');
        let day = now.strftime("%Y-%m-%d").to_string();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.file_of(&mut file, day).and_then(|file| file.write_all(line.as_bytes()));
        written.map_err(|error| {
            *file = None;
            io::Error::new(error.kind(), format!("{}: {error}", self.folder.display()))
        })
    }

    fn file_of<'a>(
        &self,
        open: &'a mut Option<(String, File)>,
        day: String,
    ) -> io::Result<&'a mut File> {
        if open.as_ref().is_none_or(|(open_day, _)| *open_day != day) {
            std::fs::create_dir_all(&self.folder)?;
            let path = self.folder.join(format!("{day}.jsonl"));
            let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
            if is_cut_short(&mut file)? {
                file.write_all(b"\n")?;
            }
            *open = Some((day, file));
        }
        match open {
            Some((_, file)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Whether the last line has no end: the disk was full, or the host was killed as it wrote.
fn is_cut_short(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn letters_are_json_lines_by_day() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let letters = DeadLetters::new("day", dir.path().join("day"), Arc::clone(&clock) as _);
        letters.write("bad price", b"600000,x").unwrap();
        clock.set_us(86_400_000_000);
        letters.write("bad bytes", b"\xff\x00").unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join("day").join(name)).unwrap();
        let first: serde_json::Value = serde_json::from_str(&read("1970-01-01.jsonl")).unwrap();
        let expected = json!({
            "time": "1970-01-01T00:00:00Z", "component": "day", "reason": "bad price",
            "encoding": "utf-8", "payload": "600000,x",
        });
        assert_eq!(first, expected);
        assert!(read("1970-01-02.jsonl").contains(r#""payload":"/wA=""#));
    }

    #[test]
    fn a_line_that_was_cut_short_does_not_spoil_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1970-01-01.jsonl");
        std::fs::write(&path, r#"{"time":"1970"#).unwrap();
        let clock = Arc::new(ManualClock::default());
        let letters = DeadLetters::new("day", dir.path().to_owned(), clock);
        letters.write("one", b"1").unwrap();
        letters.write("two", b"2").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for line in &lines[1..] {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let letters =
            DeadLetters::new("day", file.path().join("day"), Arc::new(ManualClock::default()));
        let error = letters.write("reason", b"").unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
