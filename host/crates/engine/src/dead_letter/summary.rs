//! A summary of one component's letters.

use std::{collections::HashMap, io, path::Path};

use jiff::Timestamp;

use super::{Head, Store};

/// Different reasons that are counted; more are taken for others.
const MAX_REASONS: usize = 1_000;

/// The summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The component.
    pub component: String,
    /// Files.
    pub files: usize,
    /// Lines that are letters.
    pub letters: u64,
    /// Records of their batches.
    pub records: u64,
    /// Lines that are none.
    pub damaged: u64,
    /// Time of the oldest letter.
    pub oldest: Option<Timestamp>,
    /// Time of the newest letter.
    pub newest: Option<Timestamp>,
    /// Bytes of all files.
    pub bytes: u64,
    /// An example of the commonest reason; those that differ in numbers count as one.
    pub reason: Option<String>,
}

impl Summary {
    /// Of every component that has a folder, by name.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let name = entry.file_name().to_string_lossy().into_owned();
                all.push(Self::of(name, &Store::new(entry.path()))?);
            }
        }
        all.retain(|summary| summary.files > 0);
        all.sort_by(|left, right| left.component.cmp(&right.component));
        Ok(all)
    }

    /// Of one component.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(component: String, store: &Store) -> io::Result<Self> {
        let files = store.files()?;
        let (file_count, bytes) = (files.len(), store.bytes()?);
        let mut summary = Self { component, files: file_count, bytes, ..Self::default() };
        let mut reasons = Reasons::default();
        for path in files {
            Store::lines(&path, 0, |_, line| {
                match serde_json::from_slice::<Head>(line) {
                    Ok(head) => summary.add(&head, &mut reasons),
                    Err(_) => summary.damaged += 1,
                }
                true
            })?;
        }
        summary.reason = reasons.commonest();
        Ok(summary)
    }

    fn add(&mut self, head: &Head, reasons: &mut Reasons) {
        self.letters += 1;
        self.records += head.batch.as_ref().map_or(0, |batch| u64::from(batch.records));
        if let Ok(time) = head.time.parse::<Timestamp>() {
            self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
            self.newest = self.newest.max(Some(time));
        }
        reasons.add(&head.reason);
    }
}

#[derive(Default)]
struct Reasons {
    /// Number and an example, by the reason without its numbers.
    by_pattern: HashMap<String, (u64, String)>,
}

impl Reasons {
    fn add(&mut self, reason: &str) {
        let mut pattern = String::with_capacity(reason.len());
        for letter in reason.chars() {
            match letter.is_ascii_digit() {
                true if pattern.ends_with('#') => {}
                true => pattern.push('#'),
                false => pattern.push(letter),
            }
        }
        if let Some((count, _)) = self.by_pattern.get_mut(&pattern) {
            *count += 1;
        } else if self.by_pattern.len() < MAX_REASONS {
            self.by_pattern.insert(pattern, (1, reason.to_owned()));
        }
    }

    fn commonest(self) -> Option<String> {
        // the first in the alphabet of those that are equally common
        let best = self
            .by_pattern
            .into_values()
            .max_by(|left, right| left.0.cmp(&right.0).then_with(|| right.1.cmp(&left.1)));
        best.map(|(_, example)| example)
    }
}
