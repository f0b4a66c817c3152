//! Commits: all rows that were taken become safe, or none.

use plugin_api::{Ack, PluginError};

use super::{Held, Parquet};
use crate::{
    fault::Fault,
    part::{Naming, Part},
};

/// Payload bytes held over all partitions that make a commit due before its records do.
const MAX_HELD_BYTES: usize = 128 << 20;

impl Parquet {
    /// Commits and finishes what is due.
    pub(super) fn settle(&mut self, now_us: i64) -> Result<Ack, PluginError> {
        if self.is_commit_due(now_us) {
            self.commit()?;
        }
        self.finish_due(now_us);
        self.expire();
        Ok(if self.held.records == 0 { Ack::Delivered } else { Ack::Held })
    }

    fn is_commit_due(&self, now_us: i64) -> bool {
        let held_us = now_us.saturating_sub(self.held.since_us);
        // a clock that was put back must not keep records waiting
        let is_late = !(0..self.settings.flush_interval_us).contains(&held_us)
            || self.parts.iter().any(|part| part.is_due(&self.settings, now_us));
        self.held.records > 0 && is_late
            || self.held.records >= self.settings.row_group_records
            || self.held.bytes >= MAX_HELD_BYTES
            || self.sealed.iter().any(Part::is_waiting)
    }

    /// After rows were taken, a fault of the disk waits for the next call.
    pub(super) fn postpone(&mut self, error: PluginError) -> Result<Ack, PluginError> {
        if !self.is_stalled {
            return Err(error);
        }
        self.context.warn(&format!("records wait in memory: {error}"));
        Ok(Ack::Held)
    }

    /// Makes all rows safe, or changes nothing.
    pub(super) fn commit(&mut self) -> Result<(), PluginError> {
        let result = self.try_commit();
        self.is_stalled = matches!(result, Err(Fault::Disk { .. }));
        result.map_err(Fault::into_error)
    }

    fn try_commit(&mut self) -> Result<(), Fault> {
        for part in &mut self.parts {
            part.close_group()?;
        }
        if self.is_appended || self.append()? {
            // after a fault it is not known whether the record was written, so nothing is undone:
            // what was appended stays, and the record is written again
            self.is_appended = true;
            self.lock.record_commit(self.disk.as_ref(), self.taken)?;
            self.is_appended = false;
            self.sealed.iter_mut().chain(&mut self.parts).for_each(Part::forget);
        }
        self.held = Held::default();
        Ok(())
    }

    /// Appends what waits to its files, or leaves all files as they were; false when nothing waits.
    fn append(&mut self) -> Result<bool, Fault> {
        let disk = self.disk.as_ref();
        let naming =
            Naming { lake: &self.lake, writer: self.lock.name(), now_us: self.context.now_us() };
        let parts = self.sealed.iter_mut().chain(&mut self.parts);
        let mut waiting: Vec<_> = parts.filter(|part| part.is_waiting()).collect();
        let mut before = Vec::with_capacity(waiting.len());
        for part in &mut waiting {
            if let Some(lost) = part.prepare(disk, &naming)? {
                self.context.error(&lost);
            }
            before.extend(part.file().map(|file| file.safe()));
        }
        let commit = self.lock.next_tag();
        let result = waiting.iter_mut().try_for_each(|part| part.append(disk, &commit));
        if result.is_err() {
            for (part, safe) in waiting.iter_mut().zip(&before) {
                part.file().into_iter().for_each(|file| file.cut_back(disk, *safe));
            }
        }
        result.map(|()| !waiting.is_empty())
    }
}
