//! Where everything that goes wrong with files is reported, at a bounded rate.

use std::{collections::HashMap, path::Path, sync::Arc};

use plugin_api::Context;

use crate::reader::{BadRow, none_of, shown};

/// Bad rows that the log names in each file; the rest is counted.
const NAMED_PER_FILE: u64 = 5;

/// Reports what cannot be read, and counts what was.
#[derive(Debug)]
pub struct Desk {
    pub context: Context,
    /// Rows read, whether they were played or not.
    pub rows: u64,
    pub bad_rows: u64,
    /// Files that could not be read, or not to their end.
    pub bad_files: u64,
    /// What was said of the first of those.
    first_bad_file: Option<String>,
    uncounted: u64,
    bad_by_file: HashMap<Arc<Path>, BadRows>,
}

/// Bad rows of one file.
#[derive(Debug)]
struct BadRows {
    rows: u64,
    first: BadRow,
}

/// What was read of one file.
#[derive(Debug, Clone)]
pub struct Tally {
    pub file: Arc<Path>,
    /// Rows that can be read.
    pub rows: u64,
    /// Rows that are no quotes and no fault.
    pub others: u64,
}

impl Tally {
    pub fn new(file: Arc<Path>) -> Self {
        Self { file, rows: 0, others: 0 }
    }
}

impl Desk {
    pub fn new(context: Context) -> Self {
        Self {
            context,
            rows: 0,
            bad_rows: 0,
            bad_files: 0,
            first_bad_file: None,
            uncounted: 0,
            bad_by_file: HashMap::new(),
        }
    }

    /// Sets a row aside.
    pub fn bad_row(&mut self, file: &Arc<Path>, bad: &BadRow) {
        self.bad_rows += bad.lines;
        self.uncounted += bad.lines;
        let first = || BadRows { rows: 0, first: BadRow { raw: Vec::new(), ..bad.clone() } };
        let of_file = self.bad_by_file.entry(Arc::clone(file)).or_insert_with(first);
        let before = of_file.rows;
        of_file.rows += bad.lines;
        let file = shown(file);
        let text = format!("{file}, {bad}");
        if before < NAMED_PER_FILE {
            self.context.warn(&format!("bad row set aside: {text}"));
        }
        if before <= NAMED_PER_FILE && before + bad.lines > NAMED_PER_FILE {
            self.context.warn(&format!("further bad rows of {file} are only counted"));
        }
        self.context.dead_letter(&text, &bad.raw);
    }

    /// Gives a file up; the text names it.
    pub fn bad_file(&mut self, text: &str) {
        self.bad_files += 1;
        self.first_bad_file.get_or_insert_with(|| text.to_owned());
        self.context.error(&format!("{text}; the other files go on"));
    }

    /// Says what was not read of a file that was played to its end.
    pub fn end_of_file(&mut self, tally: &Tally) {
        let file = shown(&tally.file);
        match self.bad_by_file.remove(&tally.file) {
            Some(bad) if tally.rows == 0 => {
                self.bad_file(&format!("{file}: {}", none_of(bad.rows, &bad.first)));
            }
            Some(bad) if bad.rows > NAMED_PER_FILE => {
                self.context.warn(&format!("{} bad rows of {file} were set aside", bad.rows));
            }
            None if tally.rows == 0 && tally.others == 0 => {
                self.context.warn(&format!("{file} holds no rows"));
            }
            None if tally.rows == 0 => self.context.warn(&format!(
                "{file} holds no quote of SH, SZ or BJ: its {} lines answer about others",
                tally.others
            )),
            _ => {}
        }
    }

    /// Why a replay that came to its end has failed.
    pub fn failure(&self) -> Option<String> {
        let first = self.first_bad_file.as_ref()?;
        let count = match self.bad_files {
            1 => "a file".to_owned(),
            several => format!("{several} files"),
        };
        Some(format!("{count} could not be read, or not to the end: {first}"))
    }

    /// Hands the counter over; once a batch.
    pub fn flush(&mut self) {
        if self.uncounted > 0 {
            self.context.count("source_bad_rows_total", self.uncounted);
            self.uncounted = 0;
        }
    }
}
