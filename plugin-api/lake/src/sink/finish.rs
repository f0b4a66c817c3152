//! Finishing files: which take no more rows, and get their names for readers.

use super::Parquet;
use crate::{fault::Fault, part::Part};

/// Row groups in unfinished files over all partitions; about 10 KB of memory each.
const MAX_ROW_GROUPS: usize = 8_192;

impl Parquet {
    /// Finishes files that are full, large or old, and some when there are too many row groups.
    pub(super) fn finish_due(&mut self, now_us: i64) {
        if self.held.records > 0 {
            return;
        }
        let settings = self.settings.clone();
        self.seal(|_, part| part.is_due(&settings, now_us));
        let row_groups: usize = self.parts.iter().map(Part::row_groups).sum();
        if row_groups > MAX_ROW_GROUPS {
            let mean = row_groups / self.parts.len();
            self.seal(|_, part| part.row_groups() >= mean);
        }
        match self.finish_sealed() {
            Ok(()) => self.is_unfinished_told = false,
            Err(_) if self.is_unfinished_told => {}
            Err(fault) => {
                self.is_unfinished_told = true;
                let error = fault.into_error();
                self.context.warn(&format!("a file keeps its hidden name for now: {error}"));
            }
        }
    }

    /// Closes the chosen parts to further rows.
    pub(super) fn seal(&mut self, mut is_meant: impl FnMut(usize, &Part) -> bool) {
        let mut index = 0;
        let before = self.sealed.len();
        let sealed = self.parts.extract_if(.., |part| {
            index += 1;
            is_meant(index - 1, part)
        });
        self.sealed.extend(sealed);
        if self.sealed.len() > before {
            self.index_parts();
        }
    }

    pub(super) fn index_parts(&mut self) {
        self.current = None;
        self.part_by_folder = self
            .parts
            .iter()
            .enumerate()
            .map(|(index, part)| (format!("{}/{}", part.kind().as_str(), part.folder()), index))
            .collect();
    }

    /// Finishes the files that take no more rows; those that cannot be finished stay.
    pub(super) fn finish_sealed(&mut self) -> Result<(), Fault> {
        let mut result = Ok(());
        let disk = self.disk.as_ref();
        let context = &self.context;
        self.sealed.retain_mut(|part| {
            match part.file().map(|file| (file.finish(disk), file.safe())) {
                Some((Ok(path), safe)) => {
                    context.debug(&format!("finished {} of {} rows", path.display(), safe.rows));
                    false
                }
                Some((Err(fault), _)) => {
                    result = Err(fault);
                    true
                }
                None => part.is_waiting(),
            }
        });
        result
    }
}
