//! What is wrong with the queue on disk of a component.

use dataserver_spool::{Finding, Unacknowledged};
use plugin_api::ErrorKind;

use super::ComponentStatus;

impl ComponentStatus {
    /// Notes what is wrong with the disk of the component's queue, or that it works again.
    pub fn note_disk(&self, fault: Option<&str>) {
        let was =
            self.change(|inner| std::mem::replace(&mut inner.disk_fault, fault.map(str::to_owned)));
        let component = self.id.as_str();
        match fault {
            Some(fault) => {
                self.note_error_kind(ErrorKind::Retry, format!("buffer on disk: {fault}"));
                let Some(left_out) = self.admit_to_log(fault) else { return };
                tracing::error!(
                    component,
                    left_out,
                    "buffer on disk: {fault}; writers wait: free space or mend the disk of data_dir"
                );
            }
            None if was.is_some() => tracing::info!(component, "the buffer on disk works again"),
            None => {}
        }
    }

    /// Logs damage in the component's queue on disk, and counts it.
    pub fn note_damage(&self, finding: &Finding) {
        let Finding { file, stretch, note, kept } = finding;
        self.metrics.spool_damaged(stretch.records);
        let kept = match kept {
            Ok(path) => path.display().to_string(),
            Err(why) => format!("not kept: {why}"),
        };
        let text = finding.text();
        self.note_error_kind(ErrorKind::BadData, format!("buffer on disk: {text}"));
        tracing::error!(
            component = self.id,
            file = %file.display(),
            at = stretch.at,
            bytes = stretch.bytes,
            batches_lost = stretch.batches,
            records_lost = stretch.records,
            is_exact = stretch.is_exact,
            note = (!note.is_empty()).then_some(note.as_str()),
            kept,
            "the buffer on disk is damaged: {text}; `dataserver spool acknowledge` says that it is \
             known"
        );
    }

    /// Sets the unacknowledged damage of the component's queue on disk.
    pub fn set_damage(&self, damage: Unacknowledged) {
        self.metrics.spool_unacknowledged(damage.places);
        self.change(|inner| inner.damage = damage);
    }

    /// What is damaged in the component's queue on disk and not acknowledged.
    pub fn damage(&self) -> Unacknowledged {
        self.lock().damage
    }
}
