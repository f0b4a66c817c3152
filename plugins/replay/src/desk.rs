//! Where everything that goes wrong with files is reported, at a bounded rate.

use std::{collections::HashMap, path::Path, sync::Arc};

use plugin_api::Context;

use crate::reader::BadRow;

/// Bad rows that the log names in each file; the rest is counted.
const NAMED_PER_FILE: u64 = 5;

/// Reports what cannot be read, and counts what was.
#[derive(Debug)]
pub struct Desk {
    pub context: Context,
    /// Rows read, whether they were played or not.
    pub rows: u64,
    pub bad_rows: u64,
    pub bad_files: u64,
    uncounted: u64,
    bad_by_file: HashMap<Arc<Path>, u64>,
}

impl Desk {
    pub fn new(context: Context) -> Self {
        Self {
            context,
            rows: 0,
            bad_rows: 0,
            bad_files: 0,
            uncounted: 0,
            bad_by_file: HashMap::new(),
        }
    }

    /// Sets a row aside.
    pub fn bad_row(&mut self, file: &Arc<Path>, bad: &BadRow) {
        self.bad_rows += 1;
        self.uncounted += 1;
        let of_file = self.bad_by_file.entry(Arc::clone(file)).or_default();
        *of_file += 1;
        let (file, row) = (file.display(), bad.row);
        let text = if bad.column.is_empty() {
            format!("{file}, row {row}: {}", bad.why)
        } else {
            format!("{file}, row {row}, column {}: \"{}\" {}", bad.column, bad.value, bad.why)
        };
        if *of_file <= NAMED_PER_FILE {
            self.context.warn(&format!("bad row set aside: {text}"));
        }
        if *of_file == NAMED_PER_FILE + 1 {
            self.context.warn(&format!("further bad rows of {file} are only counted"));
        }
        self.context.dead_letter(&text, &bad.raw);
    }

    /// Gives a file up; the text names it.
    pub fn bad_file(&mut self, text: &str) {
        self.bad_files += 1;
        self.context.error(&format!("{text}; the other files go on"));
    }

    /// Says how many rows of a file that was played to its end were bad.
    pub fn end_of_file(&mut self, file: &Arc<Path>) {
        if let Some(bad) = self.bad_by_file.remove(file)
            && bad > NAMED_PER_FILE
        {
            self.context.warn(&format!("{bad} bad rows of {} were set aside", file.display()));
        }
    }

    /// Hands the counter over; once a batch.
    pub fn flush(&mut self) {
        if self.uncounted > 0 {
            self.context.count("source_bad_rows_total", self.uncounted);
            self.uncounted = 0;
        }
    }
}
