//! Removing days that are too old, at the start and once a day.

use super::Parquet;
use crate::retention;

impl Parquet {
    /// Removes them when that is due; what cannot be removed is tried again later, and holds no
    /// record up.
    pub(super) fn expire(&mut self) {
        let Some(days) = self.settings.keep_days else { return };
        let now_us = self.context.now_us();
        let Some(today) = self.expiry.due(now_us) else { return };
        match retention::remove_before(&self.lake, today - i64::from(days)) {
            Ok(removed) => {
                self.expiry.done(today);
                self.tell_expired(days, removed);
            }
            Err(fault) => {
                self.expiry.failed(now_us);
                let error = fault.into_error();
                self.context.warn(&format!("days that are too old stay for now: {error}"));
            }
        }
    }

    fn tell_expired(&mut self, days: u32, removed: retention::Removed) {
        let retention::Removed { files, days: gone, mut kept } = removed;
        if files > 0 {
            self.context.count("expired_files_total", files);
            self.context.info(&format!(
                "removed {files} files that are older than {days} days; gone are {}",
                gone.join(", ")
            ));
        }
        std::mem::swap(&mut self.kept_told, &mut kept);
        if let Some(first) = self.kept_told.iter().find(|folder| !kept.contains(folder)) {
            let text = "is too old, but holds files that are not the lake's or not finished; they \
                        stay";
            self.context.warn(&format!("{} {text}", first.display()));
        }
    }
}
